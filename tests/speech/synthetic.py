"""Sounds and phones made by code for the tests of speech."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.speech.coarticulation import COEFFICIENTS
from lipdub.speech.phones import PHONE_INDEX, PHONES

if TYPE_CHECKING:
    from lipdub.arrays import F32


def make_voice(seconds: float = 3.0, seed: int = 0) -> F32:
    """Something voice-like: a buzz with moving formants and gaps, float32 at 16 kHz."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(SAMPLE_RATE_HZ * seconds)) / SAMPLE_RATE_HZ
    buzz = np.sign(np.sin(2 * np.pi * 120 * time)) + 0.1 * rng.standard_normal(len(time))
    ring = np.sin(2 * np.pi * (600 + 250 * np.sin(2 * np.pi * 2 * time)) * time)
    return (0.1 * buzz * (1 + ring) * (np.sin(2 * np.pi * 1.5 * time) > -0.4)).astype(np.float32)


def one_hot(*spans: tuple[str, int]) -> F32:
    """Posteriors of phones that are certain, (phone, frames of 10 ms)."""
    return np.eye(len(PHONES), dtype=np.float32)[[PHONE_INDEX[p] for p, n in spans for _ in range(n)]]


def column(values: F32, name: str) -> F32:
    """One coefficient of lip values."""
    return values[:, COEFFICIENTS.index(name)]
