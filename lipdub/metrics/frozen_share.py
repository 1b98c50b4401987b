"""Frozen mouth: how much of the time the mouth stands still while speech sounds. A measure of lipdub's own.

Sounds are held for some tenths of a second, so a mouth that does not move over `WINDOW` of unbroken speech does not speak.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

WINDOW = 1.0  # seconds
# Deviation of opening and width inside the window, in distances of the eyes, below which they stand still: what the mesh
# trembles by. A slow drift is the head's turning and is taken away.
STILL_OPENING, STILL_WIDTH = 0.018, 0.03
_UNBROKEN = 0.5  # of the window may lie between two frames
#: Above this the mouth is frozen. Measured on eight talking clips and twelve of GRID: 0 as they are, at least 0.87 frozen.
FROZEN = 0.4


class FrozenShare(NamedTuple):
    """Share of the sounding time in which the mouth stands still, 0..1, NaN where speech nowhere lasts long enough; and
    the seconds it is a share of.
    """

    share: float
    seconds: float


def frozen_share(
    times: np.ndarray, opening: np.ndarray, width: np.ndarray, *, sounding: list[tuple[float, float]]
) -> FrozenShare:
    """Of a mouth's motion at rising times (n,) in seconds, in distances of the eyes (n,), NaN where no face is seen.

    sounding: where there is speech (`lipdub.metrics.silence.find_speech`), on the same clock.
    """
    times = np.asarray(times, np.float64)
    speaking = np.zeros(len(times), bool)
    for start, end in sounding:
        speaking |= (times >= start) & (times <= end)
    speaking &= np.isfinite(opening) & np.isfinite(width)
    still, able = np.zeros(len(times), bool), np.zeros(len(times), bool)
    stop = np.searchsorted(times, times + WINDOW - 1e-9)
    quiet = np.concatenate([[0], np.cumsum(~speaking)])
    for i, j in enumerate(stop):
        if j >= len(times) or j - i < 3 or quiet[j + 1] > quiet[i]:
            continue
        if np.diff(times[i : j + 1]).max() > _UNBROKEN * WINDOW:
            continue
        span = slice(i, j + 1)
        able[span] = True
        if _spread(times[span], opening[span]) < STILL_OPENING and _spread(times[span], width[span]) < STILL_WIDTH:
            still[span] = True
    if not able.any():
        return FrozenShare(math.nan, 0.0)
    lasting = np.gradient(times)
    seconds = float(lasting[able].sum())
    return FrozenShare(float(lasting[still].sum()) / seconds, seconds)


def _spread(times: np.ndarray, values: np.ndarray) -> float:
    """Standard deviation from a straight line."""
    t, v = times - times.mean(), values - values.mean()
    return float((v - t * (t @ v) / (t @ t)).std())
