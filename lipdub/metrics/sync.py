"""Whether a mouth follows a speech, and by how much picture and sound are apart: lipdub's own scorer.

The motion that the speech asks for (`lipdub.speech.lip_motion`, a network that knows no faces) is compared with the motion that
the face mesh measured, moved against each other. Both are standardized over the whole video, so that neither the size of
the mouth nor how wide its owner opens it counts. Nothing is downloaded, and no picture is judged by a network that could
be fooled by where the crop lies. Its numbers are lipdub's own and not comparable to published LSE.

Chosen by measurement: AVSyncNet in small (`lipdub train sync-scorer`), trained on the one talker of GRID there is, tells
windows of a second of six other people in and out of sync with an area under the ROC curve of 0.86 to 0.90, this with
0.96; both together with 0.98, but with offsets less exact.

The sign is SyncNet's (Chung, Zisserman, ACCV workshops 2016): positive where the picture comes after its sound.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

STEP = 0.02  # seconds between the compared samples
REACH = 0.6  # seconds each way that the sound is moved
WEIGHTS = np.array([2 / 3, 1 / 3])  # of opening and width: what the ear tells of the width is less certain
# Standard deviations, in eye distances and in parts of the range, below which a motion is not enlarged any further.
LEAST_SEEN, LEAST_WANTED = 0.01, 0.02
LONGEST_GAP = 0.2  # seconds without a face that are bridged
SHORTEST = 0.5  # seconds of talk and face, from which on something can be said


@dataclass(frozen=True)
class Comparison:
    """A mouth beside the speech. times: (n,) seconds of the picture, `STEP` apart. lags: (k,) seconds. fit: float32
    (n, k), at most 1: how well the mouth at a time fits the speech if the picture comes so much after its sound; NaN
    where no face is seen or no speech lies.
    """

    times: np.ndarray
    lags: np.ndarray
    fit: np.ndarray

    def curve(self, start: float = -np.inf, stop: float = np.inf, least: float = 0.5) -> np.ndarray:
        """Agreement at each lag, (k,), over the times from `start` up to `stop`: the mean of what fits; over a whole video
        the weighted correlation. NaN at lags for which less can be compared than `least` of what can at the best, or less
        than `SHORTEST`.
        """
        inside = self.fit[(self.times >= start) & (self.times < stop)]
        known = np.isfinite(inside)
        count = known.sum(0)
        total = np.where(known, inside, 0).sum(0, dtype=np.float64)
        return np.where(
            count >= max(least * count.max(initial=0), SHORTEST / STEP), total / np.maximum(count, 1), np.nan
        )


@dataclass(frozen=True)
class SyncEstimate:
    """offset: seconds by which the picture comes after its sound, NaN where nothing can be said. confidence: how far the
    agreement there lies over the median of all lags, about 0 by chance. agreement: at no lag at all, where a viewer
    watches it; at most 1, about 0 by chance.
    """

    offset: float
    confidence: float
    agreement: float


def compare_motion(
    times: np.ndarray,
    mouth: np.ndarray,
    heard: np.ndarray,
    lips: np.ndarray,
    sound: tuple[float, float],
    reach: float = REACH,
) -> Comparison:
    """Lays a mouth beside what a speech asks of it.

    Args:
        times: (n,) seconds, rising; mouth: (n, 2) opening and width in eye distances, NaN without a face.
        heard: (m,) seconds on the same clock; lips: (m, 2) opening and width that the speech asks for.
        sound: when the speech begins and ends; outside it nothing is compared.
        reach: seconds each way that are tried.

    Raises:
        ValueError: shapes that do not fit.
    """
    if mouth.shape != (len(times), 2) or lips.shape != (len(heard), 2):
        raise ValueError(f"opening and width are needed at each time, not {mouth.shape} and {lips.shape}")
    steps = round(reach / STEP)
    lags = np.arange(-steps, steps + 1) * STEP
    if len(times) < 2 or len(heard) < 2:
        return Comparison(np.empty(0), lags, np.empty((0, len(lags)), np.float32))
    at = np.arange(times[0], times[-1] + STEP / 2, STEP)
    seen = np.stack([_bridged(times, column, at) for column in mouth.T], 1)
    seen = _standard(seen, np.isfinite(seen).all(1), LEAST_SEEN)
    around = at[0] + np.arange(-steps, len(at) + steps) * STEP
    inside = (around >= sound[0]) & (around <= sound[1])
    wanted = np.stack([np.interp(around, heard, column) for column in lips.T], 1)
    wanted = _standard(wanted, inside, LEAST_WANTED)
    wanted[~inside] = np.nan
    fit = np.empty((len(at), len(lags)), np.float32)
    for k in range(len(lags)):
        apart = seen - wanted[2 * steps - k : 2 * steps - k + len(at)]
        fit[:, k] = 1 - np.square(apart) @ WEIGHTS / 2
    return Comparison(at, lags, fit)


def estimate_sync(compared: Comparison, start: float = -np.inf, stop: float = np.inf) -> SyncEstimate:
    """Offset, confidence and agreement over the times from `start` up to `stop`."""
    curve = compared.curve(start, stop)
    if not np.isfinite(curve).any():
        return SyncEstimate(np.nan, np.nan, np.nan)
    best = int(np.nanargmax(curve))
    return SyncEstimate(
        offset=float(compared.lags[best] + _between(curve, best) * STEP),
        confidence=float(curve[best] - np.nanmedian(curve)),
        agreement=float(curve[len(curve) // 2]),
    )


def _between(curve: np.ndarray, best: int) -> float:
    """How far the top of a parabola through the highest sample and its neighbours lies from it, -0.5 to 0.5."""
    if not 0 < best < len(curve) - 1:
        return 0.0
    before, top, after = curve[best - 1 : best + 2]
    bend = before - 2 * top + after
    return float(0.5 * (before - after) / bend) if bend < 0 else 0.0


def _bridged(times: np.ndarray, values: np.ndarray, at: np.ndarray) -> np.ndarray:
    """Values at other times; NaN in gaps longer than `LONGEST_GAP`."""
    known = np.isfinite(values)
    if known.sum() < 2:
        return np.full(len(at), np.nan)
    there = times[known]
    out = np.interp(at, there, values[known], left=np.nan, right=np.nan)
    after = np.clip(np.searchsorted(there, at), 1, len(there) - 1)
    usual = float(np.median(np.diff(times)))
    out[there[after] - there[after - 1] > max(LONGEST_GAP, 1.5 * usual)] = np.nan
    return out


def _standard(values: np.ndarray, counted: np.ndarray, least: float) -> np.ndarray:
    """Columns less their mean, in standard deviations, both over the counted rows; `least` is the smallest of these."""
    if not counted.any():
        return np.full_like(values, np.nan)
    spread = np.maximum(values[counted].std(0), least)
    return (values - values[counted].mean(0)) / spread
