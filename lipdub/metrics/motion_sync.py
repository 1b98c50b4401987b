"""Agreement of a mouth with a speech, and the offset between picture and sound: lipdub's own scorer.

The motion that the speech implies (`lipdub.speech.lip_motion`, a network that knows no faces) is compared with the
motion that the face mesh measured, at several lags. Both are standardized over the whole video. So neither the size of
the mouth counts, nor how wide a talker opens it. No network sees pictures, as the place of the crop could mislead it.
Nothing is downloaded. The numbers are lipdub's own and not comparable to published LSE.

A measurement decided for this method. It tells windows of one second of six people in and out of sync with an area
under the ROC curve of 0.96. A small AVSyncNet (`lipdub train sync-scorer`), trained on one talker of GRID, reached 0.86
to 0.90. Both together reach 0.98, but with less exact offsets.

The sign is SyncNet's (Chung, Zisserman, "Out of time: automated lip sync in the wild", ACCV workshops 2016): positive
if the picture comes after its sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.metrics.metric import Measurement, Metric, Moment, Need

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, Array, Mask
    from lipdub.metrics.evidence import Evidence, ScoredClip

STEP = 0.02  # seconds between the compared samples
REACH = 0.6  # seconds each way that the sound is moved
WEIGHTS = np.array([2 / 3, 1 / 3])  # of opening and width: sound says less about the width
#: Standard deviations below which a motion is not enlarged any further: of the mesh in eye distances, and of the speech
#: in parts of the range.
MIN_MOUTH_SPREAD, MIN_SPEECH_SPREAD = 0.01, 0.02
LONGEST_GAP = 0.2  # seconds without a face that are bridged
SHORTEST = 0.5  # seconds of talk and face that an estimate needs
#: Agreement and confidence below these are no better than chance: 95 % of 60 clips with another speech lie below.
CHANCE_AGREEMENT, CHANCE_CONFIDENCE = 0.3, 0.3
#: Agreement over one second, below which a mouth is out of sync. Half of a real talker's seconds reach it with another
#: speech.
OUT_OF_SYNC = 0.3
SYNC_WINDOW = 1.0  # seconds over which weak moments are found
_MS = 1000
_NOTE = "lipdub's own scorer, not comparable to published LSE"


@dataclass(frozen=True)
class Comparison:
    """A mouth compared with a speech.

    Attributes:
        times: (n,) float64 seconds of the picture, `STEP` apart.
        lags: (k,) float64 seconds.
        fit: (n, k) float32, at most 1: how well the mouth at a time fits the speech if the picture comes so much after
            its sound; NaN where no face was found or no speech lies.
    """

    times: F64
    lags: F64
    fit: F32

    def curve(self, start: float = -np.inf, stop: float = np.inf, least: float = 0.5) -> F64:
        """Return the agreement at each lag; over a whole video it is the weighted correlation.

        Args:
            start: seconds from which times count.
            stop: seconds before which times count.
            least: least comparable time of a lag, as a share of that of the best lag.

        Returns:
            (k,) float64, NaN at lags for which less than `least` or than `SHORTEST` can be compared.
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
    """How a mouth follows a speech.

    Attributes:
        offset: seconds by which the picture comes after its sound; NaN if nothing can be said.
        confidence: how far the agreement at the offset lies over the median of all lags; about 0 by chance.
        agreement: at lag zero, as a viewer sees the video; at most 1, about 0 by chance.
    """

    offset: float
    confidence: float
    agreement: float

    @property
    def is_sure(self) -> bool:
        """Whether the offset is better than chance."""
        return self.confidence >= CHANCE_CONFIDENCE

    @property
    def sure_offset_ms(self) -> float:
        """The offset in milliseconds, NaN if it is no better than chance."""
        return self.offset * _MS if self.is_sure else np.nan


