"""A metric as somebody would add it: one file, and one line in the registry."""

from __future__ import annotations

from lipdub.metrics.evidence import Evidence, Feed, FrameObservation, PassSetup
from lipdub.metrics.metric import Measurement, Metric, measure_series


class Brightness:
    """Observer that keeps the brightness of each close-up."""

    def __init__(self, setup: PassSetup) -> None:
        self.times: list[float] = []
        self.values: list[float] = []

    def add(self, frame: FrameObservation, /) -> None:
        """Add a frame, if it has a close-up."""
        if frame.close_up is not None:
            self.times.append(frame.time)
            self.values.append(float(frame.close_up.rgb.mean()))


def _measure(evidence: Evidence) -> Measurement:
    series = evidence.get_observer(Feed.RESULT, Brightness)
    return measure_series(series.times, series.values, evidence.windows)


METRIC = Metric(
    id="toy_brightness",
    title="mean brightness of the face",
    region="crop",
    unit="grey levels",
    better="near zero",
    measure=_measure,
    note="a toy",
    observers={Feed.RESULT: Brightness},
)
