"""Running loaded networks: in which arithmetic, by which library, how many items at once.

Networks run eagerly in float32 on a processor, where `--precision bf16` and the extra `accel` (OpenVINO) are faster, and in
half precision on a GPU. What was chosen changes results, if only by rounding, and is part of the stages' options. On a
processor the items of a batch never depend on the memory there is: a run that was killed ends with the same bytes.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lipdub.errors import UsageError

if TYPE_CHECKING:
    from lipdub.stages.base import StageContext
    from lipdub.weights.store import VerifiedWeights

if TYPE_CHECKING:
    import torch

    from lipdub.stages.base import StageContext

MAX_GPU_BATCH = 32  # items at once on a GPU, whatever its memory: more bring nothing
GPU_MEMORY_SHARE = 0.7  # of a GPU's free memory that a batch may take
UNKNOWN_MEMORY_BATCH = 4  # items at once on a device that does not tell its memory

Call: TypeAlias = Callable[..., Any]
"""A network and its inputs, tensors (n, ...), to one tensor (n, ...)."""


@dataclass(frozen=True)
class NetworkProfile:
    """What is known of a network by measurement.

    item_bytes: memory each item of a batch takes on a GPU, beside the weights. batch: items at once on a processor.
    channels_last: it is faster with its pictures' channels innermost. exact: it stays in float32 whatever is asked, since
    it tells places or picks entries of a table. accelerated: from so many items on OpenVINO is faster, the time it takes to
    convert the network included, with the same result in float32; 0: never.
    """

    item_bytes: int = 1 << 30
    batch: int = 1
    channels_last: bool = False
    exact: bool = False
    accelerated: int = 0


def prepare_network(ctx: StageContext, options: Any, network: Any, traits: NetworkProfile, items: int) -> NetworkRunner:
    """A loaded network on the run's device, to be called by `run`.

    options: the stage's, with those fields that `settle` checks. items: how many the whole stage has for it, those that are
    done already included, so that a run that goes on takes the same way. Raises UsageError when the device does not have the
    precision.
    """
    import torch

    precision, device = options.precision, torch.device(ctx.device)
    if device.type == "cpu" and precision == "fp16":
        raise UsageError("a processor does not compute in fp16", hint="Take --precision bf16, or --device cuda.")
    dtype = None if traits.exact else _dtype(precision, device)
    accelerated = device.type == "cpu" and options.cpu_backend != "none" and 0 < traits.accelerated <= items
    return NetworkRunner(network, traits, device, dtype, ctx.threads if accelerated else 0, ctx.warn)


def _dtype(precision: str, device: torch.device) -> torch.dtype | None:
    """The half precision to compute in; None for float32."""
    import torch

    if precision == "auto":
        if device.type != "cuda":
            return None
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float16
    return {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}[precision]


def call_directly(network: Any, *inputs: Any) -> Any:
    """The call of a network that takes tensors and gives one."""
    return network(*inputs)


def run_network(network: Any, call: Call, *inputs: torch.Tensor) -> torch.Tensor:
    """What a network makes of inputs (n, ...) in float32 on the CPU: float32 (n, ...) on the CPU.

    network: of `ready`, or a module, which is run as it is, where it is.
    """
    if not isinstance(network, NetworkRunner):
        network = NetworkRunner(network, NetworkProfile(batch=len(inputs[0])))
    return network.run(call, *inputs)


class NetworkRunner:
    """A network with its way of being run.

    device: None for where it is. dtype: of the arithmetic where the network's own does not need float32. threads: with how
    many OpenVINO is to run it; 0: not by OpenVINO. warn: is told when something asked for could not be done.
    """

    def __init__(
        self,
        network: Any,
        traits: NetworkProfile,
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
        """As the function `run`, in batches; they are halved when a GPU's memory does not do."""
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
        """What the network makes of one batch; None when there was too little memory for it, and smaller ones are to be
        tried.
        """
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
        """The network converted at the first call."""
        import torch

        if self._compiled is None:
            try:
                self._compiled = _converted(self._network, call, inputs, self.batch > 1, self._dtype, self._threads)
            except Exception as error:  # whatever it cannot take, torch can
                reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
                self._warn(f"OpenVINO does not run {type(self._network).__name__}, PyTorch does instead: {reason}")
                self._threads = 0
                return self._eagerly(call, inputs)
            self._network = None  # its weights are in what was compiled
        made = self._compiled([np.ascontiguousarray(value) for value in inputs])[0]
        return torch.from_numpy(made.copy())


def _converted(
    network: Any, call: Call, inputs: list[torch.Tensor], several: bool, dtype: torch.dtype | None, threads: int
) -> Any:
    """A network compiled by OpenVINO for a processor and inputs of these shapes; several: in batches of any size."""
    import torch

    # It reports its use over the network as soon as it is imported, unless the package that does so is not there.
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

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


def preferred_batch(ctx: StageContext, traits: NetworkProfile) -> int:
    """How many items are worth preparing together for a network; memory may make `run` take them in smaller batches."""
    return traits.batch if ctx.device == "cpu" else MAX_GPU_BATCH


def max_batch(traits: NetworkProfile, device: torch.device) -> int:
    """How many items of a network go through a device at once: on a processor always the same."""
    import torch

    if device.type == "cpu":
        return traits.batch
    if device.type != "cuda":
        return UNKNOWN_MEMORY_BATCH
    free = torch.cuda.mem_get_info(device)[0] + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
    return max(1, min(MAX_GPU_BATCH, int(free * GPU_MEMORY_SHARE) // traits.item_bytes))


def release_gpu_memory() -> None:
    """Hands the memory of networks that are no longer there back to the system and the device."""
    import gc

    import torch

    from lipdub.memory import release_free_memory

    gc.collect()
    release_free_memory()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


def load_on_device(ctx: StageContext, kept: VerifiedWeights) -> Any:
    """The network of verified weights, on the run's device."""
    import torch

    from lipdub.weights.checkpoint import load_network

    torch.set_num_threads(ctx.threads)
    return load_network(kept.path, kept.entry).to(ctx.device)
