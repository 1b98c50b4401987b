"""Reading frames as a stream, exact by number, in a background thread."""

from __future__ import annotations

import queue
import threading
from bisect import bisect_right
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError, printable
from lipdub.media.demux import (
    check_readable,
    decode_first_frame,
    decode_frames,
    is_image_container,
    open_media,
    select_video_stream,
)
from lipdub.media.fields import make_picture
from lipdub.media.frame_index import FrameIndex, read_frame_index
from lipdub.media.frame_tags import PROGRESSIVE
from lipdub.media.orientation import read_orientation
from lipdub.media.pixel_aspect import find_square_size
from lipdub.media.probe import read_colour_tags, read_field_order

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from fractions import Fraction
    from pathlib import Path

    from lipdub.arrays import I64
    from lipdub.media.colour import ColourTags
    from lipdub.media.pixels import Picture

_QUEUED_FRAMES = 6  # frames decoded in advance
_REVERSE_BYTES = 128 << 20  # bytes of pictures held at once while a reversed run is decoded
_BYTES_PER_PIXEL = 2  # a rough bound for most pixel formats
_MIN_BLOCK, _MAX_BLOCK = 4, 256  # frames of a reversed run decoded at once
_PUT_TIMEOUT = 0.1  # seconds between checks whether the reader has stopped


@dataclass(frozen=True)
class _FrameFormat:
    """What all frames of a stream share.

    Attributes:
        colour: What the code values mean.
        turns: Counterclockwise quarter turns to display orientation.
        mirrored: Whether a left to right flip follows the turns.
        width: Columns as stored.
        height: Rows as stored.
        pix_fmt: Pixel format.
        is_still: Whether the file is a still picture. It is then brought to display orientation.
        field_order: "progressive", or which field is shown first.
        square_size: Columns and rows in display orientation as which pictures are shown whose pixels are far from
            square; None for others.
    """

    colour: ColourTags
    turns: int
    mirrored: bool
    width: int
    height: int
    pix_fmt: str
    is_still: bool
    field_order: str
    square_size: tuple[int, int] | None = None

    def make_picture(self, frame: Any) -> Picture:
        """Make a picture of a decoded ``av.VideoFrame``."""
        if (frame.width, frame.height, frame.format.name) != (self.width, self.height, self.pix_fmt):
            # Streams may change size or format; the result keeps those of the first frame.
            frame = frame.reformat(width=self.width, height=self.height, format=self.pix_fmt)
        picture = make_picture(
            frame,
            self.colour,
            self.turns,
            mirrored=self.mirrored,
            field_order=self.field_order,
            square_size=self.square_size,
        )
        return picture.to_upright() if self.is_still and (self.turns or self.mirrored) else picture


class _DecodedFrame:
    """A decoded frame and its picture, which stands for all frames after it that do not decode.

    Threads that work on those frames share the picture, and a frame must not be converted by two threads at once.
    """

    def __init__(self, frame: Any, frame_format: _FrameFormat) -> None:
        self._frame = frame
        self._format = frame_format
        self._picture: Picture | None = None
        self._making = threading.Lock()

    def make_picture(self) -> Picture:
        """Make the picture, or return the one that was made."""
        with self._making:
            if self._picture is None:
                self._picture = self._format.make_picture(self._frame)
            return self._picture


@dataclass(frozen=True)
class SourceFrame:
    """One frame of a source video.

    Attributes:
        index: Number of the frame in presentation order.
        pts: When it is shown, in the stream's time base.
        time: When it is shown, in absolute seconds.
    """

    index: int
    pts: int
    time: Fraction
    _decoded: _DecodedFrame = field(repr=False, compare=False)

    @cached_property
    def picture(self) -> Picture:
        """The picture, made when it is first used."""
        return self._decoded.make_picture()


def read_frames(path: Path | str, start: int = 0, stop: int | None = None, threads: int = 0) -> Iterator[SourceFrame]:
    """Yield frames of a video one after the other.

    Numbers are exact: frame n is the same picture whatever ``start`` is. A frame that does not decode has the
    picture of its neighbour, so numbers and times still hold. A still picture is one frame. A background
    thread decodes in advance; it ends when the caller leaves the loop.

    Args:
        path: The file.
        start: Number of the first frame.
        stop: Number after the last frame; the end of the video by default.
        threads: Threads of the decoder; 0 for one per core.

    Raises:
        InputError: The file cannot be read.
    """
    index = read_frame_index(path)
    stop = len(index.pts) if stop is None else min(stop, len(index.pts))
    start = max(0, start)
    if start >= stop:
        return
    yield from _run_in_background(_decode_span(path, index, start, stop, threads))


