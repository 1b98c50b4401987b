"""Phonetic features: the same at any level, zero in silence, and of the values that they are said to have."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.media.audio import load_audio
from lipdub.speech.coarticulation import COEFFICIENTS
from lipdub.speech.phonetic_features import ROWS, SPOKEN, compute_phonetic_features
from lipdub.speech.recognition import recognize
from tests.sample import SPEECH


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return load_audio(SPEECH, 16000)[:32000]


def test_the_level_does_not_count(speech: np.ndarray) -> None:
    own = compute_phonetic_features(speech)
    for factor in (0.125, 4.0):
        np.testing.assert_array_equal(compute_phonetic_features(np.float32(factor) * speech), own)
    # Other factors round the samples otherwise, which the encoder's eight bits make more of.
    for factor in (0.09, 3.0):
        change = np.abs(compute_phonetic_features(np.float32(factor) * speech) - own)
        assert change.max() < 0.15 and change.mean() < 2e-3


def test_silence_is_zero_also_in_a_speech(speech: np.ndarray) -> None:
    assert not compute_phonetic_features(np.zeros(16000, np.float32)).any()
    noise = np.random.default_rng(0).normal(0, 2e-5, 16000).astype(np.float32)  # the last bits of a silent track
    assert not compute_phonetic_features(noise).any()
    padded = compute_phonetic_features(np.concatenate([speech, np.zeros(32000, np.float32)]))
    assert padded[:, :150].any() and not padded[: len(SPOKEN) + 1, 240:].any()
    assert not padded[:, 300:].any()


def test_rows_are_as_described(speech: np.ndarray) -> None:
    values = compute_phonetic_features(speech)
    assert values.shape == (ROWS, 201) and values.dtype == np.float32
    phones, speaking, lips, loudness = np.split(values, np.cumsum([len(SPOKEN), 1, len(COEFFICIENTS)]))
    assert phones.min() >= 0 and phones.max() <= 1
    np.testing.assert_allclose((phones**2).sum(0), speaking[0], atol=1e-5)
    assert np.abs(lips).max() < 1.5 and lips[COEFFICIENTS.index("opening")].max() > 0.2
    assert loudness.min() >= 0 and loudness.max() <= 1.5
    heard = recognize(speech)
    middles = [(phone, round(50 * (start + end))) for start, end, phone in heard.phones if phone != "sil" and end < 1.9]
    told = [SPOKEN[int(phones[:, frame].argmax())] == phone for phone, frame in middles]
    assert len(told) > 4 and np.mean(told) > 0.8


def test_no_sound_at_all() -> None:
    assert compute_phonetic_features(np.zeros(0, np.float32)).shape == (ROWS, 0)
