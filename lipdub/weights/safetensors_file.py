"""Files of networks that are trained with lipdub.

Each is a safetensors file with weights in float16. Its one metadata entry is named by the file's format and holds a
description as JSON: the sizes of the networks, and ``notes`` about the training.
"""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from lipdub.errors import WeightsError
from lipdub.workspace.atomic_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    import torch

FORMAT_PREFIX = "lipdub-"
"""The names of all formats begin with it."""


def write(path: Path, form: str, description: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> Path:
    """Write a file, whole or not at all, and return its path.

    Args:
        path: Where to write it. Missing folders are made.
        form: Name of the format.
        description: The file's description, as plain values.
        state: Tensors by name. Floating-point ones are written in float16.
    """
    from safetensors.torch import save

    half_precision = {
        name: (value.half() if value.is_floating_point() else value).contiguous() for name, value in state.items()
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    # There is one metadata entry only: safetensors writes several in a different order each time.
    write_atomically(path, save(half_precision, {form: json.dumps(description, sort_keys=True)}))
    return path


def read(path: Path, form: str, title: str, makers: str) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
    """Return a file's description and its tensors, float32 on the CPU.

    Args:
        path: The file.
        form: Name of the format it must have.
        title: Name of its content, for messages.
        makers: The commands that make such files, for hints.

    Raises:
        WeightsError: The file cannot be read or is not of this format.
    """
    with _translate_errors(path):
        from safetensors import safe_open

        with safe_open(str(path), "pt") as file:
            description = _parse(path, file.metadata(), form, title, makers)
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  it is no mapping
    return description, {name: value.float() if value.is_floating_point() else value for name, value in state.items()}


def select(state: Mapping[str, torch.Tensor], part: str) -> dict[str, torch.Tensor]:
    """Return the tensors of one part of a file, whose names begin with it and a dot, by the rest of their names."""
    prefix = f"{part}."
    return {name.removeprefix(prefix): value for name, value in state.items() if name.startswith(prefix)}


def read_description(path: Path, form: str, title: str, makers: str) -> dict[str, Any]:
    """Return a file's description without reading its tensors. Arguments and errors are those of `read`."""
    return _parse(path, _read_metadata(path), form, title, makers)


def read_notes(path: Path) -> dict[str, Any]:
    """Return the notes of a file of any of lipdub's formats.

    Raises:
        WeightsError: The file cannot be read or was not made by lipdub.
    """
    metadata = _read_metadata(path)
    form = next((name for name in metadata if name.startswith(FORMAT_PREFIX)), FORMAT_PREFIX)
    notes = _parse(path, metadata, form, "network trained with lipdub", "lipdub train").get("notes")
    return notes if isinstance(notes, dict) else {}


def _read_metadata(path: Path) -> dict[str, str]:
    with _translate_errors(path):
        from safetensors import safe_open

        with safe_open(str(path), "numpy") as file:
            return dict(file.metadata() or {})


@contextmanager
def _translate_errors(path: Path) -> Iterator[None]:
    from safetensors import SafetensorError

    try:
        yield
    except (OSError, SafetensorError) as error:
        raise WeightsError(f"the weights {path} cannot be read: {error}") from error


def _parse(path: Path, metadata: Mapping[str, str] | None, form: str, title: str, makers: str) -> dict[str, Any]:
    if metadata is None or form not in metadata:
        raise WeightsError(f"{path} holds no {title}", hint=f"Make one with {makers}.")
    try:
        description = json.loads(metadata[form])
    except (ValueError, RecursionError) as error:
        raise WeightsError(f"{path} does not say what its networks are like: {error}") from error
    if not isinstance(description, dict):
        raise WeightsError(f"{path} does not say what its networks are like: its description is no JSON object")
    return description
