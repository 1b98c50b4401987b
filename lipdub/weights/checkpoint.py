"""Reads published checkpoints into networks.

Only tensors and plain values are read. Nothing in a file is ever run, except a TorchScript archive whose digest was
published.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from lipdub.errors import EnvironmentFailure, WeightsError, wrap_os_error
from lipdub.weights.file_format import detect_format
from lipdub.weights.shipped_files import sha256

if TYPE_CHECKING:
    from pathlib import Path

    import torch
    from torch import nn

    from lipdub.weights.manifest import ManifestEntry, NetworkPart

    State = dict[str, torch.Tensor]

Network = TypeVar("Network", bound="nn.Module")

WRAPPERS = ("state_dict", "params_ema", "params", "net_G_ema", "net_recon", "g_ema")
"""Keys under which training scripts store a network's state."""

_COUNTER = "num_batches_tracked"  # older PyTorch had none, and only training reads it
_PARALLEL = "module"  # a part of the names of a network that was trained on several devices
_GLOBAL = re.compile(r"GLOBAL ([\w.]+)")


def load_checkpoint(path: Path, entry: ManifestEntry, part: str | None = None) -> State:
    """Return the state of one network in a published file, on the CPU, under the network's own names.

    Args:
        path: The file.
        entry: The manifest's entry of the file.
        part: Name of the network, where the file has several.

    Raises:
        UsageError: The file has several networks, and ``part`` names none of them.
        WeightsError: The file cannot be read, holds more than weights, or does not hold this network's.
    """
    return extract_state(read_checkpoint(path, entry), entry.part(part), path.name)


def load_network(path: Path, entry: ManifestEntry, part: str | None = None) -> nn.Module:
    """Return the network of a published file, as published, with its weights, for evaluation.

    Arguments and errors are those of `load_checkpoint`.
    """
    network = build_network(entry.part(part))
    return load_into(network, load_checkpoint(path, entry, part), path.name).eval()


def load_into(network: Network, state: Mapping[str, torch.Tensor], name: str = "the checkpoint") -> Network:
    """Give a network its weights, all of them and no others, and return it.

    Args:
        network: The network.
        state: Tensors by name.
        name: Name of their file in errors.

    Raises:
        WeightsError: It names the first entry that is missing, has another shape, or is not the network's.
    """
    own = network.state_dict()
    fault = find_mismatch({key: tuple(value.shape) for key, value in own.items()}, state)
    if fault:
        raise WeightsError(f"{name} is not a checkpoint of {type(network).__name__}: {fault}")
    counters = {key: value for key, value in own.items() if key not in state}
    network.load_state_dict({**state, **counters}, strict=True)
    return network


def find_mismatch(shapes: Mapping[str, tuple[int, ...]], state: Mapping[str, torch.Tensor]) -> str:
    """Describe the first difference of a state from these names and shapes; empty if there is none."""
    for key, shape in shapes.items():
        if key not in state:
            if key.endswith(_COUNTER):
                continue
            return f"it has no {key}, expected with shape {shape}"
        if tuple(state[key].shape) != shape:
            return f"{key} has shape {tuple(state[key].shape)}, expected is {shape}"
    extra = next((key for key in state if key not in shapes), None)
    return f"it has {extra}, which is not expected" if extra is not None else ""


def read_checkpoint(path: Path, entry: ManifestEntry | None = None) -> dict[str, Any]:
    """Return all that a checkpoint holds: tensors on the CPU and plain values.

    A TorchScript archive is a program. It is read only where the published file is one, and only that very file.

    Args:
        path: The file.
        entry: The manifest's entry of the file, if it is known.

    Raises:
        WeightsError: The file is damaged, is no checkpoint, or would have to run code to be read.
    """
    form = detect_format(path)
    if form == "torchscript":
        return _read_program(path, entry)
    if form == "matlab":
        raise WeightsError(f"{path.name} is a MATLAB file, not a checkpoint")
    content = _read_tensors(path) if form == "safetensors" else _read_pickled(path, is_mapped=form == "zip")
    if not isinstance(content, dict):
        raise WeightsError(f"{path.name} holds a {type(content).__name__} instead of named weights")
    return content


