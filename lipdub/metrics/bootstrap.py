"""Means over moving windows of a video, and their confidence intervals.

One number for a video hides large differences between its windows. Values are averaged in windows of 5 s that overlap
by half. The confidence interval of the mean of the windows comes from a bootstrap over runs of neighbouring windows, as
overlapping windows are not independent. See Kuensch, "The Jackknife and the Bootstrap for General Stationary
Observations" (Annals of Statistics 17, 1989); the runs are circular as in Politis, Romano, "A Circular Block-Resampling
Procedure for Stationary Data" (1992).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F64, Array

LENGTH = 5.0  # seconds of a window
OVERLAP = 0.5  # share of a window that the next window covers too
ROUNDS = 2000
LEVEL = 0.95
RUN = 2  # windows drawn together: those that share frames


class Interval(NamedTuple):
    """A mean and the bounds of its confidence interval, NaN if there are too few windows.

    Attributes:
        mean: of the windows.
        low: lower bound; bounds need two windows.
        high: upper bound.
        windows: number of windows with a value.
    """

    mean: float
    low: float
    high: float
    windows: int


def make_windows(duration: float, length: float = LENGTH, overlap: float = OVERLAP) -> list[tuple[float, float]]:
    """Return windows over a video. The last one ends where the video does; a shorter video is one window.

    Args:
        duration: of the video, seconds.
        length: of a window, seconds.
        overlap: share of a window that the next one covers too.

    Returns:
        Start and end of each, seconds.

    Raises:
        ValueError: length or overlap make no windows.
    """
    if not length > 0 or not 0 <= overlap < 1:
        raise ValueError(f"no windows are {length} s long and overlap by {overlap}")
    if duration <= 0:
        return []
    if duration <= length:
        return [(0.0, duration)]
    hop = length * (1 - overlap)
    # a remainder below a millionth of a hop is rounding
    starts = [k * hop for k in range(math.ceil((duration - length) / hop - 1e-6))]
    return [(start, start + length) for start in starts] + [(duration - length, duration)]


def average_windows(times: Array, values: Array, spans: list[tuple[float, float]]) -> F64:
    """Average values in each window.

    Args:
        times: (n,) seconds, rising.
        values: (n,). NaNs do not count.
        spans: start (included) and end (not included) of each window.

    Returns:
        (k,) float64, NaN if a window has no value.
    """
    ok = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(ok, values, 0.0), dtype=np.float64)])
    count = np.concatenate([[0], np.cumsum(ok)])
    edges = np.array(spans, np.float64).reshape(-1, 2) - 1e-9  # frames lie on the edges
    first, last = np.searchsorted(times, edges[:, 0]), np.searchsorted(times, edges[:, 1])
    number = count[last] - count[first]
    return np.where(number > 0, (total[last] - total[first]) / np.maximum(number, 1), np.nan)


def bootstrap_interval(
    values: Array, *, level: float = LEVEL, rounds: int = ROUNDS, run: int = RUN, seed: int = 0
) -> Interval:
    """Return the mean of the windows' values and its confidence interval. The same seed gives the same bounds.

    Args:
        values: (k,) of the windows. NaNs do not count.
        level: of confidence.
        rounds: number of means whose percentiles give the bounds.
        run: neighbouring windows that are drawn together.
        seed: of the draws.
    """
    finite = np.asarray(values, np.float64)
    finite = finite[np.isfinite(finite)]
    if not len(finite):
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(finite.mean())
    if len(finite) < 2:
        return Interval(mean, math.nan, math.nan, 1)
    run = max(1, min(run, len(finite)))
    starts = np.random.default_rng(seed).integers(0, len(finite), (rounds, math.ceil(len(finite) / run)))
    draws = (starts[:, :, None] + np.arange(run)).reshape(rounds, -1)[:, : len(finite)] % len(finite)
    low, high = np.quantile(finite[draws].mean(1), [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high), len(finite))
