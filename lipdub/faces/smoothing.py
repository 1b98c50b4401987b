"""Smoothing of trajectories without lag, never across a cut or a gap."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F64, Array, Mask

# Frame interval in seconds that a single frame is given.
SINGLE_FRAME_INTERVAL = 0.04


def savgol_filter(values: Array, window: int, order: int = 2) -> Array:
    """Apply a Savitzky-Golay filter along the first axis.

    The first and last half windows take the polynomial fitted to the run's first and last window, as SciPy's `interp`
    mode does. Written out here because importing `scipy.signal` takes most of a second.

    Args:
        values: (n, ...) one uninterrupted run.
        window: odd number of frames; shorter runs use a shorter window.
        order: degree of the polynomial.

    Returns:
        (n, ...) of the same float dtype, else float64; the values themselves when the run is too short to be smoothed.
    """
    n = len(values)
    window = min(window, n if n % 2 else n - 1)
    if window <= order:
        return values
    half = window // 2
    powers = np.arange(-half, half + 1)[:, None] ** np.arange(order + 1)
    # Row i holds the weights that give the fitted polynomial's value at position i of the window.
    fits = powers @ np.linalg.pinv(powers)
    flat = np.asarray(values, np.float64).reshape(n, -1)
    out = np.empty_like(flat)
    out[half : n - half] = sum(w * flat[i : n - window + 1 + i] for i, w in enumerate(fits[half]))
    out[:half] = fits[:half] @ flat[:window]
    out[n - half :] = fits[half + 1 :] @ flat[n - window :]
    return out.reshape(values.shape).astype(values.dtype if values.dtype.kind == "f" else np.float64, copy=False)


def gaussian_filter(values: Array, sigma: float) -> F64:
    """Apply a Gaussian filter along the first axis; the ends are repeated.

    Args:
        values: (n, ...) one uninterrupted run.
        sigma: frames.

    Returns:
        (n, ...) float64.
    """
    import cv2

    half = int(np.ceil(3 * sigma))
    kernel = cv2.getGaussianKernel(2 * half + 1, sigma, cv2.CV_64F)
    flat = np.ascontiguousarray(values, np.float64).reshape(len(values), -1)
    out = cv2.sepFilter2D(flat, cv2.CV_64F, np.ones(1), kernel, borderType=cv2.BORDER_REPLICATE)
    result: F64 = out.reshape(values.shape)
    return result


def find_runs(valid: Mask) -> list[tuple[int, int]]:
    """Find the half-open spans of consecutive true entries of (n,) bool."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(valid, np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def estimate_frame_interval(times: F64) -> float:
    """Estimate the usual seconds between frames at `times` (n,) seconds."""
    return float(np.median(np.diff(times))) if len(times) > 1 else SINGLE_FRAME_INTERVAL


def count_window_frames(seconds: float, interval: float) -> int:
    """Count the frames of an odd window of about `seconds`, at `interval` seconds between frames."""
    return max(1, 2 * round(seconds / interval / 2) + 1)
