"""How far a mouth moves, relative to the source's mouth or to the target opening.

Dubs that mumble score well on sync networks; this ratio exposes them. A ratio of 1 is the same range.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lipdub.metrics.metric import Measurement, Metric, Need
from lipdub.metrics.opening_target import pair_openings

if TYPE_CHECKING:
    from lipdub.arrays import F64
    from lipdub.metrics.evidence import Evidence

LOW, HIGH = 5, 95  # percentiles between which the range lies: a single odd frame does not stretch it
FLAT = 1e-6  # a range below this is no motion


def motion_range(values: F64) -> float:
    """Return the range of a motion between its 5th and its 95th percentile.

    Args:
        values: (n,) in any unit; NaNs do not count.

    Returns:
        The range in the same unit, NaN if no value is left.
    """
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return math.nan
    low, high = np.percentile(finite, [LOW, HIGH])
    return float(high - low)


def range_ratio(result: F64, other: F64) -> float:
    """Return the range of a motion relative to another: 1 is the same, less is mumbled.

    Args:
        result: (n,) motion.
        other: (m,) motion in the same unit.

    Returns:
        The ratio, NaN if the other does not move.
    """
    base = motion_range(other)
    return motion_range(result) / base if base > FLAT else math.nan


def _measure_source(evidence: Evidence) -> Measurement:
    assert evidence.source is not None
    value = range_ratio(evidence.result.motion.mouth.opening, evidence.source.motion.mouth.opening)
    note = "" if math.isfinite(value) else "the mouth of the source or of the result is not visible, or does not move"
    return Measurement(value, real_value=1.0, note=note)


def _measure_target(evidence: Evidence) -> Measurement:
    target, measured, note = pair_openings(evidence)
    if not len(target):
        return Measurement(note=note)
    value = range_ratio(measured, target)
    return Measurement(value, note="" if math.isfinite(value) else "the target does not move")


SOURCE_METRIC = Metric(
    id="opening_range_ratio_source",
    title="range of the mouth opening, relative to the source",
    region="mouth",
    unit="ratio",
    better="near one",
    measure=_measure_source,
    note="says little if the source hardly speaks",
    needs=(Need.SOURCE,),
    ideal=1.0,
)
TARGET_METRIC = Metric(
    id="opening_range_ratio_target",
    title="range of the mouth opening, relative to its target",
    region="mouth",
    unit="ratio",
    better="near one",
    measure=_measure_target,
    needs=(Need.RUN,),
    ideal=1.0,
)
