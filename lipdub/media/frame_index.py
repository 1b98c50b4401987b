"""Frame index."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from lipdub.errors import InputError, printable
from lipdub.media.demux import (
    check_readable,
    codec_name,
    decode_first_frame,
    decode_frames,
    is_image_container,
    open_media,
    select_video_stream,
)

IMAGE_RATE = Fraction(25)  # frame rate given to still images


# In these containers each packet of these codecs is one shown frame with its own time, so frames can be
# listed without decoding. Anything else is decoded once to list them.
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

    ``pts`` and ``duration`` are in ``time_base``; ``keys`` holds the PTS of the frames decoding can begin at.
    ``counted``: the file gives no (or no usable) times, so they were made from its rate, and reading goes by
    counting from the first frame. ``missing``: frames the container promises but which are not in the file.
    """

    pts: np.ndarray
    duration: np.ndarray
    keys: np.ndarray
    time_base: Fraction
    counted: bool = False
    missing: int = 0


def read_frame_index(path: Path | str) -> FrameIndex:
    """The frames of the video stream of a file (cached while the file does not change)."""
    place = check_readable(path)
    state = place.stat()
    return _read_frame_index(str(place), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=16)
def _read_frame_index(path: str, size: int, changed: int) -> FrameIndex:
    with open_media(path) as container:
        stream = select_video_stream(container)
        if stream is None:
            raise InputError(f"{printable(path)} holds no video")
        if is_image_container(container):
            base = 1 / IMAGE_RATE
            return FrameIndex(np.zeros(1, np.int64), np.ones(1, np.int64), np.zeros(1, np.int64), base)
        exact = container.format.name in _EXACT_FORMATS and codec_name(stream) in _EXACT_CODECS
        found = _index_from_packets(container, stream) if exact else None
    if found is not None and _starts_with(path, int(found.pts[0])):
        return found
    return _index_from_frames(path)


def _index_from_packets(container: Any, stream: Any) -> FrameIndex | None:
    """The list from packets alone; None if they do not tell it reliably."""
    import av

    times: list[int] = []
    spans: list[int] = []
    keys: list[int] = []
    unreadable = hidden = 0
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            if packet.pts is None:
                return None
            if not keys and not packet.is_keyframe:
                unreadable += 1
                continue
            if packet.is_corrupt:
                continue
            if packet.is_keyframe:
                keys.append(packet.pts)
            if packet.is_discard:
                hidden += 1  # cut away by an edit list: there, but not shown
                continue
            times.append(packet.pts)
            spans.append(packet.duration or 0)
    except av.error.FFmpegError:
        pass  # a damaged tail: what came before counts
    if not times:
        return None
    order = np.argsort(np.array(times, np.int64), kind="stable")
    pts = np.array(times, np.int64)[order]
    # Frames shown before the first one decoding can begin at may or may not decode; doubles are no times.
    if len(pts) > 1 and (np.diff(pts) <= 0).any():
        return None
    if pts[0] < min(keys):
        return None
    missing = max(0, stream.frames - len(times) - unreadable - hidden) if stream.frames else 0
    duration = _frame_durations(pts, np.array(spans, np.int64)[order], stream)
    return FrameIndex(pts, duration, np.unique(np.array(keys, np.int64)), stream.time_base, missing=missing)


def _frame_durations(pts: np.ndarray, spans: np.ndarray, stream: Any) -> np.ndarray:
    """How long each frame is shown: to the next one; the last as its packet says, else like the others."""
    duration = np.empty(len(pts), np.int64)
    duration[:-1] = np.diff(pts)
    last = int(spans[-1])
    if last <= 0:
        if len(pts) > 1:
            last = int(np.median(duration[:-1]))
        else:
            rate = stream.average_rate or stream.guessed_rate or IMAGE_RATE
            last = round(1 / (rate * stream.time_base))
    duration[-1] = max(1, last)
    return duration


def _starts_with(path: str, pts: int) -> bool:
    """Whether the first frame the decoder gives is the one the list begins with."""
    with open_media(path) as container:
        frame = decode_first_frame(container, select_video_stream(container))
        return frame is not None and frame.pts == pts


def _index_from_frames(path: str) -> FrameIndex:
    """The list from decoding everything."""
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
        base = stream.time_base or Fraction(1, 90000)
        rate = stream.average_rate or stream.guessed_rate or IMAGE_RATE
        known = [time for time in times if time is not None]
        usable = len(known) == len(times) and all(b > a for a, b in zip(known, known[1:], strict=False))
        if usable:
            pts = np.array(known, np.int64)
        else:
            step = 1 / (rate * base)
            first = known[0] if known else 0
            pts = np.array([first + round(number * step) for number in range(len(times))], np.int64)
            if len(pts) > 1 and (np.diff(pts) <= 0).any():
                base = 1 / Fraction(rate)
                pts = np.arange(len(times), dtype=np.int64)
        duration = _frame_durations(pts, np.array(spans, np.int64), stream)
        return FrameIndex(pts, duration, np.array(keys or [int(pts[0])], np.int64), base, counted=not usable)


def read_frame_pts(path: Path | str) -> np.ndarray:
    """PTS (int64, in the video stream's time base) of every frame in presentation order."""
    return read_frame_index(path).pts.copy()


def read_frame_times(path: Path | str) -> np.ndarray:
    """Seconds (float64, PTS times time base, absolute) of every frame in presentation order."""
    index = read_frame_index(path)
    return index.pts * float(index.time_base)
