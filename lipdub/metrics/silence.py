"""Where speech is silent and where it sounds, and how still a mouth is in its pauses."""

from __future__ import annotations

import numpy as np

WINDOW = 0.02  # seconds of one level measurement
FLOOR_DB = -45.0  # silent: this far below the loud parts of the same recording
ABSOLUTE_DB = -70.0  # and in any case below this level of full scale
SOUNDING_DB = -18.0  # speech for certain: no further than this below the loud parts
CLICK = 0.1  # seconds: what sounds for less is no speech
SHORTEST = 0.30  # seconds: shorter pauses belong to speech
FLAT = 1e-6  # a deviation below this is no motion
MARGIN = 0.12  # seconds at either end of a pause in which the mouth may still come to rest or prepare


def find_pauses(audio: np.ndarray, rate: int) -> list[tuple[float, float]]:
    """Pauses of a recording (n,) in [-1, 1]: (start, end) in seconds, each at least `SHORTEST` long."""
    level = _levels(audio, rate)
    if not len(level):
        return []
    silent = level < max(ABSOLUTE_DB, float(np.percentile(level, 95)) + FLOOR_DB)
    return [(a, b) for a, b in _spans(silent, rate) if b - a >= SHORTEST]


def find_speech(audio: np.ndarray, rate: int) -> list[tuple[float, float]]:
    """Speech of a recording (n,) in [-1, 1] for certain, also above the noise of a room: (start, end) in seconds. What
    is softer for less than `SHORTEST` (closures, weak consonants) belongs to it; the rest is neither this nor silence.
    """
    level = _levels(audio, rate)
    if not len(level):
        return []
    loud = level >= max(ABSOLUTE_DB, float(np.percentile(level, 95)) + SOUNDING_DB)
    joined: list[tuple[float, float]] = []
    for start, end in _spans(loud, rate):
        if joined and start - joined[-1][1] < SHORTEST:
            start = joined.pop()[0]
        joined.append((start, end))
    return [(a, b) for a, b in joined if b - a >= CLICK]


def _levels(audio: np.ndarray, rate: int) -> np.ndarray:
    """Levels of windows of `WINDOW`, in decibels of full scale."""
    size = max(1, int(WINDOW * rate))
    count = len(audio) // size
    power = np.square(audio[: count * size].reshape(count, size), dtype=np.float64).mean(1)
    return 10 * np.log10(power + 1e-12)


def _spans(windows: np.ndarray, rate: int) -> list[tuple[float, float]]:
    size = max(1, int(WINDOW * rate))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], windows.astype(np.int8), [0]])))
    return [(a * size / rate, b * size / rate) for a, b in zip(edges[::2], edges[1::2], strict=True)]


def pause_deviation(times: np.ndarray, opening: np.ndarray, spans: list[tuple[float, float]]) -> tuple[float, int]:
    """Standard deviation of the mouth opening inside silent spans, and the number of frames it was taken from.

    Frames within `MARGIN` of speech and frames without a face (NaN) do not count. NaN when none is left.
    """
    inside = np.zeros(len(times), bool)
    for start, end in spans:
        inside |= (times >= start + MARGIN) & (times <= end - MARGIN)
    kept = opening[inside & np.isfinite(opening)]
    return (float(kept.std()), len(kept)) if len(kept) > 1 else (float("nan"), len(kept))


def silence_motion_ratio(times: np.ndarray, opening: np.ndarray, spans: list[tuple[float, float]]) -> float:
    """Motion left under silence: the deviation of the opening inside silent spans over that outside them; 0 is none,
    1 as much as in speech. NaN where either cannot be measured (see :func:`stillness`) or the mouth never moves.
    """
    still, _ = pause_deviation(times, opening, spans)
    speaking = np.isfinite(opening)
    for start, end in spans:
        speaking &= ~((times >= start - MARGIN) & (times <= end + MARGIN))
    spread = float(opening[speaking].std()) if speaking.sum() > 1 else 0.0
    return still / spread if spread > FLAT else float("nan")