def read_frames_in_order(path: Path | str, indices: Sequence[int] | I64, threads: int = 0) -> Iterator[SourceFrame]:
    """Yield frames in a given order.

    Runs forwards are decoded once. Runs backwards are decoded in blocks, so memory is bounded. A repeated frame
    is decoded once.

    Args:
        path: The file.
        indices: (n,) numbers of the frames.
        threads: Threads of the decoder; 0 for one per core.

    Raises:
        InputError: The file cannot be read.
        ValueError: A number lies outside the video.
    """
    order = [int(number) for number in indices]
    total = len(read_frame_index(path).pts)
    if order and not (min(order) >= 0 and max(order) < total):
        raise ValueError(f"frame numbers {min(order)}..{max(order)} are not all inside 0..{total - 1}")
    yield from _run_in_background(_decode_order(path, order, threads))


def _decode_order(path: Path | str, order: list[int], threads: int) -> Iterator[SourceFrame]:
    index = read_frame_index(path)
    position = 0
    last: SourceFrame | None = None  # the frame yielded last
    while position < len(order):
        number = order[position]
        if last is not None and last.index == number:
            yield last
            position += 1
            continue
        step, end = _find_run(order, position)
        if step < 0:
            frames = _decode_backwards(path, index, number, end - position, threads)
        else:
            frames = _decode_span(path, index, number, number + end - position, threads)
        for frame in frames:
            yield frame
            last = frame
        position = end


def _find_run(order: list[int], position: int) -> tuple[int, int]:
    """Return the step (1, -1, or 0 for a single frame) and the end of the run that begins at a position."""
    end = position + 1
    step = order[end] - order[position] if end < len(order) else 0
    if step not in (1, -1):
        return 0, end
    while end < len(order) and order[end] - order[end - 1] == step:
        end += 1
    return step, end


def _decode_backwards(
    path: Path | str, index: FrameIndex, last: int, count: int, threads: int
) -> Iterator[SourceFrame]:
    """Yield ``count`` frames from ``last`` down, decoded in blocks."""
    block = _block_size(path)
    while count:
        size = min(block, count)
        yield from reversed(list(_decode_span(path, index, last - size + 1, last + 1, threads)))
        last -= size
        count -= size


