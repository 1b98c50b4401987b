"""A shard: one clip of a dataset in one file, of which a few frames can be read without the rest.

It is a safetensors file (https://github.com/huggingface/safetensors): eight bytes with the length of the header, the
header in JSON with each array's type, shape and place, and the arrays. For n frames at 25 a second and crops of S
pixels:

    crops       uint8    (n, S, S, 3)        RGB, `faces.alignment.full_face` with its margin
    landmarks   float32  (n, 478, 3)         the mesh's points in pixels of the crop
    masks       uint8    (n, S, ceil(S / 8)) lower face (`faces.masks.outlines`), a bit a pixel, leftmost highest
    audio       int16    (640 n)             16 kHz; sample 0 sounds as frame 0 is shown
    mel         float32  (columns, 80)       `speech.mel` of that sound; column i is at i / 80 s
    placements  float64  (n, 4)              middle x, y, eye distance and roll of the crop in the source frame
    frames      int32    (n)                 number of the source frame

Shards are read with plain reads instead of memory maps: a failing disk then gives an error and does not kill the
process.
"""

from __future__ import annotations

import hashlib
import json
import math
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.faces import mesh
from lipdub.speech import mel
from lipdub.workspace.atomic_files import write_atomically
from lipdub.workspace.keys import DIGEST_BYTES, digest_bytes

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import U8, Array

FORMAT = "lipdub-clip-1"
FPS = 25
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FPS  # of sound
_MAX_HEADER_BYTES = 1 << 20
_TYPES = {"U8": np.uint8, "I16": np.int16, "I32": np.int32, "F32": np.float32, "F64": np.float64}
_KINDS = {
    "crops": np.uint8,
    "landmarks": np.float32,
    "masks": np.uint8,
    "audio": np.int16,
    "mel": np.float32,
    "placements": np.float64,
    "frames": np.int32,
}


class BadShardError(Exception):
    """A shard that is missing, damaged or no shard. The message names the shard and the fault."""


class ArrayPlace(NamedTuple):
    """Type and shape of an array in a file, and the number of its first byte."""

    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    offset: int


@dataclass(frozen=True)
class Layout:
    """Where the arrays of a shard lie.

    Attributes:
        arrays: place of each array, by name.
        frames: frames of the clip.
        side: side of the crops, pixels.
    """

    arrays: dict[str, ArrayPlace]
    frames: int
    side: int


def pack_masks(masks: U8) -> U8:
    """Pack masks (n, S, S) uint8 of zeros and ones, a bit a pixel. Returns (n, S, ceil(S / 8)) uint8."""
    return np.packbits(masks, axis=2)


def unpack_masks(bits: U8, side: int) -> U8:
    """Unpack the masks of `pack_masks`. Returns (n, S, S) uint8, 1 inside."""
    return np.unpackbits(bits, axis=2, count=side)


def write_shard(path: Path, arrays: dict[str, Array]) -> tuple[int, str]:
    """Write a shard, whole or not at all. Equal arrays give equal bytes.

    Returns:
        size and digest of the file.

    Raises:
        ValueError: the arrays are not those of a shard.
        EnvironmentFailure: the file cannot be written.
    """
    from safetensors.numpy import save

    types = {name: array.dtype for name, array in arrays.items()}
    if types != {name: np.dtype(kind) for name, kind in _KINDS.items()}:
        raise ValueError(f"a shard holds {_KINDS}, not {types}")
    content = save({n: np.ascontiguousarray(a) for n, a in arrays.items()}, {"format": FORMAT})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    return len(content), digest_bytes(content)


def read_layout(path: Path) -> Layout:
    """Read the header of a shard. Raises BadShardError."""
    try:
        with path.open("rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > _MAX_HEADER_BYTES:
                raise ValueError("its header is too long")
            header = json.loads(file.read(length))
        if header.pop("__metadata__", {}).get("format") != FORMAT:
            raise ValueError(f"it is no {FORMAT}")
        arrays = {
            name: ArrayPlace(np.dtype(_TYPES[at["dtype"]]), tuple(at["shape"]), 8 + length + at["data_offsets"][0])
            for name, at in header.items()
        }
        frames, side = arrays["crops"].shape[:2]
        if {name: (at.dtype, at.shape) for name, at in arrays.items()} != _describe_arrays(frames, side):
            raise ValueError("its arrays do not fit one another")
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, struct.error) as error:
        raise BadShardError(f"{path.name}: {_explain(error)}") from error
    return Layout(arrays, frames, side)


def _describe_arrays(frames: int, side: int) -> dict[str, tuple[np.dtype[Any], tuple[int, ...]]]:
    """Return type and shape of each array of a shard."""
    shapes = {
        "crops": (frames, side, side, 3),
        "landmarks": (frames, mesh.VERTICES, 3),
        "masks": (frames, side, -(-side // 8)),
        "audio": (frames * SAMPLES_PER_FRAME,),
        "mel": (mel.count_columns(frames * SAMPLES_PER_FRAME), mel.BANDS),
        "placements": (frames, 4),
        "frames": (frames,),
    }
    return {name: (np.dtype(_KINDS[name]), shape) for name, shape in shapes.items()}


def read_rows(path: Path, layout: Layout, name: str, start: int, stop: int) -> Array:
    """Read rows start..stop-1 of an array, and only them.

    Raises:
        BadShardError: the file is damaged.
        IndexError: the array has no such rows.
    """
    kind, shape, offset = layout.arrays[name]
    if not 0 <= start <= stop <= shape[0]:
        raise IndexError(f"rows {start}..{stop} of {name}, which has {shape[0]}")
    row = math.prod(shape[1:])
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(offset + start * row * kind.itemsize)
            values = np.fromfile(file, kind, (stop - start) * row)
    except OSError as error:
        raise BadShardError(f"{path.name}: {_explain(error)}") from error
    if len(values) != (stop - start) * row:
        raise BadShardError(f"{path.name}: it is cut short")
    return values.reshape(stop - start, *shape[1:])


def verify_shard(path: Path, size: int, digest: str) -> None:
    """Raise BadShardError unless the file has this size and digest."""
    try:
        actual = path.stat().st_size
        if actual != size:
            raise BadShardError(f"{path.name}: it has {actual} bytes instead of {size}")
        with path.open("rb") as file:
            is_intact = (
                hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).hexdigest() == digest
            )
    except OSError as error:
        raise BadShardError(f"{path.name}: {_explain(error)}") from error
    if not is_intact:
        raise BadShardError(f"{path.name}: its content was changed (wrong digest)")


def _explain(error: Exception) -> str:
    """Describe the fault of a file in words."""
    if isinstance(error, OSError):
        return "it is missing" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
    if isinstance(error, ValueError) and not isinstance(error, (json.JSONDecodeError, UnicodeError)) and str(error):
        return str(error)
    return "it is damaged"
