"""The pass over the source that fills chunked arrays: read frames, compute, write chunks, report progress.

A method describes its work as a :class:`FramePass`: which source frame each item of its arrays shows, and what to
compute of it. :func:`run_frame_passes` does the rest. It skips finished chunks, so a killed run continues. It decodes
each frame once, in a background thread, while earlier frames are computed and finished chunks are written.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.track_landmarks import LANDMARK_BLOCK

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from lipdub.arrays import F32, Array, Mask
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.media.pixels import Picture
    from lipdub.stages.base import StageContext
    from lipdub.workspace import ChunkedArray


def _keep_picture(picture: Picture, item: int) -> Any:
    return picture


def _finish_nothing(batch: FrameBatch, result: Any) -> None:
    return None


def list_missing(arrays: Sequence[ChunkedArray]) -> list[int]:
    """List the chunks that one of some arrays lacks. They have the same length and chunk size."""
    return sorted({chunk for array in arrays for chunk in array.missing()})


def count_finished(arrays: Sequence[ChunkedArray], wanted: Mask) -> int:
    """Return how many of the wanted items, (n,) bool, lie in chunks that all arrays have."""
    missing = sum(int(wanted[slice(*arrays[0].span(chunk))].sum()) for chunk in list_missing(arrays))
    return int(wanted.sum()) - missing


@dataclass(frozen=True)
class FramePass:
    """What fills the missing chunks of some arrays.

    Attributes:
        arrays: Arrays of the same length and chunk size. A chunk that one of them lacks is made anew in all.
        source: (n,) the source frame that each item shows.
        wanted: (n,) bool, the items that need their picture. The others keep 0, or NaN in arrays of floats.
        render: Takes a batch and computes it, in the order of the batches, in one thread. Every chunk has a batch, an
            empty one where no item is wanted. It may write to ``batch.out`` or return a result for ``finish``.
        finish: Takes a batch and the result of ``render``, and writes to ``batch.out``. Threads may call it at once.
        load: Takes a picture and its item, returns what ``render`` needs of it. It runs in the background.
        batch: Items computed at once. A batch lies in one chunk.
        balanced: Whether the batches of a chunk are about equally large, rather than full ones and a rest.
    """

    arrays: Sequence[ChunkedArray]
    source: Array
    wanted: Mask
    render: Callable[[FrameBatch], Any]
    finish: Callable[[FrameBatch, Any], None] = _finish_nothing
    load: Callable[[Picture, int], Any] = _keep_picture
    batch: int = 1
    balanced: bool = False

    def missing(self) -> list[int]:
        """List the chunks to make."""
        return list_missing(self.arrays)

    def count_finished(self) -> int:
        """Return how many wanted items lie in finished chunks."""
        return count_finished(self.arrays, self.wanted)

    def batches(self) -> Iterator[FrameBatch]:
        """Yield the batches of the missing chunks, not loaded yet."""
        for chunk in self.missing():
            start, stop = self.arrays[0].span(chunk)
            items = (np.flatnonzero(self.wanted[start:stop]) + start).tolist()
            parts = self._split(items) or [[]]
            for i, part in enumerate(parts):
                yield FrameBatch(self, chunk, part, is_first=i == 0, is_last=i == len(parts) - 1)

    def _split(self, items: list[int]) -> list[list[int]]:
        if not self.balanced:
            return [items[i : i + self.batch] for i in range(0, len(items), self.batch)]
        return [part.tolist() for part in np.array_split(np.array(items, int), -(-len(items) // self.batch) or 1)]


@dataclass
class FrameBatch:
    """Items of one chunk that are computed at once.

    Attributes:
        frame_pass: Where it belongs.
        chunk: The chunk's number.
        items: Numbers of the items.
        is_first: Whether it is the chunk's first batch.
        is_last: Whether it is the chunk's last batch.
        inputs: What ``load`` made of the pictures, one for each item.
        out: The chunk's content, one array for each of the pass. All batches of the chunk share it.
    """

    frame_pass: FramePass
    chunk: int
    items: list[int]
    is_first: bool
    is_last: bool
    inputs: list[Any] = field(default_factory=list)
    out: tuple[Array, ...] = ()

    @property
    def span(self) -> tuple[int, int]:
        """The chunk's first item, and the one after its last."""
        return self.frame_pass.arrays[0].span(self.chunk)

    @property
    def rows(self) -> list[int]:
        """The places of the items in the chunk."""
        start = self.span[0]
        return [item - start for item in self.items]

    @property
    def chunk_items(self) -> list[int]:
        """The wanted items of the whole chunk."""
        start, stop = self.span
        return [int(item) for item in np.flatnonzero(self.frame_pass.wanted[start:stop]) + start]

    @property
    def end(self) -> int:
        """The item up to which the arrays are complete once this batch is."""
        return self.span[1] if self.is_last else self.items[-1] + 1


