"""Reads published checkpoints into networks: only tensors and plain values, nothing in a file is ever run."""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from lipdub.errors import EnvironmentFailure, WeightsError, wrap_os_error
from lipdub.weights.file_format import detect_format
from lipdub.weights.shipped_files import sha256

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

    from lipdub.weights.manifest import ManifestEntry, NetworkPart

    State = dict[str, torch.Tensor]

#: Keys that training scripts keep a network's state under.
WRAPPERS = ("state_dict", "params_ema", "params", "net_G_ema", "net_recon", "g_ema")
_COUNTER = "num_batches_tracked"  # older PyTorch had none, and only training reads it
_PARALLEL = "module"  # what a network that was trained on several devices calls itself
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def load_checkpoint(path: Path, entry: ManifestEntry, part: str | None = None) -> State:
    """The state of one network in a published file, under the names the network knows, on the CPU.

    Raises:
        UsageError: the file has several networks and ``part`` names none of them.
        WeightsError: the file cannot be read, holds more than weights, or not this network's.
    """
    return extract_state(read_checkpoint(path, entry), entry.part(part), path.name)


def load_network(path: Path, entry: ManifestEntry, part: str | None = None) -> nn.Module:
    """The network of a published file, built as published, with its weights, for evaluation."""
    which = entry.part(part)
    return load_into(build_network(which), load_checkpoint(path, entry, part), path.name).eval()


def load_into(network: nn.Module, state: Mapping[str, torch.Tensor], name: str = "the checkpoint") -> nn.Module:
    """Gives a network its weights, all of them and no others, and returns it.

    Raises:
        WeightsError: names the first entry that is missing, has another shape, or is not the network's.
    """
    own = network.state_dict()
    fault = find_mismatch({key: tuple(value.shape) for key, value in own.items()}, state)
    if fault:
        raise WeightsError(f"{name} is not a checkpoint of {type(network).__name__}: {fault}")
    counters = {key: value for key, value in own.items() if key not in state}
    network.load_state_dict({**state, **counters}, strict=True)
    return network


def find_mismatch(expected: Mapping[str, tuple[int, ...]], state: Mapping[str, torch.Tensor]) -> str:
    """What first keeps a state from being one of these names and shapes; "" when it fits."""
    for key, shape in expected.items():
        if key not in state:
            if key.endswith(_COUNTER):
                continue
            return f"it has no {key}, expected with shape {shape}"
        if tuple(state[key].shape) != shape:
            return f"{key} has shape {tuple(state[key].shape)}, expected is {shape}"
    extra = next((key for key in state if key not in expected), None)
    return f"it has {extra}, which is not expected" if extra is not None else ""


def read_checkpoint(path: Path, entry: ManifestEntry | None = None) -> dict[str, Any]:
    """All a checkpoint holds: tensors on the CPU and plain values, as they are in the file.

    TorchScript archives are programs: one is read only when ``entry`` says that the published file is one,
    and only that very file.

    Raises:
        WeightsError: the file is damaged, is no checkpoint, or would have to run code to be read.
    """
    kind = detect_format(path)
    if kind == "torchscript":
        return _read_program(path, entry)
    if kind == "matlab":
        raise WeightsError(f"{path.name} is a MATLAB file, not a checkpoint")
    content = _read_tensors(path) if kind == "safetensors" else _read_pickled(path, mapped=kind == "zip")
    if not isinstance(content, dict):
        raise WeightsError(f"{path.name} holds a {type(content).__name__} instead of named weights")
    return content


def extract_state(content: Mapping[str, Any], part: NetworkPart, name: str) -> State:
    """The state of ``part`` within what was read from the file ``name``."""
    state = _unwrapped(content, part, name)
    found = {_plain(str(key)): value for key, value in state.items()}
    if part.prefix:
        found = {key.removeprefix(part.prefix): value for key, value in found.items() if key.startswith(part.prefix)}
        if not found:
            raise WeightsError(f"{name} has no weights whose names begin with {part.prefix}")
    if part.without:
        found = {key: value for key, value in found.items() if part.without not in key}
    return found


def build_network(part: NetworkPart) -> nn.Module:
    """The network a state belongs to, with fresh weights. Raises EnvironmentFailure when it is not there."""
    module, _, name = part.network.partition(":")
    try:
        kind = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise EnvironmentFailure(
            f"the network {name} ({module}) is not in this installation: {error}", hint="See lipdub doctor."
        ) from error
    network: nn.Module = kind(**part.arguments)
    return network


def infer_shapes(part: NetworkPart) -> dict[str, tuple[int, ...]]:
    """Names and shapes a file must have to be of this network."""
    import torch

    with torch.device("meta"):
        network = build_network(part)
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    return {key: shape for key, shape in shapes.items() if not part.without or part.without not in key}


def _read_pickled(path: Path, mapped: bool) -> Any:
    import pickle

    import torch

    try:
        return torch.load(str(path), map_location="cpu", weights_only=True, mmap=mapped)
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        found = _GLOBAL.search(str(error))
        if found is None:
            raise _damaged(path) from error
        raise WeightsError(
            f"{path.name} holds more than weights and would run code ({found[1]}); it is not loaded",
            hint="Get it from where it was published: lipdub weights list.",
        ) from error
    except Exception as error:  # torn files fail in many ways, depending on where they end
        raise _damaged(path) from error


def _read_tensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path, device="cpu"))
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    except SafetensorError as error:
        raise _damaged(path) from error


def _read_program(path: Path, entry: ManifestEntry | None) -> dict[str, Any]:
    import torch

    if entry is None or entry.format != "torchscript":
        raise WeightsError(
            f"{path.name} is a TorchScript archive, a program instead of weights; it is not loaded",
            hint="The checkpoint with the plain weights is wanted.",
        )
    if entry.sha256 is None or sha256(path) != entry.sha256:
        raise WeightsError(f"{path.name} is a TorchScript archive, but not the published one; it is not loaded")
    try:
        return dict(torch.jit.load(str(path), map_location="cpu").state_dict())
    except (RuntimeError, ValueError) as error:
        raise _damaged(path) from error


def _damaged(path: Path) -> WeightsError:
    return WeightsError(f"{path.name} cannot be read: it is cut short or damaged", hint="Get it again.")


def _unwrapped(content: Mapping[str, Any], part: NetworkPart, name: str) -> Mapping[str, Any]:
    """The first mapping under a known key that holds nothing but tensors; or else ``content`` itself."""
    for state in (*(content.get(key) for key in (*part.key, *WRAPPERS)), content):
        if isinstance(state, Mapping) and state and all(hasattr(value, "shape") for value in state.values()):
            return state
    wanted = " or ".join(part.key) or "weights"
    holds = ", ".join(str(key) for key in list(content)[:6]) or "nothing"
    raise WeightsError(f"{name} holds no {wanted}, but {holds}")


def _plain(key: str) -> str:
    """A name without what training on several devices put into it."""
    return ".".join(word for word in key.split(".") if word != _PARALLEL)
