"""Peak signal-to-noise ratio."""

from __future__ import annotations

import math

import numpy as np


def squared_error(a: np.ndarray, b: np.ndarray) -> tuple[float, int]:
    """Sum of squared differences of two equal-shaped integer or float arrays, and the number of samples.

    Sums of several frames may be added up before :func:`psnr`. Raises ValueError when the shapes differ.
    """
    if a.shape != b.shape:
        raise ValueError(f"pictures of different shapes: {a.shape} and {b.shape}")
    difference = a.astype(np.float32) - b.astype(np.float32)
    return float(np.sum(np.square(difference), dtype=np.float64)), a.size


def psnr(error: float, count: int, peak: float = 255.0) -> float:
    """Decibels for a sum of squared errors over `count` samples; infinity when there is no error, NaN for none."""
    if count == 0:
        return math.nan
    return math.inf if error == 0 else 10 * math.log10(peak * peak * count / error)
