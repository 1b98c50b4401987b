"""Where speech is silent, and how still a mouth is there."""

from __future__ import annotations

import numpy as np

WINDOW = 0.02  # seconds of one level measurement
FLOOR_DB = -45.0  # silent: this far below the loud parts of the same recording
ABSOLUTE_DB = -70.0  # and in any case below this level of full scale
SHORTEST = 0.30  # seconds: shorter pauses belong to speech
FLAT = 1e-6  # a deviation below this is no motion
MARGIN = 0.12  # seconds at either end of a pause in which the mouth may still come to rest or prepare


def silent_spans(audio: np.ndarray, rate: int) -> list[tuple[float, float]]:
    """Pauses of a recording (n,) in [-1, 1]: (start, end) in seconds, each at least `SHORTEST` long."""
    size = max(1, int(WINDOW * rate))
    count = len(audio) // size
    if count == 0:
        return []
    power = np.square(audio[: count * size].reshape(count, size), dtype=np.float64).mean(1)
    level = 10 * np.log10(power + 1e-12)
    silent = level < max(ABSOLUTE_DB, float(np.percentile(level, 95)) + FLOOR_DB)
    silent |= level < ABSOLUTE_DB
    edges = np.flatnonzero(np.diff(np.concatenate([[0], silent.view(np.int8), [0]])))
    spans = [(a * size / rate, b * size / rate) for a, b in zip(edges[::2], edges[1::2], strict=True)]
    return [(a, b) for a, b in spans if b - a >= SHORTEST]


def stillness(times: np.ndarray, opening: np.ndarray, spans: list[tuple[float, float]]) -> tuple[float, int]:
    """Standard deviation of the mouth opening inside silent spans, and the number of frames it was taken from.

    Frames within `MARGIN` of speech and frames without a face (NaN) do not count. NaN when none is left.
    """
    inside = np.zeros(len(times), bool)
    for start, end in spans:
        inside |= (times >= start + MARGIN) & (times <= end - MARGIN)
    kept = opening[inside & np.isfinite(opening)]
    return (float(kept.std()), len(kept)) if len(kept) > 1 else (float("nan"), len(kept))


def leak(times: np.ndarray, opening: np.ndarray, spans: list[tuple[float, float]]) -> float:
    """Motion left under silence: the deviation of the opening inside silent spans over that outside them; 0 is none,
    1 as much as in speech. NaN where either cannot be measured (see :func:`stillness`) or the mouth never moves."""
    still, _ = stillness(times, opening, spans)
    speaking = np.isfinite(opening)
    for start, end in spans:
        speaking &= ~((times >= start - MARGIN) & (times <= end + MARGIN))
    spread = float(opening[speaking].std()) if speaking.sum() > 1 else 0.0
    return still / spread if spread > FLAT else float("nan")
