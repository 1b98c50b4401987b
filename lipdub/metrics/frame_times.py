"""Whether the result has the frames it should have, at the times it should have them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.metrics.metric import Measurement, Metric, Need

if TYPE_CHECKING:
    from lipdub.arrays import F64
    from lipdub.metrics.evidence import Evidence


def max_time_error(times: F64, expected: F64) -> float:
    """Return the largest difference of two series of frame times, as far as both reach.

    Args:
        times: (n,) seconds after the first frame.
        expected: (m,) seconds after the first frame.
    """
    count = min(len(times), len(expected))
    return float(np.abs(times[:count] - expected[:count]).max()) if count else 0.0


def _measure_error(evidence: Evidence) -> Measurement:
    assert evidence.run is not None
    return Measurement(max_time_error(evidence.result.motion.times, evidence.run.expected_times) * 1000)


def _measure_missing(evidence: Evidence) -> Measurement | None:
    assert evidence.run is not None
    missing = len(evidence.run.expected_times) - len(evidence.result.motion)
    return Measurement(float(missing)) if missing > 0 else None


ERROR_METRIC = Metric(
    id="pts_max_error_ms",
    title="largest error of a frame's time",
    region="file",
    unit="ms",
    better="lower",
    measure=_measure_error,
    needs=(Need.RUN,),
    ideal=0.0,
)
MISSING_METRIC = Metric(
    id="frames_missing",
    title="frames missing at the end",
    region="file",
    unit="frames",
    better="lower",
    measure=_measure_missing,
    needs=(Need.RUN,),
    note="only listed if frames are missing",
    ideal=0.0,
)
