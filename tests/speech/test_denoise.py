"""Noise before recognition: told from speech, lowered, and clear sound left alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lipdub.media.audio import load_audio
from lipdub.speech.denoise import clearer, denoised, is_noisy

SAMPLE = Path(__file__).parents[1] / "sample" / "speech.wav"


@pytest.fixture(scope="module")
def speech() -> np.ndarray:
    return load_audio(SAMPLE, 16000)


def noise(count: int, level: float) -> np.ndarray:
    return (np.random.default_rng(0).standard_normal(count) * level).astype(np.float32)


def ratio(signal: np.ndarray, heard: np.ndarray) -> float:
    """dB of the signal over what differs from it, at the best level."""
    gain = float(signal @ heard / (signal @ signal))
    return float(10 * np.log10(np.sum((gain * signal) ** 2) / np.sum((heard - gain * signal) ** 2)))


def test_noise_is_told_from_clear_speech(speech: np.ndarray) -> None:
    level = float(np.sqrt(np.mean(speech**2)))
    assert not is_noisy(speech)
    assert is_noisy(speech + noise(len(speech), level * 10**-0.5))
    assert not is_noisy(np.zeros(16000, np.float32)) and not is_noisy(np.zeros(0, np.float32))


def test_noise_is_lowered_and_speech_kept(speech: np.ndarray) -> None:
    level = float(np.sqrt(np.mean(speech**2)))
    noisy = speech + noise(len(speech), level * 10**-0.5)
    out = denoised(noisy)
    assert out.shape == noisy.shape and out.dtype == np.float32
    assert ratio(speech, noisy) == pytest.approx(10, abs=0.5)
    assert ratio(speech, out) > 12.5
    alone = noise(32000, 0.05)
    assert denoised(alone)[4000:-4000].std() < 0.55 * alone.std()
    np.testing.assert_allclose(denoised(np.zeros(5000, np.float32)), 0)


def test_only_noisy_pieces_are_changed(speech: np.ndarray) -> None:
    spans = [(0, len(speech) // 160)]
    assert clearer(speech, spans) is speech
    level = float(np.sqrt(np.mean(speech**2)))
    both = np.concatenate([speech[: spans[0][1] * 160], speech + noise(len(speech), level * 10**-0.5)])
    edge = spans[0][1]
    out = clearer(both, [(0, edge), (edge, len(both) // 160)])
    np.testing.assert_array_equal(out[: edge * 160], both[: edge * 160])
    assert np.abs(out[edge * 160 :] - both[edge * 160 :]).max() > 0.01
    np.testing.assert_array_equal(out[edge * 160 : len(both) // 160 * 160], denoised(both[edge * 160 : len(both) // 160 * 160]))


@pytest.mark.parametrize("samples", [0, 1, 700, 1600])
def test_short_sounds(samples: int) -> None:
    assert denoised(np.full(samples, 0.1, np.float32)).shape == (samples,)
