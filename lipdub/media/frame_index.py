"""The list of a video's frames: exact times, durations and key frames."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError, printable
from lipdub.media.demux import (
    codec_name,
    decode_first_frame,
    decode_frames,
    identify_content,
    is_image_container,
    open_media,
    select_video_stream,
)

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import F64, I64

IMAGE_RATE = Fraction(25)  # frames per second of still pictures, and of streams without a rate
_FALLBACK_TIME_BASE = Fraction(1, 90000)  # seconds per tick; MPEG's clock
# Formats that hold still pictures and animations: with a single frame they are still pictures.
_ANIMATION_FORMATS = ("gif", "apng", "webp", "webp_anim", "jpegxl_anim")
_UNTIMED_FORMAT = "avi"
# In these containers each packet of these codecs is one shown frame with its own time, so frames can be
# listed without decoding. Any other video is decoded once to list them.
_EXACT_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "nut")
_EXACT_CODECS = {
    "h264",
    "hevc",
    "vp9",
    "av1",
    "prores",
    "ffv1",
    "mjpeg",
    "png",
    "mpeg4",
    "dnxhd",
    "vvc",
    "qtrle",
    "rawvideo",
    "utvideo",
    "huffyuv",
    "ffvhuff",
    "cfhd",
    "apv",
}


@dataclass(frozen=True)
class FrameIndex:
    """Every shown frame of the video stream in presentation order.

    Attributes:
        pts: (n,) int64, when each frame is shown, in ``time_base``.
        duration: (n,) int64, how long each frame is shown, in ``time_base``.
        keys: (k,) int64, times of the frames at which decoding can begin, in ``time_base``.
        time_base: Seconds per tick.
        counted: Whether decoded frames have no usable times, so that those here are made from the file's rate or its
            packets. Frames are then numbered by counting from the first.
        missing: How many frames the container lists that are not in the file.
        delay: Ticks by which decoded frames are later than the times here, see :func:`_read_slots`.
        is_still: Whether the file is a still picture. It is then shown at `IMAGE_RATE`.
    """

    pts: I64
    duration: I64
    keys: I64
    time_base: Fraction
    counted: bool = False
    missing: int = 0
    delay: int = 0
    is_still: bool = False

    @property
    def last_duration(self) -> int | None:
        """Ticks the last of several frames is shown; None if there is one only, whose time means nothing."""
        return int(self.duration[-1]) if len(self.pts) > 1 else None


STILL_INDEX = FrameIndex(
    np.zeros(1, np.int64), np.ones(1, np.int64), np.zeros(1, np.int64), 1 / IMAGE_RATE, is_still=True
)


def read_frame_index(path: Path | str) -> FrameIndex:
    """Return the frames of a file's video stream, cached while the file does not change.

    Raises:
        InputError: The file cannot be read or holds no video.
    """
    return _read_frame_index(*identify_content(path))


@lru_cache(maxsize=16)
def _read_frame_index(path: str, size: int, modified_ns: int) -> FrameIndex:
    index: FrameIndex | None = None
    with open_media(path) as container:
        stream = select_video_stream(container)
        if stream is None:
            raise InputError(f"{printable(path)} holds no video")
        if is_image_container(container):
            return STILL_INDEX
        is_animation = container.format.name in _ANIMATION_FORMATS
        if container.format.name in _EXACT_FORMATS and codec_name(stream) in _EXACT_CODECS:
            index = _index_from_packets(container, stream)
    if index is not None and _is_first_frame_at(path, int(index.pts[0])):
        return index
    index = _index_from_frames(path)
    return STILL_INDEX if is_animation and len(index.pts) == 1 else index


@dataclass
class _PacketList:
    """The packets of a stream.

    Attributes:
        times: PTS of the shown frames in decoding order.
        spans: Their durations; 0 where unknown.
        keys: PTS of the key frames.
        uncounted: How many packets are not shown: those before the first key frame, and those an edit list hides.
    """

    times: list[int] = field(default_factory=list)
    spans: list[int] = field(default_factory=list)
    keys: list[int] = field(default_factory=list)
    uncounted: int = 0


def _list_packets(container: Any, stream: Any) -> _PacketList | None:
    """List the packets of a stream; None if one has no time."""
    import av

    packets = _PacketList()
    with suppress(av.error.FFmpegError):  # in a damaged tail the packets before it count
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            if packet.pts is None:
                return None
            if not packets.keys and not packet.is_keyframe:
                packets.uncounted += 1
                continue
            if packet.is_corrupt:
                continue
            if packet.is_keyframe:
                packets.keys.append(packet.pts)
            if packet.is_discard:
                packets.uncounted += 1
                continue
            packets.times.append(packet.pts)
            packets.spans.append(packet.duration or 0)
    return packets


def _index_from_packets(container: Any, stream: Any) -> FrameIndex | None:
    """List the frames from packets alone; None if they are not reliable."""
    packets = _list_packets(container, stream)
    if packets is None or not packets.times:
        return None
    order = np.argsort(np.array(packets.times, np.int64), kind="stable")
    pts = np.array(packets.times, np.int64)[order]
    spans = np.array(packets.spans, np.int64)[order]
    if (np.diff(pts) <= 0).any():
        return None
    # Frames shown before the first key frame may or may not decode.
    if pts[0] < min(packets.keys):
        return None
    missing = max(0, stream.frames - len(packets.times) - packets.uncounted) if stream.frames else 0
    keys = np.unique(np.array(packets.keys, np.int64))
    return FrameIndex(pts, _frame_durations(pts, spans, stream), keys, stream.time_base, missing=missing)


def _frame_durations(pts: I64, spans: I64, stream: Any) -> I64:
    """Return how long each frame is shown.

    A frame lasts until the next one. The last frame has the duration of its packet, else that of most frames.

    Args:
        pts: (n,) int64, times of the frames.
        spans: (n,) int64, durations of the packets; 0 where unknown.
        stream: The PyAV stream.
    """
    duration = np.empty(len(pts), np.int64)
    duration[:-1] = np.diff(pts)
    last = int(spans[-1])
    if last <= 0 and len(pts) > 1:
        last = int(np.median(duration[:-1]))
    elif last <= 0:
        last = round(1 / (_stream_rate(stream) * stream.time_base))
    duration[-1] = max(1, last)
    return duration


def _stream_rate(stream: Any) -> Fraction:
    """Return the frames per second a stream claims."""
    return stream.average_rate or stream.guessed_rate or IMAGE_RATE


def _is_first_frame_at(path: str, pts: int) -> bool:
    """Whether the first frame of the decoder has this time."""
    with open_media(path) as container:
        frame = decode_first_frame(container, select_video_stream(container))
        return frame is not None and frame.pts == pts


def _index_from_frames(path: str) -> FrameIndex:
    """List the frames by decoding all of them."""
    with open_media(path) as container:
        stream = select_video_stream(container)
        assert stream is not None
        stream.thread_type = "AUTO"
        times: list[int | None] = []
        spans: list[int] = []
        keys: list[int] = []
        for frame in decode_frames(container, stream):
            times.append(frame.pts)
            spans.append(frame.duration or 0)
            if frame.key_frame and frame.pts is not None:
                keys.append(frame.pts)
        if not times:
            raise InputError(f"{printable(path)} holds a video stream without a single readable frame")
        base = stream.time_base or _FALLBACK_TIME_BASE
        delay, slots = _read_slots(path)
        known = [time - delay for time in times if time is not None]
        has_gaps = len(slots) == len(times) and slots != known
        is_usable = not has_gaps and len(known) == len(times) and all(b > a for a, b in pairwise(known))
        if is_usable:
            pts = np.array(known, np.int64)
        elif has_gaps:
            pts = np.array(slots, np.int64)
        else:
            pts, base = _count_times(len(times), known[0] if known else 0, Fraction(_stream_rate(stream)), base)
        duration = _frame_durations(pts, np.array(spans, np.int64), stream)
        starts = np.array(keys, np.int64) - delay if keys else pts[:1]
        return FrameIndex(pts, duration, starts, base, counted=not is_usable, delay=delay)


def _read_slots(path: str) -> tuple[int, list[int]]:
    """Return how late the decoded frames of an AVI are, and its places for frames, in ticks; 0 and none of other files.

    AVI stores packets without times, one a place; an empty packet leaves its place to the frame before. FFmpeg shows
    each picture as much later as its decoder may reorder pictures, so that the first one would not be shown at the
    beginning of the sound. Where places are empty, it is later by these, too.
    """
    import av

    delay = 0
    slots: list[int] = []
    with open_media(path) as container, suppress(av.error.FFmpegError):
        stream = select_video_stream(container)
        if container.format.name != _UNTIMED_FORMAT or stream is None:
            return 0, []
        for packet in container.demux(stream):
            if not packet.size or packet.dts is None or not (slots or packet.is_keyframe):
                continue
            if not slots and packet.pts is not None:
                delay = max(0, packet.pts - packet.dts)
            slots.append(packet.dts)
    return delay, slots


def _count_times(count: int, first: int, rate: Fraction, base: Fraction) -> tuple[I64, Fraction]:
    """Make times from a rate.

    Args:
        count: Number of frames.
        first: Time of the first frame, in ``base``.
        rate: Frames per second.
        base: Seconds per tick.

    Returns:
        (count,) int64 times and their time base: ``base``, or one tick per frame where that is too coarse.
    """
    step = 1 / (rate * base)
    pts = np.array([first + round(number * step) for number in range(count)], np.int64)
    if (np.diff(pts) <= 0).any():
        return np.arange(count, dtype=np.int64), 1 / rate
    return pts, base


def read_frame_pts(path: Path | str) -> I64:
    """Return when each frame is shown, in presentation order: (n,) int64, in the stream's time base."""
    return read_frame_index(path).pts.copy()


def read_frame_times(path: Path | str) -> F64:
    """Return when each frame is shown, in presentation order: (n,) float64, absolute seconds."""
    index = read_frame_index(path)
    return index.pts * float(index.time_base)