def run_frame_passes(
    ctx: StageContext,
    *passes: FramePass,
    threads: int = 1,
    report: Callable[[FrameBatch], None] | None = None,
) -> None:
    """Fill the missing chunks of all passes while the source is read once.

    Args:
        ctx: The stage's context.
        *passes: The passes. Several of them must each show the source's frames in ascending order.
        threads: Threads that call ``finish``. A pass that writes to ``out`` in both calls needs one.
        report: Called after each batch; None to report the items of a single pass as the stage's progress.

    Raises:
        InputError: The video cannot be read.
        Cancelled: The caller asked to stop.
    """
    from lipdub.media.read import read_frames_in_order
    from lipdub.parallel import map_ordered

    batches = list(heapq.merge(*(item.batches() for item in passes), key=_first_source))
    order = [int(batch.frame_pass.source[item]) for batch in batches for item in batch.items]
    frames = read_frames_in_order(ctx.job.video, order)

    def load(batch: FrameBatch) -> FrameBatch:
        batch.inputs = [batch.frame_pass.load(next(frames).picture, item) for item in batch.items]
        return batch

    def render() -> Iterator[tuple[FrameBatch, Any]]:
        open_chunks: dict[tuple[int, int], tuple[Array, ...]] = {}
        for batch in map_ordered(load, batches, 1):
            key = id(batch.frame_pass), batch.chunk
            if batch.is_first:
                open_chunks[key] = tuple(_make_chunk(array, batch.chunk) for array in batch.frame_pass.arrays)
            batch.out = open_chunks.pop(key) if batch.is_last else open_chunks[key]
            yield batch, batch.frame_pass.render(batch)

    def finish(job: tuple[FrameBatch, Any]) -> FrameBatch:
        batch, result = job
        batch.frame_pass.finish(batch, result)
        batch.inputs = []
        return batch

    def write(batch: FrameBatch) -> FrameBatch:
        if batch.is_last:
            for array, content in zip(batch.frame_pass.arrays, batch.out, strict=True):
                array.write(batch.chunk, content)
        batch.out = ()
        return batch

    for batch in map_ordered(write, map_ordered(finish, render(), threads), 1):
        if report is not None:
            report(batch)
        else:
            ctx.progress(batch.end, len(batch.frame_pass.arrays[0]))


def _first_source(batch: FrameBatch) -> int:
    return int(batch.frame_pass.source[batch.items[0]]) if batch.items else -1


def _make_chunk(array: ChunkedArray, chunk: int) -> Array:
    start, stop = array.span(chunk)
    content: Array = np.zeros((stop - start, *array.shape[1:]), array.dtype)
    if content.dtype.kind == "f":
        content[:] = np.nan
    return content


class FrameCounter:
    """Reports progress over several passes.

    Args:
        ctx: The stage's context.
        total: Frames of all passes.
    """

    def __init__(self, ctx: StageContext, total: int) -> None:
        self._ctx = ctx
        self._total = total
        self._done = 0

    def add(self, frames: int) -> None:
        """Count frames as done."""
        self._done += frames
        self._ctx.progress(self._done, self._total)


class FaceMeshes:
    """The meshes of single source frames of some tracks. It keeps the last block of each track."""

    def __init__(self, tracks: Mapping[int, TrackLandmarks]) -> None:
        self._tracks = tracks
        self._blocks: dict[int, tuple[int, F32]] = {}

    def read(self, track: int, frame: int) -> F32:
        """Return the mesh of a track in a source frame: (478, 3) float32 pixels, NaN where it is not seen."""
        start = frame - frame % LANDMARK_BLOCK
        block = self._blocks.get(track)
        if block is None or block[0] != start:
            block = start, self._tracks[track].read(start, start + LANDMARK_BLOCK)
            self._blocks[track] = block
        mesh: F32 = block[1][frame - start]
        return mesh
