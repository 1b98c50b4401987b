"""Colour match of a generated crop to its frame, by what both show along the mask's edge."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F32, Array

# Largest shift as a share of the range. A generator's cast is a few per cent; more is a real difference of content.
MAX_SHIFT = 0.12
# Side in pixels of the blur that finds the mask's edge.
EDGE_BLUR = 9
# Smallest total weight of the edge, in pixels, that tells a shift.
MIN_EDGE_WEIGHT = 1.0


def compute_edge_band(mask: Array) -> F32:
    """Compute the weight (h, w) float32 of the band along a mask's edge, where both pictures show the same skin."""
    soft = cv2.blur(mask.astype(np.float32), (EDGE_BLUR, EDGE_BLUR))
    band: F32 = 4 * soft * (1 - soft)
    return band


def match_colour(background: Array, foreground: Array, mask: Array, top: float) -> F32:
    """Shift the foreground per channel, so that its mean along the mask's edge equals the background's.

    Args:
        background: (h, w, 3) in 0..top.
        foreground: (h, w, 3) in 0..top.
        mask: (h, w) float32 0..1.
        top: white.

    Returns:
        (h, w, 3) float32; equal pictures come back unchanged.
    """
    band = compute_edge_band(mask)
    total = float(band.sum())
    out = foreground.astype(np.float32)
    if total < MIN_EDGE_WEIGHT:
        return out
    difference = cv2.subtract(background, foreground, dtype=cv2.CV_32F)
    shift = band.ravel() @ difference.reshape(-1, 3) / total
    result: F32 = cv2.add(out, (*np.clip(shift, -MAX_SHIFT * top, MAX_SHIFT * top).tolist(), 0.0))
    return result
