"""A shard: one clip of a dataset as one file, of which any few frames can be read without the rest.

The file is a safetensors file (https://github.com/huggingface/safetensors): eight bytes with the length of a header, the
header, JSON, with each array's type, shape and place, and the arrays, one after another. Of n frames at 25 a second, with
crops of S pixels:

    crops       uint8    (n, S, S, 3)        RGB, `faces.facecrop` with its margin
    landmarks   float32  (n, 478, 3)         the mesh's points in pixels of the crop
    masks       uint8    (n, S, ceil(S / 8)) lower face (`faces.masks`), a bit a pixel, the leftmost pixel the highest bit
    audio       int16    (640 n)             16 kHz; sample 0 sounds as frame 0 is shown
    mel         float32  (columns, 80)       `speech.mel` of that sound; column i is at i / 80 s
    placements  float64  (n, 4)              middle x, y, eye distance and roll of the crop in the source frame
    frames      int32    (n)                 number of the source frame

It is read by plain reads and not mapped into memory: a disk that fails gives an error then and no dead process.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import struct
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.speech import mel
from lipdub.workspace.atomic_files import write_atomically
from lipdub.workspace.keys import DIGEST_BYTES, digest_bytes

if TYPE_CHECKING:
    from pathlib import Path

FORMAT = "lipdub-clip-1"
FPS = 25
SAMPLES_PER_FRAME = SAMPLE_RATE_HZ // FPS  # of sound a frame
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


class BadShard(Exception):
    """A shard that is missing, damaged or not one. The message says which and how."""


@dataclass(frozen=True)
class Layout:
    """Where the arrays of a shard lie: name to (type, shape, first byte of the file)."""

    arrays: dict[str, tuple[np.dtype, tuple[int, ...], int]]
    frames: int
    side: int


def pack_masks(masks: np.ndarray) -> np.ndarray:
    """Masks (n, S, S) of zeros and ones, a bit a pixel: uint8 (n, S, ceil(S / 8))."""
    return np.packbits(masks, axis=2)


def unpack_masks(bits: np.ndarray, side: int) -> np.ndarray:
    """The masks uint8 (n, S, S), 1 inside, of `packed`."""
    return np.unpackbits(bits, axis=2, count=side)


def write_shard(path: Path, arrays: dict[str, np.ndarray]) -> tuple[int, str]:
    """Writes a shard, whole or not at all; equal arrays give equal bytes. Returns its size and digest. ValueError for
    arrays that are not those of a shard; EnvironmentFailure.
    """
    from safetensors.numpy import save

    found = {name: array.dtype for name, array in arrays.items()}
    if found != {name: np.dtype(kind) for name, kind in _KINDS.items()}:
        raise ValueError(f"a shard holds {_KINDS}, not {found}")
    content = save({n: np.ascontiguousarray(a) for n, a in arrays.items()}, {"format": FORMAT})
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, content)
    return len(content), digest_bytes(content)


def read_layout(path: Path) -> Layout:
    """Reads the header of a shard. Raises BadShard."""
    try:
        with open(path, "rb") as file:
            (length,) = struct.unpack("<Q", file.read(8))
            if length > 1 << 20:
                raise ValueError("its header is too long")
            header = json.loads(file.read(length))
        if header.pop("__metadata__", {}).get("format") != FORMAT:
            raise ValueError(f"it is no {FORMAT}")
        arrays = {
            name: (np.dtype(_TYPES[at["dtype"]]), tuple(at["shape"]), 8 + length + at["data_offsets"][0])
            for name, at in header.items()
        }
        n, side = arrays["crops"][1][:2]
        shapes = {
            "crops": (n, side, side, 3),
            "landmarks": (n, 478, 3),
            "masks": (n, side, -(-side // 8)),
            "audio": (n * SAMPLES_PER_FRAME,),
            "mel": (mel.count_columns(n * SAMPLES_PER_FRAME), mel.BANDS),
            "placements": (n, 4),
            "frames": (n,),
        }
        if {name: (kind, shape) for name, (kind, shape, _) in arrays.items()} != {
            name: (np.dtype(_KINDS[name]), shape) for name, shape in shapes.items()
        }:
            raise ValueError("its arrays do not fit one another")
    except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError, struct.error) as error:
        raise BadShard(f"{path.name}: {_why(error)}") from error
    return Layout(arrays, n, side)


def read_rows(path: Path, at: Layout, name: str, start: int, stop: int) -> np.ndarray:
    """Rows start..stop-1 of an array; only they are read. Raises BadShard; IndexError."""
    kind, shape, place = at.arrays[name]
    if not 0 <= start <= stop <= shape[0]:
        raise IndexError(f"rows {start}..{stop} of {name}, which has {shape[0]}")
    row = math.prod(shape[1:])
    try:
        with open(path, "rb", buffering=0) as file:
            file.seek(place + start * row * kind.itemsize)
            out = np.fromfile(file, kind, (stop - start) * row)
    except OSError as error:
        raise BadShard(f"{path.name}: {_why(error)}") from error
    if len(out) != (stop - start) * row:
        raise BadShard(f"{path.name}: it is cut short")
    return out.reshape(stop - start, *shape[1:])


def verify_shard(path: Path, size: int, digest: str) -> None:
    """Raises BadShard unless the file has this size and digest."""
    try:
        found = os.stat(path).st_size
        if found != size:
            raise BadShard(f"{path.name}: it has {found} bytes instead of {size}")
        with open(path, "rb") as file:
            intact = hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=DIGEST_BYTES)).hexdigest() == digest
    except OSError as error:
        raise BadShard(f"{path.name}: {_why(error)}") from error
    if not intact:
        raise BadShard(f"{path.name}: its content was changed (wrong digest)")


def _why(error: Exception) -> str:
    if isinstance(error, OSError):
        return "it is missing" if isinstance(error, FileNotFoundError) else error.strerror or str(error)
    if isinstance(error, ValueError) and not isinstance(error, (json.JSONDecodeError, UnicodeError)) and str(error):
        return str(error)
    return "it is damaged"
