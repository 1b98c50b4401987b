"""Which source frame is shown when in the result: lengths and extension."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from lipdub.errors import UsageError

LENGTH_POLICIES = ("longest", "video", "speech", "shortest")
EXTENSION_MODES = ("pingpong", "loop", "freeze")
_SLACK = Fraction(1, 1000)  # a speech this little longer than the picture does not ask for one more frame


@dataclass(frozen=True)
class Timeline:
    """The frames of the result. ``source`` (int64) is the source frame shown, ``pts`` (int64) its time in
    ``time_base``, ``time`` (float64) the same in seconds, ``duration`` (int64) how long it is shown.

    The first ``original`` frames are the source's own, at the source's own times. ``end`` is when the last
    frame stops being shown, ``speech_start`` when the first sample of the speech is heard; seconds on the
    clock of the source's frame times.
    """

    source: np.ndarray
    pts: np.ndarray
    duration: np.ndarray
    time_base: Fraction
    original: int
    speech_start: Fraction

    def __len__(self) -> int:
        return len(self.pts)

    @property
    def time(self) -> np.ndarray:
        """Seconds, float64."""
        return self.pts * float(self.time_base)

    @property
    def start(self) -> Fraction:
        """When the first frame is shown, in seconds."""
        return int(self.pts[0]) * self.time_base

    @property
    def end(self) -> Fraction:
        """When the last frame stops being shown, in seconds."""
        return int(self.pts[-1] + self.duration[-1]) * self.time_base


def plan_timeline(
    pts: np.ndarray,
    time_base: Fraction,
    speech_duration: Fraction | float | None,
    *,
    length: str = "longest",
    extend: str = "pingpong",
    offset: Fraction | float = 0,
    last_duration: int | None = None,
) -> Timeline:
    """Plan the frames of a result.

    ``pts`` are the source's frame times (strictly rising, in ``time_base``), ``last_duration`` how long its last
    frame is shown (default: the average spacing; 1/25 s for a single frame). The speech lasts
    ``speech_duration`` seconds (None: there is none) and begins ``offset`` seconds after the first frame.

    ``length`` says when the result ends: with the picture ('video'), the speech, or whichever ends last or
    first. A frame belongs to the result if it begins before that end; there is always at least one. Missing
    picture is made by ``extend``: 'pingpong' plays backwards and forwards again without showing the end frame
    twice, 'loop' begins again, 'freeze' holds the last frame. Extended frames keep the spacing their motion
    had, backwards too, so variable frame rates play at their own speed.
    """
    if length not in LENGTH_POLICIES:
        raise UsageError(f"there is no length policy {length!r}", hint=f"Choose one of {', '.join(LENGTH_POLICIES)}.")
    if extend not in EXTENSION_MODES:
        raise UsageError(f"there is no extension {extend!r}", hint=f"Choose one of {', '.join(EXTENSION_MODES)}.")
    pts = np.asarray(pts, dtype=np.int64)
    if len(pts) == 0 or (np.diff(pts) <= 0).any():
        raise ValueError("frame times must rise, and there must be one at least")
    gaps = np.diff(pts)
    spacing = Fraction(int(pts[-1] - pts[0]), len(gaps)) if len(gaps) else Fraction(1, 25) / time_base
    last = max(1, round(spacing)) if last_duration is None else max(1, int(last_duration))
    start = int(pts[0]) * time_base
    video_end = int(pts[-1] + last) * time_base
    speech_start = start + Fraction(offset).limit_denominator(1_000_000_000)
    if speech_duration is None:
        speech_end = video_end
    else:
        speech_end = speech_start + Fraction(speech_duration).limit_denominator(1_000_000_000)
    end = {
        "video": video_end,
        "speech": speech_end,
        "longest": max(video_end, speech_end),
        "shortest": min(video_end, speech_end),
    }[length]

    own_durations = np.append(gaps, last)
    if end <= video_end:
        limit = (end - _SLACK) / time_base if end < video_end else int(pts[-1]) + last
        kept = max(1, int(np.searchsorted(pts, float(limit), side="left")))
        return Timeline(
            np.arange(kept, dtype=np.int64),
            pts[:kept].copy(),
            own_durations[:kept].copy(),
            time_base,
            kept,
            speech_start,
        )

    needed = (end - _SLACK) / time_base - (int(pts[-1]) + last)
    source, duration = _extension(len(pts), gaps, last, spacing, extend, needed)
    all_durations = np.concatenate([own_durations, duration])
    all_pts = int(pts[0]) + np.concatenate([[0], np.cumsum(all_durations[:-1])]).astype(np.int64)
    return Timeline(
        np.concatenate([np.arange(len(pts), dtype=np.int64), source]),
        all_pts,
        all_durations,
        time_base,
        len(pts),
        speech_start,
    )


def _extension(
    count: int, gaps: np.ndarray, last: int, spacing: Fraction, extend: str, needed: Fraction
) -> tuple[np.ndarray, np.ndarray]:
    """Source frames and durations of as many further frames as cover ``needed`` ticks."""
    if needed <= 0:
        return np.zeros(0, np.int64), np.zeros(0, np.int64)
    if extend == "freeze" or count == 1:
        step = spacing if count > 1 else Fraction(last)
        total = max(1, -int(-needed // step))
        edges = np.array([round(number * step) for number in range(total + 1)], dtype=np.int64)
        edges = np.maximum.accumulate(np.maximum(edges, np.arange(total + 1)))
        return np.full(total, count - 1, dtype=np.int64), np.diff(edges)
    if extend == "loop":
        cycle = np.arange(count, dtype=np.int64)
        cycle_durations = np.append(gaps, last)
    else:
        cycle = np.concatenate([np.arange(count - 2, 0, -1), np.arange(count)]).astype(np.int64)
        # Frame i going backwards lasts until frame i-1 appears: the gap between them.
        cycle_durations = np.concatenate([gaps[count - 3 :: -1] if count > 2 else gaps[:0], gaps, [last]])
    cycle_length = int(cycle_durations.sum())
    turns = max(1, -int(-needed // cycle_length))
    source = np.tile(cycle, turns)
    duration = np.tile(cycle_durations, turns)
    ends = np.cumsum(duration)
    total = int(np.searchsorted(ends, float(needed), side="left")) + 1
    return source[:total].astype(np.int64), duration[:total].astype(np.int64)
