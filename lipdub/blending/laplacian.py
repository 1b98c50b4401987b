"""Laplacian pyramid blending: each octave of detail is blended over a width of its own.

Burt and Adelson, A Multiresolution Spline With Application to Image Mosaics (ACM Transactions on Graphics 1983).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.blending.blender import Blender, Patch

if TYPE_CHECKING:
    from lipdub.arrays import F32, Array

MAX_LEVELS = 6
# Pixels that the smaller side of the coarsest level keeps.
MIN_LEVEL_PX = 8
# Factor that turns the feathered mask into the weight of the blend: the coarse octaves reach beyond the mask, so the
# mask's foot bounds them, and a quarter of its height is enough to show them fully.
FOOT_GAIN = 4


def count_levels(height: int, width: int, limit: int = MAX_LEVELS) -> int:
    """Count the octaves, at most `limit`, that a crop of `height` x `width` pixels has room for."""
    return max(1, min(limit, int(np.log2(max(min(height, width), 2 * MIN_LEVEL_PX) / MIN_LEVEL_PX))))


def blend_octaves(background: Array, foreground: Array, mask: Array, levels: int | None = None) -> F32:
    """Blend the foreground over the background, octave by octave.

    Args:
        background: (h, w, 3).
        foreground: (h, w, 3), same range.
        mask: (h, w) float32 0..1; 1 takes the foreground.
        levels: octaves; by default as many as there is room for.

    Returns:
        (h, w, 3) float32; the background further from the mask than the coarsest octave reaches.
    """
    levels = count_levels(*background.shape[:2]) if levels is None else levels
    # Only the difference is split: equal pictures give exactly the background, and one pyramid serves for two.
    low = cv2.subtract(foreground, background, dtype=cv2.CV_32F)
    weights = [mask.astype(np.float32)]
    bands = []
    for _ in range(levels):
        smaller = cv2.pyrDown(low)
        bands.append(cv2.subtract(low, cv2.pyrUp(smaller, dstsize=(low.shape[1], low.shape[0]))))
        low = smaller
        weights.append(cv2.pyrDown(weights[-1]))
    out = cv2.multiply(low, _spread(weights[-1]))
    for band, weight in zip(reversed(bands), reversed(weights[:-1]), strict=True):
        larger = cv2.pyrUp(out, dstsize=(band.shape[1], band.shape[0]))
        out = cv2.add(larger, cv2.multiply(band, _spread(weight)))
    result: F32 = cv2.add(background, out, dtype=cv2.CV_32F)
    return result


def _spread(weight: F32) -> Array:
    """Repeat a weight (h, w) for three channels; NumPy's broadcasting takes longer over so short an axis."""
    spread: Array = cv2.merge([weight, weight, weight])
    return spread


def blend_laplacian(background: Array, foreground: Array, mask: F32) -> Patch:
    """Blend octave by octave, bounded by the mask's foot."""
    return Patch(blend_octaves(background, foreground, mask), np.minimum(mask * FOOT_GAIN, 1.0))


BLENDER = Blender(
    "laplacian", "each octave of detail blended over a width of its own (Burt and Adelson, 1983)", blend_laplacian
)
