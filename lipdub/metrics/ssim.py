"""Structural similarity of a result and its ground truth.

Wang, Bovik, Sheikh, Simoncelli: "Image Quality Assessment: From Error Visibility to Structural Similarity" (IEEE
Transactions on Image Processing 13(4), 2004).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.metrics.metric import Measurement, measure_series
from lipdub.metrics.paired import ObserverPair, PairObserver, make_paired_metrics

if TYPE_CHECKING:
    from lipdub.arrays import F32, Array
    from lipdub.metrics.evidence import Evidence, FramePair, PassSetup
    from lipdub.metrics.paired import Part

SIGMA, RADIUS = 1.5, 5  # the Gaussian window of the paper: 11 samples wide
K1, K2 = 0.01, 0.03


def ssim(a: Array, b: Array, peak: float = 255.0) -> float:
    """Return the mean similarity of two pictures of one channel; 1 if they are equal.

    The weights are Gaussian, the covariance is that of a population, and the mean is taken where the window lies
    inside: the value of ``skimage.metrics.structural_similarity(gaussian_weights=True, use_sample_covariance=False)``,
    in a tenth of its time.

    Args:
        a: (h, w), at least 11 x 11.
        b: (h, w).
        peak: largest value of the type.

    Raises:
        ValueError: the shapes differ or the pictures are too small.
    """
    if a.shape != b.shape or a.ndim != 2:
        raise ValueError(f"two pictures of one channel and one shape are needed, not {a.shape} and {b.shape}")
    if min(a.shape) <= 2 * RADIUS:
        raise ValueError(f"a picture of {a.shape} is smaller than the window of {2 * RADIUS + 1}")
    x, y = a.astype(np.float32), b.astype(np.float32)
    mx, my = _average_window(x), _average_window(y)
    # variances of differences from the picture's own mean lose no digits on flat bright areas
    cx, cy = float(x.mean()), float(y.mean())
    dx, dy = x - cx, y - cy
    vx = _average_window(dx * dx) - (mx - cx) ** 2
    vy = _average_window(dy * dy) - (my - cy) ** 2
    vxy = _average_window(dx * dy) - (mx - cx) * (my - cy)
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    s = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(s[RADIUS:-RADIUS, RADIUS:-RADIUS].mean(dtype=np.float64))


def _average_window(x: F32) -> F32:
    size = 2 * RADIUS + 1
    mean: F32 = cv2.GaussianBlur(x, (size, size), SIGMA, borderType=cv2.BORDER_REFLECT)
    return mean


class Similarities(PairObserver):
    """Observer that keeps the similarity of each frame pair."""

    def __init__(self, setup: PassSetup, part: Part) -> None:
        super().__init__(setup, part)
        self.times: list[float] = []
        self.values: list[float] = []

    def compare(self, pair: FramePair) -> None:
        """Add the similarity of two pictures."""
        a, b = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) for rgb in (pair.result, pair.truth))
        self.times.append(pair.time)
        self.values.append(ssim(a, b, pair.peak))


def _measure(observer: Similarities, evidence: Evidence) -> Measurement:
    note = observer.describe_count(len(observer.times))
    return measure_series(observer.times, observer.values, evidence.windows, note)


FRAME_METRIC, CROP_METRIC = make_paired_metrics(
    "ssim", "SSIM", _measure, ObserverPair(Similarities), unit="", better="higher", ideal=1.0
)