def compare_motion(
    times: F64,
    mouth: F64,
    speech_times: F64,
    lips: Array,
    sound: tuple[float, float],
    reach: float = REACH,
) -> Comparison:
    """Compare a mouth with the motion that a speech implies.

    Args:
        times: (n,) seconds, rising.
        mouth: (n, 2) opening and width in eye distances, NaN without a face.
        speech_times: (m,) seconds on the same clock.
        lips: (m, 2) opening and width that the speech implies at `speech_times`, in parts of the range.
        sound: when the speech begins and ends, seconds. Outside it nothing is compared.
        reach: seconds each way that are tried.

    Raises:
        ValueError: the shapes do not fit.
    """
    if mouth.shape != (len(times), 2) or lips.shape != (len(speech_times), 2):
        raise ValueError(f"opening and width are needed at each time, not {mouth.shape} and {lips.shape}")
    steps = round(reach / STEP)
    lags = np.arange(-steps, steps + 1) * STEP
    if len(times) < 2 or len(speech_times) < 2:
        return Comparison(np.empty(0), lags, np.empty((0, len(lags)), np.float32))
    grid = np.arange(times[0], times[-1] + STEP / 2, STEP)
    standard_mouth = np.stack([_interpolate_short_gaps(times, column, grid) for column in mouth.T], 1)
    standard_mouth = _standardize(standard_mouth, np.isfinite(standard_mouth).all(1), MIN_MOUTH_SPREAD)
    around = grid[0] + np.arange(-steps, len(grid) + steps) * STEP
    inside = (around >= sound[0]) & (around <= sound[1])
    target = np.stack([np.interp(around, speech_times, column) for column in lips.T], 1)
    target = _standardize(target, inside, MIN_SPEECH_SPREAD)
    target[~inside] = np.nan
    fit = np.empty((len(grid), len(lags)), np.float32)
    for k in range(len(lags)):
        difference = standard_mouth - target[2 * steps - k : 2 * steps - k + len(grid)]
        fit[:, k] = 1 - np.square(difference) @ WEIGHTS / 2
    return Comparison(grid, lags, fit)


def compare_clip(clip: ScoredClip) -> Comparison | None:
    """Compare the mouth of a clip with its speech; None if it has none."""
    speech, mouth = clip.speech, clip.motion.mouth
    if speech is None:
        return None
    shapes = np.stack([mouth.opening, mouth.width], 1)
    return compare_motion(clip.motion.times, shapes, speech.times, speech.lips, (speech.start, speech.end))