def _block_size(path: Path | str) -> int:
    """Return how many frames of a reversed run are decoded at once."""
    with open_media(path) as container:
        stream = select_video_stream(container)
        if stream is None:
            raise InputError(f"{printable(path)} holds no video")
        context = stream.codec_context
        size = max(1, context.width * context.height * _BYTES_PER_PIXEL)
    return int(min(_MAX_BLOCK, max(_MIN_BLOCK, _REVERSE_BYTES // size)))


def _decode_span(path: Path | str, index: FrameIndex, start: int, stop: int, threads: int) -> Iterator[SourceFrame]:
    """Yield the frames from ``start`` to ``stop``, half open."""
    with open_media(path) as container:
        stream = select_video_stream(container)
        if stream is None:
            raise InputError(f"{printable(path)} holds no video")
        if is_image_container(container):
            for frame in decode_frames(container, stream):
                yield _source_frame(index, 0, _DecodedFrame(frame, _frame_format(path)))
                return
            raise InputError(f"{printable(path)} cannot be decoded")
        _set_threads(stream, threads)
        key = 0 if index.counted else _seek(container, stream, index, start)
        frames = _number_frames(index, decode_frames(container, stream))
        first = next(frames, None)
        if key != 0 and (first is None or first[0] > start):
            # The demuxer landed too late (formats without an index guess): read from the beginning.
            yield from _decode_from_beginning(path, index, start, stop, threads)
            return
        yield from _fill_span(path, index, start, stop, first, frames)


def _decode_from_beginning(
    path: Path | str, index: FrameIndex, start: int, stop: int, threads: int
) -> Iterator[SourceFrame]:
    """Yield the frames from ``start`` to ``stop`` without seeking."""
    with open_media(path) as container:
        stream = select_video_stream(container)
        _set_threads(stream, threads)
        frames = _number_frames(index, decode_frames(container, stream))
        yield from _fill_span(path, index, start, stop, next(frames, None), frames)


def _set_threads(stream: Any, threads: int) -> None:
    if not stream.codec_context.is_open:
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads


def _seek(container: Any, stream: Any, index: FrameIndex, start: int) -> int:
    """Move to the last key frame at or before frame ``start``.

    Returns:
        The number of the key frame among the key frames; 0 where no seek was needed.
    """
    key = bisect_right(index.keys, int(index.pts[start])) - 1
    if key <= 0 or start == 0:
        return 0
    container.seek(int(index.keys[key]) + index.delay, stream=stream, backward=True, any_frame=False)
    return key


def _number_frames(index: FrameIndex, frames: Iterator[Any]) -> Iterator[tuple[int, Any]]:
    """Yield each decoded frame with its number; frames outside the index are skipped."""
    if index.counted:
        yield from enumerate(frames)
        return
    for frame in frames:
        if frame.pts is None:
            continue
        pts = frame.pts - index.delay
        number = int(np.searchsorted(index.pts, pts))
        if number < len(index.pts) and index.pts[number] == pts:
            yield number, frame


def _fill_span(
    path: Path | str,
    index: FrameIndex,
    start: int,
    stop: int,
    first: tuple[int, Any] | None,
    frames: Iterator[tuple[int, Any]],
) -> Iterator[SourceFrame]:
    """Yield every number from ``start`` to ``stop`` once.

    A frame that did not decode has the nearest earlier picture, else the first later one.

    Args:
        path: The file.
        index: Its frames.
        start: Number of the first frame.
        stop: Number after the last frame.
        first: The first decoded frame with its number; None if nothing decodes.
        frames: The decoded frames after it, with their numbers.
    """
    position = start
    previous: _DecodedFrame | None = None
    frame_format = _frame_format(path)
    entry = first
    while entry is not None and position < stop:
        number, frame = entry
        decoded = _DecodedFrame(frame, frame_format)
        if number >= position:
            while position < min(number, stop):
                yield _source_frame(index, position, previous if previous is not None else decoded)
                position += 1
            if number < stop:
                yield _source_frame(index, number, decoded)
                position = number + 1
        previous = decoded
        entry = next(frames, None) if position < stop else None
    if previous is None:
        raise InputError(f"{printable(path)} cannot be decoded from frame {start} on")
    while position < stop:
        yield _source_frame(index, position, previous)
        position += 1


def _frame_format(path: Path | str) -> _FrameFormat:
    """Return the format of a file's frames from its first one, cached while the file does not change.

    The yielded frames do not give their format: reading a frame's side data ties it into a reference cycle, and one
    living frame keeps the whole buffer pool of its decoder.
    """
    place = check_readable(path)
    state = place.stat()
    return _read_frame_format(str(place), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=16)
def _read_frame_format(path: str, size: int, modified_ns: int) -> _FrameFormat:
    index = read_frame_index(path)
    with open_media(path) as container:
        stream = select_video_stream(container)
        frame = decode_first_frame(container, stream) if stream is not None else None
        if stream is None or frame is None:
            raise InputError(f"{printable(path)} cannot be decoded")
        turns, mirrored = read_orientation(path, frame, stream.codec_context.name, is_still=index.is_still)
        colour = read_colour_tags(frame, stream.codec_context)
        shown = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)
        return _FrameFormat(
            colour,
            turns,
            mirrored,
            frame.width,
            frame.height,
            frame.format.name,
            is_still=index.is_still,
            field_order=PROGRESSIVE if index.is_still else read_field_order(path),
            square_size=find_square_size(*shown, stream.sample_aspect_ratio, turns),
        )


def _source_frame(index: FrameIndex, number: int, decoded: _DecodedFrame) -> SourceFrame:
    pts = int(index.pts[number])
    return SourceFrame(number, pts, pts * index.time_base, decoded)


def _run_in_background(frames: Iterator[SourceFrame]) -> Iterator[SourceFrame]:
    """Run an iterator in a thread, a few items ahead of the caller."""
    items: queue.Queue[SourceFrame | BaseException | None] = queue.Queue(maxsize=_QUEUED_FRAMES)  # None ends
    is_stopped = threading.Event()

    def put(item: SourceFrame | BaseException | None) -> bool:
        while not is_stopped.is_set():
            try:
                items.put(item, timeout=_PUT_TIMEOUT)
                return True
            except queue.Full:
                continue
        return False

    def work() -> None:
        try:
            for frame in frames:
                if not put(frame):
                    return
            put(None)
        except BaseException as error:  # the reader raises it
            put(error)
        finally:
            close = getattr(frames, "close", None)
            if close is not None:
                close()

    thread = threading.Thread(target=work, name="lipdub-decode", daemon=True)
    thread.start()
    try:
        while (item := items.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        is_stopped.set()
        thread.join()
