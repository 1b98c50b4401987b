"""Agreement of two motions over time, and the delay at which it is best."""

from __future__ import annotations

import numpy as np

STEP = 0.04  # seconds between samples of the grid motions are compared on
REACH = 10  # lags tried to either side, in steps
FLAT = 1e-6  # a standard deviation below this is no motion: nothing correlates with it


def on_grid(times: np.ndarray, values: np.ndarray, step: float = STEP) -> np.ndarray:
    """Values (n,) or (n, c) at times (n,), seconds, brought to a regular grid from time 0 to the last one.

    NaNs (no face) are bridged linearly; a column of nothing but NaNs becomes zeros.
    """
    times = np.asarray(times, np.float64)
    values = np.asarray(values, np.float64)
    if not len(times):
        return np.zeros(values.shape)
    columns = values.reshape(len(times), -1)
    grid = np.arange(0, times[-1], step)
    out = np.zeros((len(grid), columns.shape[1]))
    for j, column in enumerate(columns.T):
        ok = np.isfinite(column)
        if ok.any():
            out[:, j] = np.interp(grid, times[ok], column[ok])
    return out.reshape((len(grid), *values.shape[1:]))


def correlation(a: np.ndarray, b: np.ndarray, lag: int = 0) -> float:
    """Pearson correlation of two series, the second read `lag` samples later (so it lags by that much).

    0 where either does not move or fewer than three samples overlap.
    """
    a, b = a[max(0, -lag) :], b[max(0, lag) :]
    n = min(len(a), len(b))
    a, b = a[:n], b[:n]
    if n < 3 or a.std() < FLAT or b.std() < FLAT:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])


def best_lag(a: np.ndarray, b: np.ndarray, reach: int = REACH) -> tuple[int, float]:
    """The lag within `reach` samples at which the correlation is highest, and that correlation."""
    lags = range(-reach, reach + 1)
    values = [correlation(a, b, lag) for lag in lags]
    at = int(np.argmax(values))
    return lags[at], values[at]