def estimate_sync(comparison: Comparison, start: float = -np.inf, stop: float = np.inf) -> SyncEstimate:
    """Estimate offset, confidence and agreement over the times from `start` up to `stop`, in seconds."""
    curve = comparison.curve(start, stop)
    if not np.isfinite(curve).any():
        return SyncEstimate(np.nan, np.nan, np.nan)
    best = int(np.nanargmax(curve))
    return SyncEstimate(
        offset=float(comparison.lags[best] + _find_top(curve, best) * STEP),
        confidence=float(curve[best] - np.nanmedian(curve)),
        agreement=float(curve[len(curve) // 2]),
    )


def find_out_of_sync(comparison: Comparison) -> list[Moment]:
    """Find the seconds in which the mouth does not agree with the speech."""
    moments = []
    last = float(comparison.times[-1]) if len(comparison.times) else 0.0
    for start in np.arange(0.0, max(last - SYNC_WINDOW, 0.0) + 1e-9, SYNC_WINDOW / 2):
        agreement = estimate_sync(comparison, start, start + SYNC_WINDOW).agreement
        if np.isfinite(agreement):
            severity = float((1 - agreement) / (1 - OUT_OF_SYNC))
            text = f"agreement of mouth and speech {agreement:.2f}"
            moments.append(Moment(start + SYNC_WINDOW / 2, "av_sync", severity, text))
    return moments


def _find_top(curve: F64, best: int) -> float:
    """Return how far the top of a parabola through the highest sample and its neighbours lies from it, -0.5 to 0.5."""
    if not 0 < best < len(curve) - 1:
        return 0.0
    before, top, after = curve[best - 1 : best + 2]
    bend = before - 2 * top + after
    return float(0.5 * (before - after) / bend) if bend < 0 else 0.0


def _interpolate_short_gaps(times: F64, values: F64, grid: F64) -> F64:
    """Interpolate values at other times; NaN in gaps longer than `LONGEST_GAP`."""
    is_known = np.isfinite(values)
    if is_known.sum() < 2:
        return np.full(len(grid), np.nan)
    known_times = times[is_known]
    out = np.interp(grid, known_times, values[is_known], left=np.nan, right=np.nan)
    following = np.clip(np.searchsorted(known_times, grid), 1, len(known_times) - 1)
    usual = float(np.median(np.diff(times)))
    out[known_times[following] - known_times[following - 1] > max(LONGEST_GAP, 1.5 * usual)] = np.nan
    return out


def _standardize(values: F64, is_counted: Mask, least: float) -> F64:
    """Return columns minus their mean, in standard deviations, both over the counted rows.

    Args:
        values: (n, c).
        is_counted: (n,) rows that count.
        least: the smallest standard deviation to divide by.
    """
    if not is_counted.any():
        return np.full_like(values, np.nan)
    spread = np.maximum(values[is_counted].std(0), least)
    standard: F64 = (values - values[is_counted].mean(0)) / spread
    return standard


# -- the metrics


def _compare_result(evidence: Evidence) -> Comparison | None:
    return compare_clip(evidence.result)


def _estimate_source(evidence: Evidence) -> SyncEstimate | None:
    comparison = compare_clip(evidence.source) if evidence.source is not None else None
    return estimate_sync(comparison) if comparison is not None else None


def _estimate_windows(evidence: Evidence) -> list[SyncEstimate]:
    comparison = evidence.compute_once(_compare_result)
    assert comparison is not None
    return [estimate_sync(comparison), *(estimate_sync(comparison, a, b) for a, b in evidence.windows)]


def _measure(evidence: Evidence, attribute: str, *, doubt: bool = False) -> Measurement:
    whole, *windows = evidence.compute_once(_estimate_windows)
    source = evidence.compute_once(_estimate_source)
    value: float = getattr(whole, attribute)
    note = "no better than chance" if doubt and not whole.is_sure else ""
    if not np.isfinite(whole.agreement):
        note = f"less than {SHORTEST:g} s in which speech sounds and a face is visible"
    return Measurement(
        value,
        np.array([getattr(window, attribute) for window in windows], np.float64),
        getattr(source, attribute) if source is not None else None,
        note,
    )


def _find_moments(evidence: Evidence) -> list[Moment]:
    comparison = evidence.compute_once(_compare_result)
    return find_out_of_sync(comparison) if comparison is not None else []


AGREEMENT_METRIC = Metric(
    id="av_sync",
    title="agreement of mouth and speech",
    region="mouth",
    unit="correlation",
    better="higher",
    measure=lambda evidence: _measure(evidence, "agreement"),
    note=_NOTE,
    needs=(Need.SPEECH,),
    moments=_find_moments,
)
OFFSET_METRIC = Metric(
    id="av_offset_ms",
    title="delay of the picture after its sound",
    region="mouth",
    unit="ms",
    better="near zero",
    measure=lambda evidence: _measure(evidence, "sure_offset_ms", doubt=True),
    note=_NOTE,
    needs=(Need.SPEECH,),
)
CONFIDENCE_METRIC = Metric(
    id="av_confidence",
    title="confidence of that delay",
    region="mouth",
    unit="",
    better="higher",
    measure=lambda evidence: _measure(evidence, "confidence"),
    note=f"chance gives less than {CHANCE_CONFIDENCE:g}; {_NOTE}",
    needs=(Need.SPEECH,),
)
