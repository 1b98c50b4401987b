"""Means over moving windows of a video, and how sure they are.

One number for a video hides that windows of it differ a lot. Values are averaged in windows of 5 s that overlap by half;
the confidence interval of the mean of the windows comes from a bootstrap over runs of neighbouring windows (Kuensch:
"The Jackknife and the Bootstrap for General Stationary Observations", Annals of Statistics 17, 1989; circular as in
Politis, Romano 1992), as overlapping windows are not independent.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

LENGTH = 5.0  # seconds of a window
OVERLAP = 0.5  # share of it that the next one covers too
ROUNDS = 2000
LEVEL = 0.95
RUN = 2  # windows drawn together: those that share frames


class Interval(NamedTuple):
    """A mean and the bounds of its confidence interval; NaN where there is nothing to take them from."""

    mean: float
    low: float
    high: float
    windows: int
    """windows with a value; bounds need two"""


def make_windows(duration: float, length: float = LENGTH, overlap: float = OVERLAP) -> list[tuple[float, float]]:
    """Windows (start, end) in seconds over a video of this duration: the last one ends where the video does; a shorter
    video is one window. Raises ValueError for a length or an overlap that makes no windows.
    """
    if not length > 0 or not 0 <= overlap < 1:
        raise ValueError(f"no windows are {length} s long and overlap by {overlap}")
    if duration <= 0:
        return []
    if duration <= length:
        return [(0.0, duration)]
    hop = length * (1 - overlap)
    # a rest of a millionth of a window is rounding
    starts = [k * hop for k in range(math.ceil((duration - length) / hop - 1e-6))]
    return [(start, start + length) for start in starts] + [(duration - length, duration)]


def average_windows(times: np.ndarray, values: np.ndarray, spans: list[tuple[float, float]]) -> np.ndarray:
    """Mean of the values (n,) at rising times (n,), seconds, in each window (start included, end not): float64 (k,),
    NaN where there is none. NaNs do not count.
    """
    ok = np.isfinite(values)
    total = np.concatenate([[0.0], np.cumsum(np.where(ok, values, 0.0), dtype=np.float64)])
    count = np.concatenate([[0], np.cumsum(ok)])
    edges = np.array(spans, np.float64).reshape(-1, 2) - 1e-9  # frames lie on the edges
    first, last = np.searchsorted(times, edges[:, 0]), np.searchsorted(times, edges[:, 1])
    number = count[last] - count[first]
    return np.where(number > 0, (total[last] - total[first]) / np.maximum(number, 1), np.nan)


def bootstrap_interval(
    values: np.ndarray, *, level: float = LEVEL, rounds: int = ROUNDS, run: int = RUN, seed: int = 0
) -> Interval:
    """Mean of the windows' values (k,) and the bounds between which it lies with this confidence, by the percentiles of
    `rounds` means of runs drawn anew. The same seed gives the same bounds. NaNs do not count.
    """
    kept = np.asarray(values, np.float64)
    kept = kept[np.isfinite(kept)]
    if not len(kept):
        return Interval(math.nan, math.nan, math.nan, 0)
    mean = float(kept.mean())
    if len(kept) < 2:
        return Interval(mean, math.nan, math.nan, 1)
    run = max(1, min(run, len(kept)))
    starts = np.random.default_rng(seed).integers(0, len(kept), (rounds, math.ceil(len(kept) / run)))
    drawn = (starts[:, :, None] + np.arange(run)).reshape(rounds, -1)[:, : len(kept)] % len(kept)
    low, high = np.quantile(kept[drawn].mean(1), [(1 - level) / 2, (1 + level) / 2])
    return Interval(mean, float(low), float(high), len(kept))
