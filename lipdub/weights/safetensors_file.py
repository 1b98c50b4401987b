"""Files of networks that are trained here: safetensors, weights in float16, with one metadata entry of JSON that tells what they
are like, by the name of their format.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from lipdub.errors import WeightsError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    import torch


def write(path: Path, form: str, told: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> Path:
    """Writes a file, whole or not at all. Returns its path."""
    from safetensors.torch import save

    from lipdub.workspace.atomic_files import write_atomically

    halved = {
        name: (value.half() if value.is_floating_point() else value).contiguous() for name, value in state.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # one entry only: safetensors writes several in an order of its own each time
    write_atomically(path, save(halved, {form: json.dumps(told, sort_keys=True)}))
    return path


def read(path: Path, form: str, what: str, maker: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """What a file tells and its tensors, in float32. what: it should hold, and maker: what makes one, for messages.

    Raises WeightsError when it is not of this format.
    """
    told, state = _opened(path, form, what, maker, weights=True)
    return told, {name: value.float() if value.is_floating_point() else value for name, value in state.items()}


def read_description(path: Path, form: str, what: str, maker: str) -> dict[str, Any]:
    """What a file tells of itself. Arguments and errors as `read` has them."""
    return _opened(path, form, what, maker, weights=False)[0]


def _opened(path: Path, form: str, what: str, maker: str, weights: bool) -> tuple[dict[str, Any], dict[str, Any]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(str(path), "pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()} if weights else {}
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"the weights {path} cannot be read: {error}") from error
    if form not in metadata:
        raise WeightsError(f"{path} holds no {what}", hint=f"{maker} makes some.")
    try:
        told = json.loads(metadata[form])
        if not isinstance(told, dict):
            raise ValueError("no object")
    except ValueError as error:
        raise WeightsError(f"{path} does not tell what its networks are like: {error}") from error
    return told, state
