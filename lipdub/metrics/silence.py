"""Where speech is silent and where it sounds."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F64, Array, Mask

WINDOW = 0.02  # seconds of one level measurement
FLOOR_DB = -45.0  # silent: this far below the loud parts of the same recording
ABSOLUTE_DB = -70.0  # and in any case below this level of full scale
SOUNDING_DB = -18.0  # speech for certain: no further than this below the loud parts
CLICK = 0.1  # seconds: shorter sounds are no speech
SHORTEST = 0.30  # seconds: shorter pauses belong to speech


def find_pauses(audio: Array, rate: int) -> list[tuple[float, float]]:
    """Find the pauses of a recording.

    Args:
        audio: (n,) -1..1.
        rate: samples a second.

    Returns:
        Start and end of each pause in seconds, each at least `SHORTEST` long.
    """
    level = _measure_levels(audio, rate)
    if not len(level):
        return []
    silent = level < max(ABSOLUTE_DB, float(np.percentile(level, 95)) + FLOOR_DB)
    return [(a, b) for a, b in _find_spans(silent, rate) if b - a >= SHORTEST]


def find_speech(audio: Array, rate: int) -> list[tuple[float, float]]:
    """Find the spans of a recording that are certainly speech, also above the noise of a room.

    Softer sound for less than `SHORTEST` (closures, weak consonants) belongs to speech. The rest is neither speech nor
    silence.

    Args:
        audio: (n,) -1..1.
        rate: samples a second.

    Returns:
        Start and end of each span in seconds.
    """
    level = _measure_levels(audio, rate)
    if not len(level):
        return []
    loud = level >= max(ABSOLUTE_DB, float(np.percentile(level, 95)) + SOUNDING_DB)
    spans: list[tuple[float, float]] = []
    for start, end in _find_spans(loud, rate):
        if spans and start - spans[-1][1] < SHORTEST:
            spans[-1] = spans[-1][0], end
        else:
            spans.append((start, end))
    return [(a, b) for a, b in spans if b - a >= CLICK]


def _measure_levels(audio: Array, rate: int) -> F64:
    """Measure the levels of windows of `WINDOW`, in decibels of full scale."""
    size = max(1, int(WINDOW * rate))
    count = len(audio) // size
    power = np.square(audio[: count * size].reshape(count, size), dtype=np.float64).mean(1)
    decibels: F64 = 10 * np.log10(power + 1e-12)
    return decibels


def _find_spans(windows: Mask, rate: int) -> list[tuple[float, float]]:
    size = max(1, int(WINDOW * rate))
    edges = np.flatnonzero(np.diff(np.concatenate([[0], windows.astype(np.int8), [0]])))
    return [(a * size / rate, b * size / rate) for a, b in zip(edges[::2], edges[1::2], strict=True)]
