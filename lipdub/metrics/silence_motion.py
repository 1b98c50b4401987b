"""How much the mouth moves in the pauses of the speech."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lipdub.metrics.metric import Measurement, Metric, Moment, Need

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lipdub.arrays import F64, Mask
    from lipdub.metrics.evidence import Evidence, ScoredClip, Span

FLAT = 1e-6  # a deviation below this is no motion
#: Seconds at either end of a pause in which the mouth may still come to rest or prepare.
MARGIN = 0.12
NOTICED_OPENING = 0.08  # eye distances above the median of the pauses: a viewer notices more
_MIN_FRAMES = 3  # in pauses, to find moments


def pause_deviation(times: F64, opening: F64, pauses: Iterable[Span]) -> tuple[float, int]:
    """Return the standard deviation of the opening in pauses, and the number of frames it was taken from.

    Frames within `MARGIN` of speech and frames without a face do not count.

    Args:
        times: (n,) seconds.
        opening: (n,) eye distances, NaN without a face.
        pauses: start and end of each pause, seconds.

    Returns:
        The deviation, NaN for fewer than two frames, and the number of frames.
    """
    values = opening[_find_times_inside(times, pauses) & np.isfinite(opening)]
    return (float(values.std()), len(values)) if len(values) > 1 else (math.nan, len(values))


def silence_motion_ratio(times: F64, opening: F64, pauses: Iterable[Span]) -> float:
    """Return the deviation of the opening in pauses over that outside them.

    0 is a still mouth, 1 a mouth that moves in pauses as much as in speech.

    Args:
        times: (n,) seconds.
        opening: (n,) eye distances, NaN without a face.
        pauses: start and end of each pause, seconds.

    Returns:
        The ratio; NaN if either deviation cannot be measured or the mouth never moves.
    """
    pauses = list(pauses)
    still, _ = pause_deviation(times, opening, pauses)
    speaking = np.isfinite(opening)
    for start, end in pauses:
        speaking &= ~((times >= start - MARGIN) & (times <= end + MARGIN))
    spread = float(opening[speaking].std()) if speaking.sum() > 1 else 0.0
    return still / spread if spread > FLAT else math.nan


def find_restless(times: F64, opening: F64, pauses: Iterable[Span]) -> list[Moment]:
    """Find the places in pauses where the mouth is open more than its median in pauses.

    Args:
        times: (n,) seconds.
        opening: (n,) eye distances, NaN without a face.
        pauses: start and end of each pause, seconds.
    """
    is_known = _find_times_inside(times, pauses) & np.isfinite(opening)
    if is_known.sum() < _MIN_FRAMES:
        return []
    excess = opening - np.median(opening[is_known])
    return [
        Moment(
            float(times[k]),
            "silence_motion_ratio",
            float(excess[k]) / NOTICED_OPENING,
            f"mouth opens by {excess[k]:.2f} eye distances in a pause",
        )
        for k in np.flatnonzero(is_known & (excess > 0))
    ]


def _find_times_inside(times: F64, pauses: Iterable[Span]) -> Mask:
    inside = np.zeros(len(times), bool)
    for start, end in pauses:
        inside |= (times >= start + MARGIN) & (times <= end - MARGIN)
    return inside


def _measure_clip(clip: ScoredClip) -> float:
    if clip.speech is None or not len(clip.motion):
        return math.nan
    mouth = clip.motion.mouth
    return silence_motion_ratio(mouth.times, mouth.opening, clip.speech.find_pauses(float(clip.motion.times[-1])))


def _measure(evidence: Evidence) -> Measurement:
    value = _measure_clip(evidence.result)
    real_value = _measure_clip(evidence.source) if evidence.source is not None else None
    note = "" if math.isfinite(value) else "the speech has no long pause, or the mouth is not visible"
    return Measurement(value, real_value=real_value, note=note)


def _find_moments(evidence: Evidence) -> list[Moment]:
    motion = evidence.result.motion
    return find_restless(motion.times, motion.mouth.opening, evidence.speech.find_pauses(motion.duration))


METRIC = Metric(
    id="silence_motion_ratio",
    title="mouth motion in pauses, relative to speech",
    region="mouth",
    unit="ratio",
    better="lower",
    measure=_measure,
    needs=(Need.SPEECH,),
    moments=_find_moments,
)
