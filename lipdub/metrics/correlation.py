"""Correlation of two motions over time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F64, Array

STEP = 0.04  # seconds between samples of the grid motions are compared on
FLAT = 1e-6  # a standard deviation below this is no motion: nothing correlates with it


def resample_to_grid(times: Array, values: Array, step: float = STEP) -> F64:
    """Interpolate values on a regular grid from time 0 to the last time.

    Args:
        times: (n,) seconds.
        values: (n,) or (n, c). NaNs (no face) are bridged linearly; a column of nothing but NaNs becomes zeros.
        step: seconds between samples.

    Returns:
        (m,) or (m, c) float64.
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


def correlation(a: Array, b: Array, lag: int = 0) -> float:
    """Return the Pearson correlation of two series; 0 if either does not move or fewer than three samples overlap.

    Args:
        a: (n,).
        b: (m,).
        lag: samples by which the second is read later.
    """
    a, b = a[max(0, -lag) :], b[max(0, lag) :]
    n = min(len(a), len(b))
    a, b = a[:n], b[:n]
    if n < 3 or a.std() < FLAT or b.std() < FLAT:
        return 0.0
    return float(np.corrcoef(a, b)[0, 1])
