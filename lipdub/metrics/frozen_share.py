"""Share of the speech in which the mouth stands still. The measure is lipdub's own.

Sounds are held for some tenths of a second. So a mouth that does not move over `WINDOW` of unbroken speech does not
speak.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lipdub.metrics.metric import Measurement, Metric, Need

if TYPE_CHECKING:
    from lipdub.arrays import F64
    from lipdub.metrics.evidence import Evidence, ScoredClip, Span

WINDOW = 1.0  # seconds
# Deviation of opening and width inside the window, in eye distances, below which they stand still: the jitter of the
# mesh. A slow drift comes from the head's turning and is removed.
STILL_OPENING, STILL_WIDTH = 0.018, 0.03
_MAX_GAP = 0.5  # of the window may lie between two frames
#: A mouth is frozen above this. Measured on eight talking clips and twelve of GRID: 0 as they are, 0.87 or more frozen.
FROZEN = 0.4


class FrozenShare(NamedTuple):
    """Share of the speech in which the mouth stands still.

    Attributes:
        share: 0..1, NaN if speech nowhere lasts long enough.
        seconds: of the speech that was measured.
    """

    share: float
    seconds: float


def frozen_share(times: F64, opening: F64, width: F64, *, sounding: list[Span]) -> FrozenShare:
    """Return the share of the speech in which a mouth stands still.

    Args:
        times: (n,) seconds, rising.
        opening: (n,) eye distances, NaN without a face.
        width: (n,) eye distances, NaN without a face.
        sounding: start and end of each span of speech, seconds on the same clock, of `silence.find_speech`.
    """
    times = np.asarray(times, np.float64)
    speaking = np.zeros(len(times), bool)
    for start, end in sounding:
        speaking |= (times >= start) & (times <= end)
    speaking &= np.isfinite(opening) & np.isfinite(width)
    still, is_measured = np.zeros(len(times), bool), np.zeros(len(times), bool)
    stop = np.searchsorted(times, times + WINDOW - 1e-9)
    quiet = np.concatenate([[0], np.cumsum(~speaking)])
    for i, j in enumerate(stop):
        if j >= len(times) or j - i < 3 or quiet[j + 1] > quiet[i]:
            continue
        if np.diff(times[i : j + 1]).max() > _MAX_GAP * WINDOW:
            continue
        span = slice(i, j + 1)
        is_measured[span] = True
        if _spread(times[span], opening[span]) < STILL_OPENING and _spread(times[span], width[span]) < STILL_WIDTH:
            still[span] = True
    if not is_measured.any():
        return FrozenShare(math.nan, 0.0)
    durations = np.gradient(times)
    seconds = float(durations[is_measured].sum())
    return FrozenShare(float(durations[still].sum()) / seconds, seconds)


def _spread(times: F64, values: F64) -> float:
    """Return the standard deviation from a straight line."""
    t, v = times - times.mean(), values - values.mean()
    return float((v - t * (t @ v) / (t @ t)).std())


def _measure_clip(clip: ScoredClip) -> FrozenShare:
    if clip.speech is None:
        return FrozenShare(math.nan, 0.0)
    mouth = clip.motion.mouth
    return frozen_share(mouth.times, mouth.opening, mouth.width, sounding=clip.speech.find_speech())


def _measure(evidence: Evidence) -> Measurement:
    own = _measure_clip(evidence.result)
    real_value = _measure_clip(evidence.source).share if evidence.source is not None else None
    return Measurement(own.share, real_value=real_value, note=f"{own.seconds:.1f} s of unbroken speech")


METRIC = Metric(
    id="frozen_share",
    title="share of the speech with a still mouth",
    region="mouth",
    unit="share",
    better="lower",
    measure=_measure,
    needs=(Need.SPEECH,),
)
