"""Streaming reading of frames, exact by number, in a background thread."""

from __future__ import annotations

import queue
import threading
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError, printable
from lipdub.media.colour import ColourTags
from lipdub.media.demux import (
    check_readable,
    decode_first_frame,
    decode_frames,
    is_image_container,
    open_media,
    select_video_stream,
)
from lipdub.media.frame_index import FrameIndex, read_frame_index
from lipdub.media.pixels import Picture, picture_from_frame
from lipdub.media.probe import read_colour_tags, read_orientation

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction
    from pathlib import Path

_AHEAD = 6  # frames decoded in advance
_REVERSE_BYTES = 128 << 20  # frames held at once while a reversed run is decoded


@dataclass(frozen=True)
class _Look:
    """What is the same for all frames of a stream: tags, orientation, size and format."""

    colour: ColourTags
    turns: int
    mirrored: bool
    width: int
    height: int
    pix_fmt: str

    def picture(self, frame: Any) -> Picture:
        if (frame.width, frame.height, frame.format.name) != (self.width, self.height, self.pix_fmt):
            # Streams may change size or format on the way; the result keeps those of its first frame.
            frame = frame.reformat(width=self.width, height=self.height, format=self.pix_fmt)
        return picture_from_frame(frame, self.colour, self.turns, self.mirrored)


@dataclass(frozen=True)
class SourceFrame:
    """One frame of a source video: its number in presentation order, PTS (in the stream's time base), time in
    seconds (absolute) and picture, which is made when first asked for.
    """

    index: int
    pts: int
    time: Fraction
    _frame: Any = field(repr=False, compare=False)
    _look: _Look = field(repr=False, compare=False)

    @cached_property
    def picture(self) -> Picture:
        return self._look.picture(self._frame)


def read_frames(path: Path | str, start: int = 0, stop: int | None = None, threads: int = 0) -> Iterator[SourceFrame]:
    """Frames ``start`` to ``stop`` (half open; to the end by default) of a video, one after the other.

    Numbers are exact: whatever ``start``, frame n is the same picture as when reading from the beginning. A
    frame that does not decode is given with the picture of its neighbour, so numbers and times still hold. A
    still image is one frame. Decoding runs ahead in a thread of its own; leaving the loop early ends it.
    ``threads`` for the decoder, 0 for as many as there are cores. Raises :class:`InputError`.
    """
    index = read_frame_index(path)
    stop = len(index.pts) if stop is None else min(stop, len(index.pts))
    start = max(0, start)
    if start >= stop:
        return
    yield from _in_background(_decode_span(path, index, start, stop, threads))


def read_frames_in_order(
    path: Path | str, indices: Sequence[int] | np.ndarray, threads: int = 0
) -> Iterator[SourceFrame]:
    """Frames in the order of ``indices``: runs forwards, backwards (decoded in blocks, so memory is bounded)
    or standing still (decoded once), with jumps between them.
    """
    order = [int(number) for number in indices]
    total = len(read_frame_index(path).pts)
    if order and not (min(order) >= 0 and max(order) < total):
        raise ValueError(f"frame numbers {min(order)}..{max(order)} are not all inside 0..{total - 1}")
    yield from _in_background(_decode_order(path, order, threads))


def _decode_order(path: Path | str, order: list[int], threads: int) -> Iterator[SourceFrame]:
    index = read_frame_index(path)
    position = 0
    held: SourceFrame | None = None
    while position < len(order):
        number = order[position]
        if held is not None and held.index == number:
            yield held
            position += 1
            continue
        step = _step_at(order, position)
        end = position + 1
        while end < len(order) and order[end] - order[end - 1] == step != 0:
            end += 1
        if step < 0:
            block = _block_size(path)
            while position < end:
                last = order[position]
                count = min(block, end - position)
                frames = list(_decode_span(path, index, last - count + 1, last + 1, threads))
                yield from reversed(frames)
                held = frames[0]
                position += count
        else:
            for frame in _decode_span(path, index, number, number + end - position, threads):
                yield frame
                held = frame
            position = end


def _step_at(order: list[int], position: int) -> int:
    """+1 or -1 where a run begins at ``position``, else 0."""
    if position + 1 >= len(order):
        return 0
    step = order[position + 1] - order[position]
    return step if step in (1, -1) else 0


