"""Peak signal-to-noise ratio of a result against its ground truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lipdub.metrics.metric import Measurement
from lipdub.metrics.paired import ObserverPair, PairObserver, make_paired_metrics

if TYPE_CHECKING:
    from lipdub.arrays import Array
    from lipdub.metrics.evidence import Evidence, FramePair, PassSetup
    from lipdub.metrics.paired import Part

GREY_LEVELS = 255  # peak of the scale that errors of all depths are given on


def sum_squared_errors(a: Array, b: Array) -> tuple[float, int]:
    """Return the sum of squared differences of two arrays of integers or floats, and the number of samples.

    Sums of several frames may be added up before `psnr`.

    Raises:
        ValueError: the shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"pictures of different shapes: {a.shape} and {b.shape}")
    difference = a.astype(np.float32) - b.astype(np.float32)
    return float(np.sum(np.square(difference), dtype=np.float64)), a.size


def psnr(error: float, count: int, peak: float = 255.0) -> float:
    """Return the decibels for a sum of squared errors over `count` samples: infinity without an error, NaN for none."""
    if count == 0:
        return math.nan
    return math.inf if error == 0 else 10 * math.log10(peak * peak * count / error)


class SquaredErrors(PairObserver):
    """Observer that adds up the squared errors of frame pairs."""

    def __init__(self, setup: PassSetup, part: Part) -> None:
        super().__init__(setup, part)
        self.total, self.samples, self.peak = 0.0, 0, 255.0
        self.times: list[float] = []
        self.errors: list[float] = []

    def compare(self, pair: FramePair) -> None:
        """Add the squared error of two pictures."""
        error, count = sum_squared_errors(pair.result, pair.truth)
        self.total, self.samples, self.peak = self.total + error, self.samples + count, pair.peak
        self.times.append(pair.time)
        self.errors.append(error / max(count, 1) * (GREY_LEVELS / pair.peak) ** 2)

    @property
    def note(self) -> str:
        """How many of the result's frames were compared."""
        return self.describe_count(len(self.times))


OBSERVERS = ObserverPair(SquaredErrors)


def _measure(observer: SquaredErrors, _: Evidence) -> Measurement:
    value = psnr(observer.total, observer.samples, observer.peak)
    return Measurement(value, note=observer.note + ("; the pictures are equal" if value == math.inf else ""))


FRAME_METRIC, CROP_METRIC = make_paired_metrics(
    "psnr", "PSNR", _measure, OBSERVERS, unit="dB", better="higher", ideal=math.inf
)