def extract_state(content: Mapping[str, Any], part: NetworkPart, name: str) -> State:
    """Return the state of a network from the content of a file.

    Args:
        content: What the file holds.
        part: The network.
        name: Name of the file in errors.

    Raises:
        WeightsError: The file holds no such state.
    """
    state = {_strip_parallel(str(key)): value for key, value in _unwrap(content, part, name).items()}
    if part.prefix:
        state = {key.removeprefix(part.prefix): value for key, value in state.items() if key.startswith(part.prefix)}
        if not state:
            raise WeightsError(f"{name} has no weights whose names begin with {part.prefix}")
    if part.without:
        state = {key: value for key, value in state.items() if part.without not in key}
    return state


def build_network(part: NetworkPart) -> nn.Module:
    """Return a network with fresh weights.

    Raises:
        EnvironmentFailure: Its class is not installed.
    """
    module, _, name = part.network.partition(":")
    try:
        constructor = getattr(importlib.import_module(module), name)
    except (ImportError, AttributeError) as error:
        raise EnvironmentFailure(
            f"the network {name} ({module}) is not in this installation: {error}", hint="See lipdub doctor."
        ) from error
    network: nn.Module = constructor(**part.arguments)
    return network


def infer_shapes(part: NetworkPart) -> dict[str, tuple[int, ...]]:
    """Return the names and shapes that a file of this network must have."""
    import torch

    with torch.device("meta"):
        network = build_network(part)
    shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
    return {key: shape for key, shape in shapes.items() if not part.without or part.without not in key}


def _read_pickled(path: Path, *, is_mapped: bool) -> Any:
    import pickle

    import torch

    try:
        return torch.load(str(path), map_location="cpu", weights_only=True, mmap=is_mapped)
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    except MemoryError:
        raise
    except pickle.UnpicklingError as error:
        refused = _GLOBAL.search(str(error))
        if refused is None:
            raise _describe_damage(path) from error
        raise WeightsError(
            f"{path.name} holds more than weights and would run code ({refused[1]}); it is not loaded",
            hint="Get it from where it was published: lipdub weights list.",
        ) from error
    except Exception as error:  # damaged files fail in many ways, depending on where they end
        raise _describe_damage(path) from error


def _read_tensors(path: Path) -> dict[str, Any]:
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    try:
        return dict(load_file(path, device="cpu"))
    except OSError as error:
        raise wrap_os_error(error, path, "read") from error
    except (SafetensorError, ValueError, KeyError, TypeError, RuntimeError) as error:
        raise _describe_damage(path) from error


def _read_program(path: Path, entry: ManifestEntry | None) -> dict[str, Any]:
    import torch

    if entry is None or entry.format != "torchscript":
        raise WeightsError(
            f"{path.name} is a TorchScript archive, a program instead of weights; it is not loaded",
            hint="Give the checkpoint with the plain weights.",
        )
    if entry.sha256 is None or sha256(path) != entry.sha256:
        raise WeightsError(f"{path.name} is a TorchScript archive, but not the published one; it is not loaded")
    try:
        return dict(torch.jit.load(str(path), map_location="cpu").state_dict())
    except (RuntimeError, ValueError) as error:
        raise _describe_damage(path) from error


def _describe_damage(path: Path) -> WeightsError:
    return WeightsError(f"{path.name} cannot be read: it is cut short or damaged", hint="Get it again.")


def _unwrap(content: Mapping[str, Any], part: NetworkPart, name: str) -> Mapping[str, Any]:
    """Return the first mapping under a known key that holds nothing but tensors, or else the content itself."""
    for state in (*(content.get(key) for key in (*part.key, *WRAPPERS)), content):
        if isinstance(state, Mapping) and state and all(hasattr(value, "shape") for value in state.values()):
            return state
    wanted = " or ".join(part.key) or "weights"
    present = ", ".join(str(key) for key in list(content)[:6]) or "nothing"
    raise WeightsError(f"{name} holds no {wanted}, but {present}")


def _strip_parallel(key: str) -> str:
    """Return a name without the part that training on several devices added."""
    return ".".join(word for word in key.split(".") if word != _PARALLEL)
