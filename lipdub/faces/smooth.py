"""Zero-lag smoothing of trajectories, never across a cut or a gap."""

from __future__ import annotations

import numpy as np


def savgol(values: np.ndarray, window: int, order: int = 2) -> np.ndarray:
    """Savitzky-Golay along the first axis; runs shorter than the window use a shorter one.

    Args:
        values: (n, ...) one uninterrupted run.
        window: odd number of frames. order: polynomial degree.
    """
    from scipy.signal import savgol_filter

    n = len(values)
    window = min(window, n if n % 2 else n - 1)
    if window <= order:
        return values
    return savgol_filter(values, window, order, axis=0, mode="interp")


def runs(valid: np.ndarray) -> list[tuple[int, int]]:
    """Half-open spans of consecutive true entries."""
    edges = np.flatnonzero(np.diff(np.concatenate([[0], np.asarray(valid, np.int8), [0]])))
    return [(int(a), int(b)) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def window_for(seconds: float, interval: float) -> int:
    """Odd window length in frames that spans about `seconds` at a frame interval of `interval` seconds."""
    return max(1, 2 * round(seconds / interval / 2) + 1)
