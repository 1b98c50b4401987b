"""Mean squared error of a result against its ground truth, which tables of papers give beside PSNR.

Samples of all depths are brought to 0..255, and the errors of frames are averaged.
"""

from __future__ import annotations

from lipdub.metrics.evidence import Evidence, Feed, ObserverFactory
from lipdub.metrics.metric import Measurement, Metric, Need, measure_series
from lipdub.metrics.psnr import SquaredErrors, observe_faces, observe_frames


def _measure(evidence: Evidence, factory: ObserverFactory[SquaredErrors]) -> Measurement:
    errors = evidence.observed(Feed.GROUND_TRUTH, factory)
    return measure_series(errors.times, errors.errors, evidence.windows, errors.note)


FRAME_METRIC = Metric(
    id="mse",
    title="mean squared error",
    region="frame",
    unit="squared grey levels",
    better="lower",
    measure=lambda evidence: _measure(evidence, observe_frames),
    needs=(Need.GROUND_TRUTH,),
    observers={Feed.GROUND_TRUTH: observe_frames},
    ideal=0.0,
)
CROP_METRIC = Metric(
    id="mse_crop",
    title="mean squared error of the aligned face",
    region="crop",
    unit="squared grey levels",
    better="lower",
    measure=lambda evidence: _measure(evidence, observe_faces),
    needs=(Need.GROUND_TRUTH,),
    observers={Feed.GROUND_TRUTH: observe_faces},
    ideal=0.0,
)