def _block_size(path: Path | str) -> int:
    with open_media(path) as container:
        stream = select_video_stream(container)
        if stream is None:
            raise InputError(f"{printable(path)} holds no video")
        context = stream.codec_context
        size = max(1, context.width * context.height * 2)
    return int(min(256, max(4, _REVERSE_BYTES // size)))


def _decode_span(path: Path | str, index: FrameIndex, start: int, stop: int, threads: int) -> Iterator[SourceFrame]:
    with open_media(path) as container:
        stream = select_video_stream(container)
        if stream is None:
            raise InputError(f"{printable(path)} holds no video")
        if is_image_container(container):
            for frame in decode_frames(container, stream):
                yield _source_frame(index, 0, frame, _look(path))
                return
            raise InputError(f"{printable(path)} cannot be decoded")
        _prepare(stream, threads)
        origin = 0 if index.counted else _seek(container, stream, index, start)
        frames = _numbered(index, decode_frames(container, stream), counted=index.counted)
        lead = next(frames, None)
        if origin != 0 and (lead is None or lead[0] > start):
            # The demuxer landed too late (formats without an index guess): read from the beginning.
            yield from _from_the_top(path, index, start, stop, threads)
            return
        yield from _fill(path, index, start, stop, lead, frames)


def _from_the_top(path: Path | str, index: FrameIndex, start: int, stop: int, threads: int) -> Iterator[SourceFrame]:
    with open_media(path) as container:
        stream = select_video_stream(container)
        _prepare(stream, threads)
        frames = _numbered(index, decode_frames(container, stream), counted=index.counted)
        yield from _fill(path, index, start, stop, next(frames, None), frames)


def _prepare(stream: Any, threads: int) -> None:
    if not stream.codec_context.is_open:
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads


def _seek(container: Any, stream: Any, index: FrameIndex, start: int) -> int:
    """Move to the last key frame at or before frame ``start``; 0 when that is the file's beginning."""
    place = bisect_right(index.keys, int(index.pts[start])) - 1
    if place <= 0 or start == 0:
        return 0
    container.seek(int(index.keys[place]), stream=stream, backward=True, any_frame=False)
    return place


def _numbered(index: FrameIndex, frames: Iterator[Any], counted: bool) -> Iterator[tuple[int, Any]]:
    """Each decoded frame with its number; frames the list does not know are left out."""
    if counted:
        yield from enumerate(frames)
        return
    for frame in frames:
        if frame.pts is None:
            continue
        place = int(np.searchsorted(index.pts, frame.pts))
        if place < len(index.pts) and index.pts[place] == frame.pts:
            yield place, frame


def _fill(
    path: Path | str,
    index: FrameIndex,
    start: int,
    stop: int,
    lead: tuple[int, Any] | None,
    frames: Iterator[tuple[int, Any]],
) -> Iterator[SourceFrame]:
    """Give every number from ``start`` to ``stop`` once, with the nearest earlier picture (else the first
    later one) where its own did not decode.
    """
    wanted = start
    held: Any = None
    look = _look(path)
    entry = lead
    while entry is not None and wanted < stop:
        number, frame = entry
        if number >= wanted:
            while wanted < min(number, stop):
                yield _source_frame(index, wanted, held if held is not None else frame, look)
                wanted += 1
            if number < stop:
                yield _source_frame(index, number, frame, look)
                wanted = number + 1
        held = frame
        entry = next(frames, None) if wanted < stop else None
    if held is None:
        raise InputError(f"{printable(path)} cannot be decoded from frame {start} on")
    while wanted < stop:
        yield _source_frame(index, wanted, held, look)
        wanted += 1


def _look(path: Path | str) -> _Look:
    """The look of a file's frames, from its first one (cached while the file does not change).

    Not from the frames that are handed on: asking a frame for its side data ties it into a reference cycle, and
    one frame kept alive keeps the whole buffer pool of its decoder.
    """
    place = check_readable(path)
    state = place.stat()
    return _look_of(str(place), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=16)
def _look_of(path: str, size: int, changed: int) -> _Look:
    with open_media(path) as container:
        stream = select_video_stream(container)
        frame = decode_first_frame(container, stream) if stream is not None else None
        if stream is None or frame is None:
            raise InputError(f"{printable(path)} cannot be decoded")
        turns, mirrored = read_orientation(frame)
        colour = read_colour_tags(frame, stream.codec_context)
        return _Look(colour, turns, mirrored, frame.width, frame.height, frame.format.name)


def _source_frame(index: FrameIndex, number: int, frame: Any, look: _Look) -> SourceFrame:
    pts = int(index.pts[number])
    return SourceFrame(number, pts, pts * index.time_base, frame, look)


def _in_background(frames: Iterator[SourceFrame]) -> Iterator[SourceFrame]:
    """Run an iterator in a thread, a few items ahead."""
    box: queue.Queue[Any] = queue.Queue(maxsize=_AHEAD)
    ended = threading.Event()

    def put(item: Any) -> bool:
        while not ended.is_set():
            try:
                box.put(item, timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for frame in frames:
                if not put((frame, None)):
                    return
            put((None, None))
        except BaseException as error:  # handed over to the reader, who raises it
            put((None, error))
        finally:
            close = getattr(frames, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=work, name="lipdub-decode", daemon=True)
    thread.start()
    try:
        while True:
            frame, error = box.get()
            if error is not None:
                raise error
            if frame is None:
                return
            yield frame
    finally:
        ended.set()
        thread.join()
