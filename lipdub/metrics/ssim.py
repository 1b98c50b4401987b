"""Structural similarity (Wang, Bovik, Sheikh, Simoncelli 2004)."""

from __future__ import annotations

import cv2
import numpy as np

SIGMA, RADIUS = 1.5, 5  # the Gaussian window of the paper: 11 samples wide
K1, K2 = 0.01, 0.03


def ssim(a: np.ndarray, b: np.ndarray, peak: float = 255.0) -> float:
    """Mean similarity of two pictures of one channel (h, w), at least 11 x 11; 1 when they are equal.

    Gaussian weights and population covariance, the mean taken where the window lies inside: the value of
    ``skimage.metrics.structural_similarity(gaussian_weights=True, use_sample_covariance=False)``, in a tenth of
    its time. Raises ValueError on different shapes or too small pictures.
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


def _mean(x: np.ndarray) -> np.ndarray:
    size = 2 * RADIUS + 1
    return cv2.GaussianBlur(x, (size, size), SIGMA, borderType=cv2.BORDER_REFLECT)
