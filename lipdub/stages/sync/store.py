"""The arrays that every method of sync writes: crops, boxes, tables over the output frames."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import Array
    from lipdub.stages.base import StageContext


# Crops are written in chunks of so many bytes, or frames.
CHUNK_BYTES = 16 << 20
MAX_CHUNK = 48


def create_crop_arrays(ctx: StageContext, frames: int, width: int, height: int) -> tuple[Any, Any]:
    """The arrays ``crops`` and ``boxes`` for crops of at most this size, of even sides, inside the picture."""
    video = ctx.video
    width, height = min(width + width % 2, video.width), min(height + height % 2, video.height)
    dtype = np.dtype("uint8" if video.bit_depth <= 8 else "uint16")
    chunk = max(1, min(MAX_CHUNK, CHUNK_BYTES // (width * height * 4 * dtype.itemsize)))
    crops = ctx.store.array("crops", shape=(frames, height, width, 4), dtype=dtype, chunk=chunk)
    boxes = ctx.store.array("boxes", shape=(frames, 4), dtype="int32", chunk=chunk)
    return crops, boxes


def write_tables(ctx: StageContext, **tables: Array) -> None:
    """Keeps arrays over the output frames, each in one chunk."""
    for name, data in tables.items():
        array = ctx.store.array(name, shape=data.shape, dtype=data.dtype, chunk=max(len(data), 1))
        if not array.done(0):
            array.write(0, data)
