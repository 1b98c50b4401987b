"""How far each frame can be dubbed: the time range asked for, profiles, covered mouths, fades at a track's ends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.arrays import Array, Mask
    from lipdub.faces.talker_tables import MotionTable
    from lipdub.stages.detect.store import TrackRecord
    from lipdub.stages.sync.options import SyncOptions


# Faces turned further than this are left as they are. Dubbing fades over the last degrees before.
PROFILE_DEGREES = 52.0
PROFILE_FADE_DEGREES = 12.0
# No references are drawn of faces turned further: the profile limit, and what smoothing may add to it.
MAX_DRAWN_YAW_DEGREES = 60.0
# Where dubbing begins or ends inside a shot, it fades over this time.
FADE_SECONDS = 0.16


def profile_weights(yaw: Array) -> Array:
    """How far faces turned by these angles in degrees (...) can be dubbed: 1, fading to 0 at `PROFILE_DEGREES`."""
    result: Array = np.clip((PROFILE_DEGREES - np.abs(yaw)) / PROFILE_FADE_DEGREES, 0, 1)
    return result


def range_weights(moments: Array, options: SyncOptions) -> Array:
    """Return (n,) weights: 1 inside the range asked for, fading to 0 over `FADE_SECONDS` inside its ends."""
    out = np.ones(len(moments))
    if options.start is not None:
        out = np.minimum(out, (moments - options.start) / FADE_SECONDS if options.start > 0 else 1.0)
    if options.end is not None:
        out = np.minimum(out, (options.end - moments) / FADE_SECONDS)
    return np.clip(out, 0, 1)


def visibility_weights(
    motion: MotionTable,
    track: TrackRecord,
    shots: Sequence[Sequence[int]],
    interval: float,
    covered: Mask | None = None,
) -> Array:
    """Return how far each source frame of a track can be dubbed: seen, not in profile, fading at its ends.

    Args:
        motion: A row for each frame of the track.
        track: The track's record.
        shots: First and last frame of each shot.
        interval: Seconds between frames.
        covered: (frames,) bool, where something lies before the mouth.

    Returns:
        (frames,) float64, 0 to 1.
    """
    from lipdub.faces import smoothing, tracking

    valid = motion.is_visible
    yaw = np.abs(np.nan_to_num(motion.yaw))
    out = np.where(valid, profile_weights(yaw), 0.0)
    # A hand or a microphone before the mouth: left alone, from two such frames on (one may be a flash).
    for a, b in smoothing.find_runs(covered) if covered is not None else ():
        valid[a:b] &= b - a < 2
    out = smoothing.savgol_filter(out * valid, 5, 1).clip(0, 1) * valid
    steps = max(1, round(FADE_SECONDS / interval))
    first, end = shots[track["shot"]]
    for a, b in smoothing.find_runs(valid):
        ramp = np.arange(1, b - a + 1) / steps
        # A shot's own first and last frames need no fade: the cut hides the change.
        if track["first"] + a > first + tracking.MAX_FILLED_FRAMES:
            out[a:b] *= np.minimum(ramp, 1)
        if track["first"] + b < end - tracking.MAX_FILLED_FRAMES:
            out[a:b] *= np.minimum(ramp[::-1], 1)
    return out


def passthrough_spans(time: Array, amount: Array) -> list[list[float]]:
    """Return the first and last time of each stretch of frames that pass through."""
    from lipdub.faces import smoothing

    return [[float(time[a]), float(time[b - 1])] for a, b in smoothing.find_runs(~(amount > 0))]
