"""Share of the frames in which a face is found. A number about the footage: without a face nothing else is measured."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipdub.metrics.metric import Measurement, Metric

if TYPE_CHECKING:
    from lipdub.metrics.evidence import Evidence


def _measure(evidence: Evidence) -> Measurement:
    motion = evidence.result.motion
    return Measurement(motion.mouth.faces / max(1, len(motion)))


METRIC = Metric(
    id="faces",
    title="frames with a face",
    region="frame",
    unit="share",
    better="higher",
    measure=_measure,
)
