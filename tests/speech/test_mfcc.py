"""SyncNet's cepstral coefficients and their windows."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.speech import mfcc
from tests.networks import parity


def _noise(samples: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).integers(-3000, 3000, samples, dtype=np.int16)


def test_they_are_the_published_ones() -> None:
    facts, data = parity.fixture("preprocess")
    values = mfcc.compute_mfcc(data["audio.pcm"])
    assert values.shape == data["mfcc.features"].shape
    assert np.abs(values - data["mfcc.features"]).max() <= facts["tolerances"]["mfcc.features"]


def test_columns_are_counted_with_the_last_one_that_is_not_full() -> None:
    assert [mfcc.count_columns(n) for n in (0, 1, 400, 401, 560, 561, 32000)] == [0, 1, 1, 2, 2, 3, 199]
    assert mfcc.compute_mfcc(_noise(561)).shape == (13, 3) and mfcc.compute_mfcc(_noise(0)).shape == (13, 0)


def test_the_first_is_the_energy_and_alone_depends_on_loudness() -> None:
    sound = _noise(4000)
    once, twice = mfcc.compute_mfcc(sound), mfcc.compute_mfcc(sound * 2)
    np.testing.assert_allclose(twice[0] - once[0], np.log(4), atol=1e-9)
    np.testing.assert_allclose(twice[1:], once[1:], atol=1e-9)
    # Parseval: the transform's power is the samples', less what its one-sided half leaves out.
    frame = sound[:400].astype(float)
    frame[1:] -= mfcc.PREEMPHASIS * sound[:399]
    spectrum = np.abs(np.fft.fft(frame, mfcc.FFT)) ** 2
    both_sides = 2 * np.exp(once[0, 0]) * mfcc.FFT - spectrum[0] - spectrum[256]
    assert both_sides == pytest.approx(mfcc.FFT * (frame**2).sum())


def test_silence_is_finite() -> None:
    values = mfcc.compute_mfcc(np.zeros(800, np.int16))
    assert values[0] == pytest.approx(np.log(np.finfo(float).eps)) and np.allclose(values[1:], 0, atol=1e-9)


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = mfcc.compute_mfcc(_noise(16000))
    monkeypatch.setattr(mfcc, "_BLOCK", 7)
    np.testing.assert_allclose(mfcc.compute_mfcc(_noise(16000)), whole, atol=1e-9)


def test_windows_belong_to_clips() -> None:
    # 50 frames need 32000 samples; clips begin at frames 0 to 44
    lengths = ((50, 32000), (60, 32000), (50, 31999), (5, 32000))
    assert [mfcc.count_clips(*n) for n in lengths] == [45, 45, 44, 0]
    features = mfcc.compute_mfcc(_noise(32000))
    values = mfcc.cut_windows(features, 45)
    assert values.shape == (45, 13, 20)
    assert all(np.array_equal(values[v], features[:, 4 * v : 4 * v + 20]) for v in range(45))
    assert mfcc.cut_windows(features[:, :5], 0).shape == (0, 13, 20)
    with pytest.raises(ValueError, match="columns"):
        mfcc.cut_windows(features[:, :23], 2)


def test_what_is_not_16_bit_sound_is_refused() -> None:
    with pytest.raises(ValueError, match="mono"):
        mfcc.compute_mfcc(np.zeros((100, 2), np.int16))
    with pytest.raises(ValueError, match="integers"):
        mfcc.compute_mfcc(np.zeros(100, np.float32))


def test_float_sound_becomes_16_bit() -> None:
    assert mfcc.to_16_bit(np.array([-2.0, -1, 0, 0.5, 1])).tolist() == [-32768, -32768, 0, 16384, 32767]
    assert np.array_equal(mfcc.MFCC.compute(_noise(800).astype(np.float32) / 32768), mfcc.compute_mfcc(_noise(800)))
