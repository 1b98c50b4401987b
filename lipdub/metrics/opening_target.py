"""How well the measured mouth opening follows the target opening."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.metrics.correlation import correlation
from lipdub.metrics.metric import Measurement, Metric, Moment, Need

if TYPE_CHECKING:
    from lipdub.arrays import F64
    from lipdub.metrics.evidence import Evidence

#: Frames below which target and measurement are not compared.
MIN_FRAMES = 3
NOTICED_ERROR = 0.08  # eye distances, as a mean over `ERROR_SECONDS`: a viewer notices more
ERROR_SECONDS = 0.2


def pair_openings(evidence: Evidence) -> tuple[F64, F64, str]:
    """Return target and measured opening where both are known, and a note on the number of such frames.

    Returns:
        target and measured: (n,) float64 eye distances, empty if fewer than `MIN_FRAMES` are known.
    """
    measured = evidence.result.motion.mouth.opening
    target = evidence.target_opening
    if target is None:
        return np.empty(0), np.empty(0), "neither the run nor the speech asks for an opening"
    is_known = np.isfinite(target) & np.isfinite(measured)
    count = int(is_known.sum())
    note = f"{count} of {len(measured)} frames, target from {evidence.target_origin}"
    if count < MIN_FRAMES:
        return np.empty(0), np.empty(0), f"only {note}"
    return target[is_known], measured[is_known], note


def _measure_correlation(evidence: Evidence) -> Measurement:
    target, measured, note = pair_openings(evidence)
    return Measurement(correlation(target, measured), note=note) if len(target) else Measurement(note=note)


def _measure_error(evidence: Evidence) -> Measurement:
    target, measured, note = pair_openings(evidence)
    return Measurement(float(np.abs(target - measured).mean())) if len(target) else Measurement(note=note)


def _find_moments(evidence: Evidence) -> list[Moment]:
    if evidence.target_opening is None:
        return []
    return find_misses(evidence.result.motion.times, evidence.target_opening, evidence.result.motion.mouth.opening)


def find_misses(times: F64, target: F64, measured: F64) -> list[Moment]:
    """Find the places where the opening misses the target.

    Args:
        times: (n,) seconds after the first frame.
        target: (n,) eye distances, NaN where none is known.
        measured: (n,) eye distances, NaN without a face.
    """
    error = np.abs(target - measured)
    moments = []
    for start in np.arange(0.0, float(times[-1]) if len(times) else 0.0, ERROR_SECONDS):
        part = error[(times >= start) & (times < start + ERROR_SECONDS)]
        part = part[np.isfinite(part)]
        if len(part):
            mean = float(part.mean())
            text = f"opening misses its target by {mean:.2f} eye distances"
            moments.append(Moment(start + ERROR_SECONDS / 2, "opening_target_corr", mean / NOTICED_ERROR, text))
    return moments


CORRELATION_METRIC = Metric(
    id="opening_target_corr",
    title="correlation of mouth opening and its target",
    region="mouth",
    unit="correlation",
    better="higher",
    measure=_measure_correlation,
    needs=(Need.RUN,),
    moments=_find_moments,
    ideal=1.0,
)
ERROR_METRIC = Metric(
    id="opening_target_mae",
    title="mean error of the mouth opening against its target",
    region="mouth",
    unit="eye distances",
    better="lower",
    measure=_measure_error,
    needs=(Need.RUN,),
    ideal=0.0,
)
