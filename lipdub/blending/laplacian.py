"""Multi-band blending (Burt and Adelson 1983): each octave of detail is blended over a width of its own."""

from __future__ import annotations

import cv2
import numpy as np


def count_levels(height: int, width: int, most: int = 6) -> int:
    """How many octaves a crop has room for: its smallest level keeps at least 8 pixels."""
    return max(1, min(most, int(np.log2(max(min(height, width), 16) / 8))))


def blend_laplacian(
    background: np.ndarray, foreground: np.ndarray, mask: np.ndarray, levels: int | None = None
) -> np.ndarray:
    """Foreground over background by mask, octave by octave.

    Args:
        background, foreground: (h, w, 3), same range. mask: float32 (h, w), 1 takes the foreground.
        levels: octaves (default: as many as there is room for, at most 6).

    Returns:
        float32 (h, w, 3). Where mask is 0 around a place further than the coarsest octave reaches it is background.
    """
    h, w = background.shape[:2]
    levels = count_levels(h, w) if levels is None else levels
    # Only the difference is split: equal pictures give exactly the background back, and one pyramid serves for two.
    difference = foreground.astype(np.float32) - background
    weight = mask.astype(np.float32)
    low, weights = difference, [weight]
    bands = []
    for _ in range(levels):
        smaller = cv2.pyrDown(low)
        bands.append(low - cv2.pyrUp(smaller, dstsize=(low.shape[1], low.shape[0])))
        low = smaller
        weights.append(cv2.pyrDown(weights[-1]))
    out = low * weights[-1][..., None]
    for band, m in zip(reversed(bands), reversed(weights[:-1]), strict=True):
        out = cv2.pyrUp(out, dstsize=(band.shape[1], band.shape[0])) + band * m[..., None]
    return background + out
