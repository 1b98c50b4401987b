"""Which source frame the result shows when: its length, and how missing picture is extended."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lipdub.errors import UsageError

if TYPE_CHECKING:
    from lipdub.arrays import F64, I64

LENGTH_POLICIES = ("longest", "video", "speech", "shortest")
EXTENSION_MODES = ("pingpong", "loop", "freeze")
END_SLACK = Fraction(1, 1000)  # seconds a speech may outlast the picture without one more frame
SINGLE_FRAME_SECONDS = Fraction(1, 25)  # how long a single frame without a duration is shown
_FINEST_DENOMINATOR = 1_000_000_000  # times given as floats are rounded to nanoseconds


@dataclass(frozen=True)
class Timeline:
    """The frames of the result.

    Attributes:
        source: (n,) int64, number of the source frame shown.
        pts: (n,) int64, when it is shown, in ``time_base``.
        duration: (n,) int64, how long it is shown, in ``time_base``.
        time_base: Seconds per tick.
        original: How many frames at the beginning are the source's own, at the source's own times.
        speech_start: When the first sample of the speech is heard, in seconds on the source's clock.
    """

    source: I64
    pts: I64
    duration: I64
    time_base: Fraction
    original: int
    speech_start: Fraction

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def time(self) -> F64:
        """When each frame is shown: (n,) float64, seconds."""
        return self.pts * float(self.time_base)

    @property
    def start(self) -> Fraction:
        """When the first frame is shown, in seconds."""
        return int(self.pts[0]) * self.time_base

    @property
    def end(self) -> Fraction:
        """When the last frame stops being shown, in seconds."""
        return int(self.pts[-1] + self.duration[-1]) * self.time_base


@dataclass(frozen=True)
class _SourceFrames:
    """The source's frame times.

    Attributes:
        pts: (n,) int64, strictly rising, in ``time_base``.
        gaps: (n - 1,) int64, ticks from each frame to the next.
        last: Ticks the last frame is shown.
        spacing: Average of ``gaps`` in ticks.
        time_base: Seconds per tick.
    """

    pts: I64
    gaps: I64
    last: int
    spacing: Fraction
    time_base: Fraction

    @property
    def count(self) -> int:
        """Number of frames."""
        return len(self.pts)

    @property
    def durations(self) -> I64:
        """Ticks each frame is shown: (n,) int64."""
        return np.append(self.gaps, self.last)

    @property
    def end_tick(self) -> int:
        """When the last frame stops being shown, in ticks."""
        return int(self.pts[-1]) + self.last


def plan_timeline(
    pts: I64,
    time_base: Fraction,
    speech_duration: Fraction | float | None,
    *,
    length: str = "longest",
    extend: str = "pingpong",
    offset: Fraction | float = 0,
    last_duration: int | None = None,
) -> Timeline:
    """Plan the frames of a result.

    A frame belongs to the result if it begins before the result's end; the result has at least one frame.
    Extended frames keep the spacing their motion had, backwards too, so variable frame rates play at their
    own speed.

    Args:
        pts: (n,) int64, the source's frame times, strictly rising, in ``time_base``.
        time_base: Seconds per tick.
        speech_duration: Seconds the speech lasts; None if there is no speech.
        length: When the result ends: with the picture ('video'), with the speech ('speech'), or with
            whichever ends last ('longest') or first ('shortest').
        extend: How missing picture is made. 'pingpong' plays backwards and forwards again without showing the
            end frame twice, 'loop' begins again, 'freeze' holds the last frame.
        offset: Seconds from the first frame to the first sample of the speech.
        last_duration: Ticks the source's last frame is shown. By default, and where it would be shown for less than
            half of it, that is the average spacing, or 1/25 s for a single frame.

    Raises:
        UsageError: ``length`` or ``extend`` is unknown.
        ValueError: ``pts`` is empty or does not rise.
    """
    if length not in LENGTH_POLICIES:
        raise UsageError(f"there is no length policy {length!r}", hint=f"Choose one of {', '.join(LENGTH_POLICIES)}.")
    if extend not in EXTENSION_MODES:
        raise UsageError(f"there is no extension {extend!r}", hint=f"Choose one of {', '.join(EXTENSION_MODES)}.")
    frames = _describe_source(pts, time_base, last_duration)
    video_end = frames.end_tick * time_base
    speech_start = int(frames.pts[0]) * time_base + Fraction(offset).limit_denominator(_FINEST_DENOMINATOR)
    if speech_duration is None:
        speech_end = video_end
    else:
        speech_end = speech_start + Fraction(speech_duration).limit_denominator(_FINEST_DENOMINATOR)
    end = {
        "video": video_end,
        "speech": speech_end,
        "longest": max(video_end, speech_end),
        "shortest": min(video_end, speech_end),
    }[length]
    if end <= video_end:
        return _cut(frames, end, speech_start)
    return _extend(frames, end, extend, speech_start)


def _describe_source(pts: I64, time_base: Fraction, last_duration: int | None) -> _SourceFrames:
    """Check the source's frame times and add the gaps between them."""
    pts = np.asarray(pts, dtype=np.int64)
    gaps = np.diff(pts)
    if len(pts) == 0 or (gaps <= 0).any():
        raise ValueError("frame times must rise, and there must be at least one")
    spacing = Fraction(int(pts[-1] - pts[0]), len(gaps)) if len(gaps) else SINGLE_FRAME_SECONDS / time_base
    is_told = last_duration is not None and last_duration >= spacing / 2
    last = int(last_duration) if is_told and last_duration else max(1, round(spacing))
    return _SourceFrames(pts, gaps, last, spacing, time_base)


