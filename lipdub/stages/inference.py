"""Running loaded networks: in which arithmetic, by which library, how many items at once.

Networks run eagerly in float32 on a CPU and in half precision on a GPU. On a CPU, ``--precision bf16`` and the extra
``accel`` (OpenVINO) are faster. The choice changes results, if only by rounding, so it is part of the stages' options.
On a CPU the items of a batch never depend on free memory: a run that was killed ends with the same bytes.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lipdub.errors import UsageError
from lipdub.offline import import_openvino

if TYPE_CHECKING:
    import torch

    from lipdub.stages.base import StageContext
    from lipdub.weights.store import VerifiedWeights

MAX_GPU_BATCH = 32  # items at once on a GPU, whatever its memory: more bring nothing
GPU_MEMORY_SHARE = 0.7  # of a GPU's free memory that a batch may take
UNKNOWN_MEMORY_BATCH = 4  # items at once on a device that does not tell its memory

Call: TypeAlias = Callable[..., Any]
"""A network and its inputs, tensors (n, ...), to one tensor (n, ...)."""


@dataclass(frozen=True)
class NetworkTraits:
    """How a network runs best, as measured.

    Attributes:
        item_bytes: Memory that each item of a batch takes on a GPU, besides the weights.
        batch: Items at once on a CPU.
        channels_last: Whether it is faster with the channels of its pictures innermost.
        exact: Whether it stays in float32 whatever is asked, since it points at places or picks entries of a table.
        accelerated: From how many items OpenVINO is faster, its conversion included, with the same float32 result.
            0: never.
    """

    item_bytes: int = 1 << 30
    batch: int = 1
    channels_last: bool = False
    exact: bool = False
    accelerated: int = 0


def prepare_network(ctx: StageContext, options: Any, network: Any, traits: NetworkTraits, items: int) -> NetworkRunner:
    """Prepare a loaded network for the run's device. Call it through `run_network`.

    Args:
        ctx: The stage's context.
        options: The stage's options, an `InferenceOptions`.
        network: The loaded module.
        traits: How it runs best.
        items: All items the stage has for it, finished ones included, so that a resumed run computes in the same way.

    Raises:
        UsageError: The device does not have the precision.
    """
    import torch

    precision, device = options.precision, torch.device(ctx.device)
    if device.type == "cpu" and precision == "fp16":
        raise UsageError("a processor does not compute in fp16", hint="Take --precision bf16, or --device cuda.")
    dtype = None if traits.exact else _dtype(precision, device)
    accelerated = device.type == "cpu" and options.cpu_backend != "none" and 0 < traits.accelerated <= items
    return NetworkRunner(network, traits, device, dtype, ctx.threads if accelerated else 0, ctx.warn)


def _dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """Return the half precision to compute in; None for float32."""
    import torch

    if precision == "auto":
        if device.type != "cuda":
            return None
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def call_directly(network: Any, *inputs: Any) -> Any:
    """Call a network that takes tensors and returns one."""
    return network(*inputs)


def run_network(network: Any, call: Call, *inputs: torch.Tensor) -> torch.Tensor:
    """Run a network on inputs (n, ...) float32 on the CPU.

    Args:
        network: From `prepare_network`; or a module, which runs where it is.
        call: Takes the network and its inputs, returns one tensor (n, ...).
        *inputs: Tensors (n, ...).

    Returns:
        (n, ...) float32 on the CPU.
    """
    if not isinstance(network, NetworkRunner):
        network = NetworkRunner(network, NetworkTraits(batch=len(inputs[0])))
    return network.run(call, *inputs)


class NetworkRunner:
    """A network and how it is run.

    Args:
        network: The loaded module.
        traits: How it runs best.
        device: Where it runs; None for where it is.
        dtype: Half precision to compute in; None for float32.
        threads: Threads of OpenVINO; 0 to run it with PyTorch.
        warn: Receives a message when something that was asked for is not possible.
    """

    def __init__(
        self,
        network: Any,
        traits: NetworkTraits,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        threads: int = 0,
        warn: Callable[[str], None] = lambda text: None,
    ) -> None:
        import torch

        self._device = device or next(network.parameters()).device
        self._layout = torch.channels_last if traits.channels_last and not threads else torch.contiguous_format
        # Layers with weights of five dimensions, as those steered by a style have, stay as they are.
        for value in network.parameters() if traits.channels_last and not threads else ():
            if value.ndim == 4:
                value.data = value.data.contiguous(memory_format=torch.channels_last)
        self._network = network
        self._dtype = dtype
        self._threads = threads
        self._warn = warn
        self._compiled: Any = None
        self.batch = max_batch(traits, self._device)

    def run(self, call: Call, *inputs: torch.Tensor) -> torch.Tensor:
        """Run as `run_network`, in batches. They are halved when the GPU runs out of memory."""
        import torch

        out, done = [], 0
        while done < len(inputs[0]):
            part = [value[done : done + self.batch] for value in inputs]
            made = self._tried(call, part)
            if made is None:
                self.batch = max(1, min(self.batch, len(part[0])) // 2)
                torch.cuda.empty_cache()
                continue
            out.append(made)
            done += len(made)
        return torch.cat(out)

    def _tried(self, call: Call, inputs: list[torch.Tensor]) -> torch.Tensor | None:
        """Run one batch. Return None when memory was too little and smaller batches can be tried."""
        import torch

        try:
            return self._by_openvino(call, inputs) if self._threads else self._eagerly(call, inputs)
        except torch.OutOfMemoryError:
            if len(inputs[0]) == 1:
                raise
        return None

    def _eagerly(self, call: Call, inputs: list[torch.Tensor]) -> torch.Tensor:
        import torch

        there = [
            value.to(self._device, memory_format=self._layout) if value.ndim == 4 else value.to(self._device)
            for value in inputs
        ]
        half = torch.autocast(self._device.type, self._dtype or torch.bfloat16, enabled=self._dtype is not None)
        with torch.inference_mode(), half:
            return call(self._network, *there).float().cpu()

    def _by_openvino(self, call: Call, inputs: list[torch.Tensor]) -> torch.Tensor:
        """Run one batch with OpenVINO. The first call converts the network."""
        import torch

        if self._compiled is None:
            try:
                self._compiled = _compile_with_openvino(
                    self._network, call, inputs, self.batch > 1, self._dtype, self._threads
                )
            except Exception as error:  # whatever it cannot take, torch can
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                self._warn(f"OpenVINO does not run {type(self._network).__name__}, PyTorch does instead: {reason}")
                self._threads = 0
                return self._eagerly(call, inputs)
            self._network = None  # its weights are in what was compiled
        made = self._compiled([np.ascontiguousarray(value) for value in inputs])[0]
        return torch.from_numpy(made.copy())


def _compile_with_openvino(
    network: Any, call: Call, inputs: list[torch.Tensor], several: bool, dtype: torch.dtype | None, threads: int
) -> Any:
    """Compile a network with OpenVINO for the CPU and inputs of these shapes.

    Args:
        network: The loaded module.
        call: As in `run_network`.
        inputs: Example inputs.
        several: Whether batches may have any size.
        dtype: Half precision; None for float32.
        threads: Threads of OpenVINO.
    """
    import torch

    openvino = import_openvino()

    class Called(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, *values: Any) -> Any:
            return call(self.network, *values)

    # Some layers it takes only where all sizes are known.
    shapes = [[-1 if several else len(value), *value.shape[1:]] for value in inputs]
    with torch.inference_mode(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # tracing tells of every size that is fixed
        model = openvino.convert_model(Called(), example_input=tuple(inputs), input=shapes)
    how = {
        "INFERENCE_PRECISION_HINT": "f32" if dtype is None else "bf16",
        "INFERENCE_NUM_THREADS": threads,
        "PERFORMANCE_HINT": "LATENCY",
    }
    return openvino.Core().compile_model(model, "CPU", how)


def preferred_batch(ctx: StageContext, traits: NetworkTraits) -> int:
    """Return how many items are worth preparing together. The runner may split them where memory is short."""
    return traits.batch if ctx.device == "cpu" else MAX_GPU_BATCH


def max_batch(traits: NetworkTraits, device: torch.device) -> int:
    """Return how many items go through a device at once. On a CPU it is always the same number."""
    import torch

    if device.type == "cpu":
        return traits.batch
    if device.type != "cuda":
        return UNKNOWN_MEMORY_BATCH
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return max(1, min(MAX_GPU_BATCH, int(free * GPU_MEMORY_SHARE) // traits.item_bytes))


def release_gpu_memory() -> None:
    """Give the memory of dropped networks back to the device and the system; objects in circles are collected first."""
    import gc

    import torch

    from lipdub.memory import release_free_memory

    gc.collect()
    release_free_memory()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def load_on_device(ctx: StageContext, kept: VerifiedWeights) -> Any:
    """Load the network of verified weights on the run's device."""
    import torch

    from lipdub.weights.checkpoint import load_network

    torch.set_num_threads(ctx.threads)
    return load_network(kept.path, kept.entry).to(ctx.device)
