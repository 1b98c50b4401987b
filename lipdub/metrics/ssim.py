"""Structural similarity of a result and its ground truth.

Wang, Bovik, Sheikh, Simoncelli: "Image Quality Assessment: From Error Visibility to Structural Similarity" (IEEE
Transactions on Image Processing 13(4), 2004).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import cv2
import numpy as np

from lipdub.metrics.evidence import Evidence, Feed, FramePair, ObserverFactory, PassSetup
from lipdub.metrics.metric import Measurement, Metric, Need, measure_series

if TYPE_CHECKING:
    from lipdub.arrays import F32, Array

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
    mx, my = _mean(x), _mean(y)
    # variances of differences from the picture's own mean lose no digits on flat bright areas
    cx, cy = float(x.mean()), float(y.mean())
    dx, dy = x - cx, y - cy
    vx = _mean(dx * dx) - (mx - cx) ** 2
    vy = _mean(dy * dy) - (my - cy) ** 2
    vxy = _mean(dx * dy) - (mx - cx) * (my - cy)
    c1, c2 = (K1 * peak) ** 2, (K2 * peak) ** 2
    s = (2 * mx * my + c1) * (2 * vxy + c2) / ((mx * mx + my * my + c1) * (vx + vy + c2))
    return float(s[RADIUS:-RADIUS, RADIUS:-RADIUS].mean(dtype=np.float64))


def _mean(x: F32) -> F32:
    size = 2 * RADIUS + 1
    mean: F32 = cv2.GaussianBlur(x, (size, size), SIGMA, borderType=cv2.BORDER_REFLECT)
    return mean


class Similarities:
    """Observer that keeps the similarity of each frame pair.

    Args:
        setup: of the pass.
        part: what is compared: whole frames or aligned faces.
    """

    def __init__(self, setup: PassSetup, part: Literal["frame", "face"]) -> None:
        self.times: list[float] = []
        self.values: list[float] = []
        self.of = setup.frame_count
        self.part = part

    def add(self, pair: FramePair, /) -> None:
        """Add a pair, if it shows what is compared."""
        compared = pair if self.part == "frame" else pair.faces
        if compared is None:
            return
        a, b = (cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY) for rgb in (compared.result, compared.truth))
        self.times.append(pair.time)
        self.values.append(ssim(a, b, pair.peak))


def observe_frames(setup: PassSetup) -> Similarities:
    """Make an observer of whole frames."""
    return Similarities(setup, "frame")


def observe_faces(setup: PassSetup) -> Similarities:
    """Make an observer of aligned faces."""
    return Similarities(setup, "face")


def _measure(evidence: Evidence, factory: ObserverFactory[Similarities]) -> Measurement:
    similarities = evidence.observed(Feed.GROUND_TRUTH, factory)
    note = f"{len(similarities.times)} of {similarities.of} {similarities.part}s"
    return measure_series(similarities.times, similarities.values, evidence.windows, note)


FRAME_METRIC = Metric(
    id="ssim",
    title="SSIM",
    region="frame",
    unit="",
    better="higher",
    measure=lambda evidence: _measure(evidence, observe_frames),
    needs=(Need.GROUND_TRUTH,),
    observers={Feed.GROUND_TRUTH: observe_frames},
    ideal=1.0,
)
CROP_METRIC = Metric(
    id="ssim_crop",
    title="SSIM of the aligned face",
    region="crop",
    unit="",
    better="higher",
    measure=lambda evidence: _measure(evidence, observe_faces),
    needs=(Need.GROUND_TRUTH,),
    observers={Feed.GROUND_TRUTH: observe_faces},
    ideal=1.0,
)