def _cut(frames: _SourceFrames, end: Fraction, speech_start: Fraction) -> Timeline:
    """Plan a result that ends with the picture or before it."""
    limit: Fraction | int = frames.end_tick
    if end < frames.end_tick * frames.time_base:
        limit = (end - END_SLACK) / frames.time_base
    count = max(1, int(np.searchsorted(frames.pts, float(limit), side="left")))
    return Timeline(
        source=np.arange(count, dtype=np.int64),
        pts=frames.pts[:count].copy(),
        duration=frames.durations[:count].copy(),
        time_base=frames.time_base,
        original=count,
        speech_start=speech_start,
    )


def _extend(frames: _SourceFrames, end: Fraction, extend: str, speech_start: Fraction) -> Timeline:
    """Plan a result that outlasts the picture."""
    missing = (end - END_SLACK) / frames.time_base - frames.end_tick
    if missing <= 0:
        source, duration = np.zeros(0, np.int64), np.zeros(0, np.int64)
    elif extend == "freeze" or frames.count == 1:
        source, duration = _freeze(frames, missing)
    else:
        source, duration = _repeat(*(_loop_cycle(frames) if extend == "loop" else _pingpong_cycle(frames)), missing)
    durations = np.concatenate([frames.durations, duration])
    starts = np.concatenate([[0], np.cumsum(durations[:-1])]).astype(np.int64)
    return Timeline(
        source=np.concatenate([np.arange(frames.count, dtype=np.int64), source]),
        pts=int(frames.pts[0]) + starts,
        duration=durations,
        time_base=frames.time_base,
        original=frames.count,
        speech_start=speech_start,
    )


def _freeze(frames: _SourceFrames, missing: Fraction) -> tuple[I64, I64]:
    """Return source frames and durations that hold the last frame for at least ``missing`` ticks."""
    step = frames.spacing if frames.count > 1 else Fraction(frames.last)
    total = max(1, -int(-missing // step))
    edges = np.array([round(number * step) for number in range(total + 1)], dtype=np.int64)
    edges = np.maximum.accumulate(np.maximum(edges, np.arange(total + 1)))
    return np.full(total, frames.count - 1, dtype=np.int64), np.diff(edges)


def _loop_cycle(frames: _SourceFrames) -> tuple[I64, I64]:
    """Return source frames and durations of one pass from the beginning."""
    return np.arange(frames.count, dtype=np.int64), frames.durations


def _pingpong_cycle(frames: _SourceFrames) -> tuple[I64, I64]:
    """Return source frames and durations of one pass backwards and forwards.

    Frame i going backwards lasts until frame i - 1 appears: the gap between them.
    """
    count, gaps = frames.count, frames.gaps
    cycle = np.concatenate([np.arange(count - 2, 0, -1), np.arange(count)]).astype(np.int64)
    backwards = gaps[count - 3 :: -1] if count > 2 else gaps[:0]
    return cycle, np.concatenate([backwards, frames.durations])


def _repeat(cycle: I64, durations: I64, missing: Fraction) -> tuple[I64, I64]:
    """Return source frames and durations of a cycle repeated for at least ``missing`` ticks."""
    turns = max(1, -int(-missing // int(durations.sum())))
    source = np.tile(cycle, turns)
    duration = np.tile(durations, turns)
    total = int(np.searchsorted(np.cumsum(duration), float(missing), side="left")) + 1
    return source[:total].astype(np.int64), duration[:total].astype(np.int64)


def format_clock(seconds: float) -> str:
    """``seconds`` as h:mm:ss.sss."""
    minutes, rest = divmod(float(seconds), 60)
    hours, minutes = divmod(int(minutes), 60)
    return f"{hours}:{minutes:02d}:{rest:06.3f}"
