"""Zero-lag smoothing of trajectories, never across a cut or a gap."""

from __future__ import annotations

import numpy as np


def savgol_filter(values: np.ndarray, window: int, order: int = 2) -> np.ndarray:
    """Savitzky-Golay along the first axis; runs shorter than the window use a shorter one.

    The first and last half windows take the polynomial fitted to the run's first and last window, as SciPy's `interp`
    mode does; written out here because `scipy.signal` takes most of a second to import.

    Args:
        values: (n, ...) one uninterrupted run.
        window: odd number of frames. order: polynomial degree.
    """
    n = len(values)
    window = min(window, n if n % 2 else n - 1)
    if window <= order:
        return values
    half = window // 2
    powers = np.arange(-half, half + 1)[:, None] ** np.arange(order + 1)
    # Row i: weights that give the fitted polynomial's value at position i of the window.
    fits = powers @ np.linalg.pinv(powers)
    flat = np.asarray(values, np.float64).reshape(n, -1)
    out = np.empty_like(flat)
    out[half : n - half] = sum(w * flat[i : n - window + 1 + i] for i, w in enumerate(fits[half]))
    out[:half] = fits[:half] @ flat[:window]
    out[n - half :] = fits[half + 1 :] @ flat[n - window :]
    return out.reshape(values.shape).astype(values.dtype if values.dtype.kind == "f" else np.float64, copy=False)


def gaussian_filter(values: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian mean along the first axis, values (n, ...) float64, sigma in frames; the ends are held."""
    import cv2

    half = int(np.ceil(3 * sigma))
    kernel = cv2.getGaussianKernel(2 * half + 1, sigma, cv2.CV_64F)
    flat = np.ascontiguousarray(values, np.float64).reshape(len(values), -1)
    out = cv2.sepFilter2D(flat, cv2.CV_64F, np.ones(1), kernel, borderType=cv2.BORDER_REPLICATE)
    return out.reshape(values.shape)


def find_runs(valid: np.ndarray) -> list[tuple[int, int]]:
    """Half-open spans of consecutive true entries."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(valid, np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def estimate_frame_interval(times: np.ndarray) -> float:
    """Usual seconds between frames at `times` (n,); 1/25 for a single one."""
    return float(np.median(np.diff(times))) if len(times) > 1 else 0.04


def count_window_frames(seconds: float, interval: float) -> int:
    """Odd window length in frames that spans about `seconds` at a frame interval of `interval` seconds."""
    return max(1, 2 * round(seconds / interval / 2) + 1)
