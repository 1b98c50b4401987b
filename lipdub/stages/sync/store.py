"""The arrays of the sync stage, by name and type. Every method writes them.

- `crops` (n, height, width, 4) uint8 or uint16 RGB and mask, one crop an output frame, in its upper left corner;
- `boxes` (n, 4) int32, where the crops lie in the frames, display pixels; empty where the source's frame is shown;
- `source`, `pts`, `time`, `track` and `amount` (n,), each as in `OutputPlan`;
- `wanted` (n, 2) float32, mouth opening and width asked for in eye distances, NaN where the method asks for none;
- JSON `timeline`: a `Timeline`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lipdub.arrays import F32, F64, I16, I32, I64, Array, Mask
    from lipdub.stages.base import StageContext
    from lipdub.workspace import ChunkedArray, StageStore
    from lipdub.workspace.folder import Workspace

STAGE = "sync"
# Crops are written in chunks of so many bytes, or frames.
CHUNK_BYTES = 16 << 20
MAX_CHUNK = 48
_CROPS, _BOXES, _WANTED, _TIMELINE = "crops", "boxes", "wanted", "timeline"
_TABLES = ("source", "pts", "time", "track", "amount")


class Timeline(TypedDict):
    """When the result's sound begins and its picture ends; fractions as text, seconds of the source's clock."""

    speech_start: str
    end: str
    cut: bool  # whether the speech does not outlast the end
    last_duration: int  # of the last frame, in the source's time base


@dataclass(frozen=True)
class OutputPlan:
    """What every output frame shows; arrays over output frames.

    Attributes:
        source: (n,) int32 source frame.
        pts: (n,) int64 in the source's time base.
        time: (n,) float64 seconds from the first frame.
        track: (n,) int16 track of the dubbed face.
        amount: (n,) float32 0..1, how far the frame is dubbed.
    """

    source: I32
    pts: I64
    time: F64
    track: I16
    amount: F32

    @property
    def is_dubbed(self) -> Mask:
        """(n,) bool: the frame is dubbed at all."""
        result: Mask = self.amount > 0
        return result

    @property
    def dubbed(self) -> int:
        """How many frames are dubbed at all."""
        return int(self.is_dubbed.sum())


class CropStore:
    """The crops of a stage and their boxes, in chunks of equal size.

    Args:
        store: The folder of a stage that writes crops.
    """

    def __init__(self, store: StageStore) -> None:
        self._store = store

    def create(self, shape: tuple[int, ...], dtype: Any, chunk: int) -> tuple[ChunkedArray, ChunkedArray]:
        """Create both arrays, or continue those that are there.

        Args:
            shape: Of the crops, (n, height, width, 4).
            dtype: Of the crops, uint8 or uint16.
            chunk: Frames in a chunk.
        """
        crops = self._store.array(_CROPS, shape=shape, dtype=dtype, chunk=chunk)
        boxes = self._store.array(_BOXES, shape=(shape[0], 4), dtype="int32", chunk=chunk)
        return crops, boxes

    @cached_property
    def crops(self) -> ChunkedArray:
        """(n, height, width, 4) uint8 or uint16."""
        return self._store.open(_CROPS)

    @cached_property
    def boxes(self) -> ChunkedArray:
        """(n, 4) int32."""
        return self._store.open(_BOXES)

    def __len__(self) -> int:
        return len(self.crops)

    def read_boxes(self) -> I32:
        """Read all boxes: (n, 4) int32."""
        boxes: I32 = self.boxes.read(0, len(self.boxes))
        return boxes

    def read_crop(self, index: int) -> tuple[Array, I32]:
        """Read the crop of an output frame, without the room to spare: (h, w, 4); and its box (4,)."""
        box: I32 = self.boxes.read(index, index + 1)[0]
        crop = self.crops.read(index, index + 1)[0]
        return crop[: max(box[3] - box[1], 0), : max(box[2] - box[0], 0)], box


class SyncStore(CropStore):
    """What the sync stage made.

    Args:
        store: The stage's folder in the workspace.
        summary: The stage's summary.
    """

    def __init__(self, store: StageStore, summary: Mapping[str, Any]) -> None:
        super().__init__(store)
        self.tracks: list[int] = list(summary.get("tracks", ()))

    @classmethod
    def from_context(cls, ctx: StageContext) -> SyncStore:
        """Open the store that a later stage reads."""
        return cls(ctx.upstream[STAGE], ctx.summaries[STAGE])

    @classmethod
    def from_workspace(cls, workspace: Workspace) -> SyncStore | None:
        """Open the store of a workspace; None where the stage has not run."""
        record = workspace.record(STAGE)
        return cls(workspace.store(STAGE), record.summary) if record is not None else None

    @cached_property
    def plan(self) -> OutputPlan:
        """What every output frame shows."""
        return OutputPlan(*(self._read(name) for name in _TABLES))

    @cached_property
    def source(self) -> I32:
        """The source frame that each output frame shows, (n,)."""
        return self._read("source")

    @cached_property
    def time(self) -> F64:
        """Seconds of each output frame from the first, (n,)."""
        return self._read("time")

    def read_wanted(self) -> F32:
        """Read the mouth opening and width asked for: (n, 2) eye distances, or NaN."""
        return self._read(_WANTED)

    def read_timeline(self) -> Timeline:
        """Read when the sound begins and the picture ends."""
        timeline: Timeline = self._store.json(_TIMELINE)
        return timeline

    def _read(self, name: str) -> Array:
        array = self._store.open(name)
        return array.read(0, len(array))


class SyncArrays(CropStore):
    """The stage's arrays while a method writes them."""

    def __init__(self, ctx: StageContext) -> None:
        super().__init__(ctx.store)
        self._ctx = ctx

    def create_crops(self, frames: int, width: int, height: int) -> tuple[ChunkedArray, ChunkedArray]:
        """Create crops of at most this size and their boxes, of even sides, no larger than the picture."""
        video = self._ctx.video
        width, height = min(width + width % 2, video.width), min(height + height % 2, video.height)
        dtype = np.dtype("uint8" if video.bit_depth <= 8 else "uint16")
        chunk = max(1, min(MAX_CHUNK, CHUNK_BYTES // (width * height * 4 * dtype.itemsize)))
        return self.create((frames, height, width, 4), dtype, chunk)

    def write_plan(self, plan: OutputPlan, wanted: Array | None = None) -> None:
        """Write what every output frame shows, and the mouth measures asked for, (n, 2), where there are any."""
        if wanted is None:
            wanted = np.full((len(plan.source), 2), np.nan)
        tables = {name: getattr(plan, name) for name in _TABLES} | {_WANTED: wanted.astype(np.float32)}
        for name, table in tables.items():
            array = self._store.array(name, shape=table.shape, dtype=table.dtype, chunk=max(len(table), 1))
            if not array.done(0):
                array.write(0, table)

    def write_timeline(self, timeline: Timeline) -> None:
        """Write when the sound begins and the picture ends."""
        self._store.put_json(_TIMELINE, timeline)


def has_crop(boxes: I32) -> Mask:
    """Return which boxes (n, 4) are not empty, (n,) bool."""
    result: Mask = ((boxes[:, 2:] - boxes[:, :2]) > 0).all(1)
    return result
