"""A metric as an object: the texts of its row, its inputs, and the function that measures it.

A metric is one file in this package and one line in `lipdub.metrics.registry`. The file ends with its `Metric`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lipdub.metrics.bootstrap import average_windows

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from numpy.typing import ArrayLike

    from lipdub.arrays import F64
    from lipdub.metrics.evidence import Evidence, Feed, Observer, PassSetup, Span
    from lipdub.weights.store import WeightsStore

Better = Literal["higher", "lower", "near zero", "near one", ""]
Region = Literal["frame", "crop", "face", "mouth", "file"]
"""What a value is measured on: whole frames, cut-out faces, landmarks of the face or of the mouth, or the file."""


class Need(Enum):
    """Inputs that a metric can need in addition to the result. The value completes "needs ..." in messages."""

    SPEECH = "a speech: give --speech, or a result that has sound"
    SOURCE = "the source video: give --source"
    GROUND_TRUTH = "a ground truth: give --ground-truth"
    RUN = "the workspace of the run: give --workspace"


@dataclass(frozen=True)
class MetricWeights:
    """The network of a metric.

    Attributes:
        name: its entry in the manifest of published weights.
        load: builds the network from the weights store. It raises WeightsError if the weights are missing, and
            EnvironmentFailure if a package is missing.
    """

    name: str
    load: Callable[[WeightsStore], Any]


@dataclass(frozen=True)
class Measurement:
    """The value of a metric for one result.

    Attributes:
        value: the number; NaN if it could not be measured, and then `note` says why.
        windows: (k,) float64 value in each window of `Evidence.windows`, NaN where it has none; None if the metric
            is not measured over windows.
        real_value: the same number of the real video; None if unknown.
        note: a remark on this value for the reader.
    """

    value: float = math.nan
    windows: F64 | None = None
    real_value: float | None = None
    note: str = ""


@dataclass(frozen=True)
class Moment:
    """A weak place of a result.

    Attributes:
        time: seconds after the first frame.
        row: id of the metric that finds it weak.
        severity: how many times the metric's limit it reaches; a viewer notices values from 1 on.
        text: what is weak, in words.
    """

    time: float
    row: str
    severity: float
    text: str


@dataclass(frozen=True)
class Metric:
    """One number of a score.

    Attributes:
        id: stable name, used in files and thresholds.
        title: name of the number, as a heading.
        region: what it is measured on.
        unit: of the value; "" for a pure number.
        better: which values are good.
        measure: computes the value. It returns None if the number does not apply to the result.
        note: a remark on the number that every reader needs.
        needs: inputs without which it is not measured.
        observers: factories of the observers of each feed; metrics that name the same factory share its observer.
        weights: the network it uses.
        moments: finds the places where the result is weak.
        ideal: the value of a result that equals the video it is compared with; None for a metric without a comparison.
    """

    id: str
    title: str
    region: Region
    unit: str
    better: Better
    measure: Callable[[Evidence], Measurement | None]
    note: str = ""
    needs: tuple[Need, ...] = ()
    observers: Mapping[Feed, Callable[[PassSetup], Observer]] = field(default_factory=dict)
    weights: MetricWeights | None = None
    moments: Callable[[Evidence], Iterable[Moment]] | None = None
    ideal: float | None = None


NO_CLOSE_UP = "no sampled frame shows a face"


def measure_series(
    times: ArrayLike, values: ArrayLike, windows: Sequence[Span], note: str = "", *, missing: str = ""
) -> Measurement:
    """Measure the mean of a series, over all and in each window.

    Args:
        times: (n,) seconds, rising.
        values: (n,) numbers, NaN where there is none.
        windows: start and end of each, seconds.
        note: of the measurement.
        missing: the note if there is no value; by default `note`.
    """
    series = np.asarray(values, np.float64)
    value = float(np.nanmean(series)) if np.isfinite(series).any() else math.nan
    means = average_windows(np.asarray(times, np.float64), series, list(windows))
    return Measurement(value, means, note=note if math.isfinite(value) else missing or note)
