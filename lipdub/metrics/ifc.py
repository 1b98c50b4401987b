"""Inter-frame consistency (IFC): whether a result changes from frame to frame as much as its ground truth does.

Yaman et al., "Audio-driven Talking Face Generation with Stabilized Synchronization Loss" (ECCV 2024, section 4,
metrics): the difference between the distances of consecutive frames in the generated and in the true video, after a
training objective of Zhou et al., "Responsive Listening Head Generation" (ECCV 2022). The papers give neither the norm
nor the range of the pixels. Here a distance is the root mean square over all samples of pixels 0..255, and the
differences are averaged as absolute values. So numbers are comparable among lipdub's scores, not with the paper's
table.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lipdub.media.pixels import to_eight_bits
from lipdub.metrics.metric import Measurement
from lipdub.metrics.paired import ObserverPair, PairObserver, make_paired_metrics
from lipdub.metrics.psnr import sum_squared_errors

if TYPE_CHECKING:
    from lipdub.arrays import F64, U8
    from lipdub.metrics.evidence import Evidence, FramePair, PassSetup
    from lipdub.metrics.paired import Part


def frame_distance(previous: U8, current: U8) -> float:
    """Return the distance of a frame from the one before it: root mean square of the differences, in grey levels.

    Raises:
        ValueError: the shapes differ.
    """
    error, count = sum_squared_errors(previous, current)
    return math.sqrt(error / count) if count else math.nan


def ifc(result: F64, truth: F64) -> float:
    """Return the mean absolute difference of two series of frame distances; 0 for a clip against itself.

    Args:
        result: (n,) grey levels. Pairs with a NaN (a cut, a missing frame) do not count.
        truth: (n,) grey levels.

    Returns:
        Grey levels, NaN if no pair is left.

    Raises:
        ValueError: the shapes differ.
    """
    a, b = np.asarray(result, np.float64), np.asarray(truth, np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"two equal series of distances are needed, not {a.shape} and {b.shape}")
    gap = np.abs(a - b)
    gap = gap[np.isfinite(gap)]
    return float(gap.mean()) if len(gap) else math.nan


class FrameDistances(PairObserver):
    """Observer that keeps the distances of consecutive frames, of the result and of the ground truth."""

    def __init__(self, setup: PassSetup, part: Part) -> None:
        super().__init__(setup, part)
        self.distances: list[tuple[float, float]] = []
        self.count = 0
        self._previous: tuple[U8, U8] | None = None

    def compare(self, pair: FramePair) -> None:
        """Add the distances of both pictures from those of the pair before."""
        self.count += 1
        pictures = to_eight_bits(pair.result), to_eight_bits(pair.truth)
        if self._previous is not None and not pair.is_fresh:
            result, truth = map(frame_distance, self._previous, pictures)
            self.distances.append((result, truth))
        self._previous = pictures


def _measure(observer: FrameDistances, _: Evidence) -> Measurement:
    result, truth = np.array(observer.distances, np.float64).reshape(-1, 2).T
    return Measurement(ifc(result, truth), note=observer.describe_count(observer.count))


FRAME_METRIC, CROP_METRIC = make_paired_metrics(
    "ifc",
    "inter-frame consistency",
    _measure,
    ObserverPair(FrameDistances),
    unit="grey levels",
    better="lower",
    ideal=0.0,
)
