"""Pauses and speech of a recording."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.metrics.silence import find_pauses, find_speech


def _speech(rate: int = 16000) -> np.ndarray:
    """One second of sound, half a second of nothing, one of sound."""
    tone = 0.3 * np.sin(2 * np.pi * 180 * np.arange(rate) / rate)
    return np.concatenate([tone, np.zeros(rate // 2), tone]).astype(np.float32)


def test_pauses_are_found() -> None:
    assert find_pauses(_speech(), 16000) == [pytest.approx((1.0, 1.5), abs=0.021)]


def test_digital_silence_is_one_pause() -> None:
    assert find_pauses(np.zeros(32000, np.float32), 16000) == [(0.0, 2.0)]
    assert find_pauses(np.zeros(0, np.float32), 16000) == []


def test_room_noise_counts_as_silence() -> None:
    sound = _speech() + np.random.default_rng(1).normal(0, 1e-4, 40000).astype(np.float32)
    assert len(find_pauses(sound, 16000)) == 1


def test_speech_is_told_from_the_noise_of_a_room() -> None:
    rate = 16000
    t = np.arange(rate) / rate
    word = 0.3 * np.sin(2 * np.pi * 180 * t) * (np.abs(t - 0.5) > 0.1)  # with a closure of 0.2 s
    sound = np.concatenate([np.zeros(rate), word, np.zeros(rate), word])
    sound += np.random.default_rng(0).normal(0, 0.004, len(sound))  # 34 dB below: too loud to be silence
    assert find_speech(sound, rate) == [pytest.approx((1, 2), abs=0.03), pytest.approx((3, 4), abs=0.03)]
    assert find_speech(np.zeros(rate), rate) == [] == find_speech(np.zeros(0), rate)
