"""Mean squared error of a result against its ground truth, which papers give in addition to PSNR.

Samples of all depths are brought to 0..255, and the errors of frames are averaged.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipdub.metrics.metric import Measurement, measure_series
from lipdub.metrics.paired import make_paired_metrics
from lipdub.metrics.psnr import OBSERVERS, SquaredErrors

if TYPE_CHECKING:
    from lipdub.metrics.evidence import Evidence


def _measure(observer: SquaredErrors, evidence: Evidence) -> Measurement:
    return measure_series(observer.times, observer.errors, evidence.windows, observer.note)


FRAME_METRIC, CROP_METRIC = make_paired_metrics(
    "mse", "mean squared error", _measure, OBSERVERS, unit="squared grey levels", better="lower", ideal=0.0
)
