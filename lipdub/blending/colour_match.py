"""Colour match of a generated crop to the frame it goes into, by what both show along the mask's edge."""

from __future__ import annotations

import cv2
import numpy as np

# A generator's cast is a few per cent; more is a real difference of content and is left.
MAX_SHIFT = 0.12


def compute_edge_band(mask: np.ndarray) -> np.ndarray:
    """Weight float32 (h, w) of the band along the mask's edge, where background and foreground show the same skin."""
    soft = cv2.blur(mask.astype(np.float32), (9, 9))
    return 4 * soft * (1 - soft)


def match_colour(background: np.ndarray, foreground: np.ndarray, mask: np.ndarray, top: float) -> np.ndarray:
    """The foreground shifted per channel so that its mean along the mask's edge equals the background's.

    Args:
        background, foreground: (h, w, 3) in 0..top. mask: float32 (h, w).

    Returns:
        float32 (h, w, 3); equal pictures come back unchanged.
    """
    band = compute_edge_band(mask)
    total = float(band.sum())
    out = foreground.astype(np.float32)
    if total < 1.0:
        return out
    difference = cv2.subtract(background, foreground, dtype=cv2.CV_32F)
    shift = band.ravel() @ difference.reshape(-1, 3) / total
    return cv2.add(out, (*np.clip(shift, -MAX_SHIFT * top, MAX_SHIFT * top).tolist(), 0.0))
