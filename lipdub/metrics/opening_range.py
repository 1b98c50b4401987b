"""Articulation: how far a mouth moves, against how far the source's does or the speech asks for.

Dubs that mumble score well on sync networks; the ratio tells them. 1 is the same range.
"""

from __future__ import annotations

import math

import numpy as np

LOW, HIGH = 5, 95  # percentiles between which the range lies: a single odd frame does not stretch it
FLAT = 1e-6  # a range below this is no motion


def motion_range(values: np.ndarray) -> float:
    """Range of a motion (n,) between its 5th and its 95th percentile, in its own unit; NaNs do not count, NaN when
    nothing is left.
    """
    kept = np.asarray(values, np.float64)
    kept = kept[np.isfinite(kept)]
    if not len(kept):
        return math.nan
    low, high = np.percentile(kept, [LOW, HIGH])
    return float(high - low)


def range_ratio(result: np.ndarray, other: np.ndarray) -> float:
    """Range of the result's motion over that of another in the same unit (the source's, or the wanted one's); 1 is the
    same, less is mumbled. NaN where the other does not move.
    """
    base = motion_range(other)
    return motion_range(result) / base if base > FLAT else math.nan
