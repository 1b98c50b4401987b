"""How much the mouth opening trembles from frame to frame."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lipdub.metrics.correlation import resample_to_grid
from lipdub.metrics.metric import Measurement, Metric

if TYPE_CHECKING:
    from lipdub.arrays import F64
    from lipdub.metrics.evidence import Evidence, ScoredClip


def jitter(values: F64) -> float:
    """Return the mean absolute second difference of a series (n,), in its unit; 0 for fewer than three values."""
    return float(np.abs(np.diff(values, 2)).mean()) if len(values) > 2 else 0.0


def _measure_clip(clip: ScoredClip) -> float:
    mouth = clip.motion.mouth
    return jitter(resample_to_grid(mouth.times, mouth.opening)) if mouth.faces else math.nan


def _measure(evidence: Evidence) -> Measurement:
    value = _measure_clip(evidence.result)
    real_value = _measure_clip(evidence.source) if evidence.source is not None else None
    return Measurement(value, real_value=real_value, note="" if math.isfinite(value) else "no face was found")


METRIC = Metric(
    id="jitter",
    title="frame-to-frame tremble of the mouth opening",
    region="mouth",
    unit="eye distances",
    better="lower",
    measure=_measure,
)
