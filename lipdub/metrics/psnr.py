"""Peak signal-to-noise ratio of a result against its ground truth."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from lipdub.metrics.evidence import Evidence, Feed, FramePair, ObserverFactory, PassSetup
from lipdub.metrics.metric import Measurement, Metric, Need

if TYPE_CHECKING:
    from lipdub.arrays import Array

GREY_LEVELS = 255  # peak of the scale that errors of all depths are given on


def squared_error(a: Array, b: Array) -> tuple[float, int]:
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


class SquaredErrors:
    """Observer that adds up the squared errors of frame pairs.

    Args:
        setup: of the pass.
        part: what is compared: whole frames or aligned faces.
    """

    def __init__(self, setup: PassSetup, part: Literal["frame", "face"]) -> None:
        self.total, self.samples, self.peak = 0.0, 0, 255.0
        self.times: list[float] = []
        self.errors: list[float] = []
        self.of = setup.frame_count
        self.part = part

    def add(self, pair: FramePair, /) -> None:
        """Add a pair, if it shows what is compared."""
        compared = pair if self.part == "frame" else pair.faces
        if compared is None:
            return
        error, count = squared_error(compared.result, compared.truth)
        self.total, self.samples, self.peak = self.total + error, self.samples + count, pair.peak
        self.times.append(pair.time)
        self.errors.append(error / max(count, 1) * (GREY_LEVELS / pair.peak) ** 2)

    @property
    def note(self) -> str:
        """How many of the result's frames were compared."""
        return f"{len(self.times)} of {self.of} {self.part}s"


def observe_frames(setup: PassSetup) -> SquaredErrors:
    """Make an observer of whole frames."""
    return SquaredErrors(setup, "frame")


def observe_faces(setup: PassSetup) -> SquaredErrors:
    """Make an observer of aligned faces."""
    return SquaredErrors(setup, "face")


def _measure(evidence: Evidence, factory: ObserverFactory[Any]) -> Measurement:
    errors = evidence.observed(Feed.GROUND_TRUTH, factory)
    value = psnr(errors.total, errors.samples, errors.peak)
    return Measurement(value, note=errors.note + ("; the pictures are equal" if value == math.inf else ""))


FRAME_METRIC = Metric(
    id="psnr",
    title="PSNR",
    region="frame",
    unit="dB",
    better="higher",
    measure=lambda evidence: _measure(evidence, observe_frames),
    needs=(Need.GROUND_TRUTH,),
    observers={Feed.GROUND_TRUTH: observe_frames},
    ideal=math.inf,
)
CROP_METRIC = Metric(
    id="psnr_crop",
    title="PSNR of the aligned face",
    region="crop",
    unit="dB",
    better="higher",
    measure=lambda evidence: _measure(evidence, observe_faces),
    needs=(Need.GROUND_TRUTH,),
    observers={Feed.GROUND_TRUTH: observe_faces},
    ideal=math.inf,
)
