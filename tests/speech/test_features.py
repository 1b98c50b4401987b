from __future__ import annotations

import numpy as np
import pytest

from lipdub.speech import features


def test_level_of_full_scale_noise_is_zero_decibel():
    noise = np.random.default_rng(0).standard_normal(features.RATE).astype(np.float32)
    level = features.decibel(features.mel_power(noise)[5:-5].sum(1).mean())
    assert abs(level) < 1.0


def test_frames_are_centred_and_counted():
    audio = np.zeros(features.RATE, np.float32)
    audio[8000] = 1.0  # a click at 0.5 s
    power = features.mel_power(audio)
    assert power.shape == (features.frame_count(len(audio)), features.MELS) == (101, features.MELS)
    assert power.sum(1).argmax() == 50
    assert features.mel_power(audio[:0]).shape == (0, features.MELS)


def test_blocks_do_not_show(monkeypatch):
    audio = np.random.default_rng(1).standard_normal(40_000).astype(np.float32)
    whole = features.mel_power(audio)
    monkeypatch.setattr(features, "_BLOCK", 37)
    np.testing.assert_allclose(features.mel_power(audio), whole, rtol=1e-5)


def test_features_do_not_depend_on_level():
    rng = np.random.default_rng(2)
    audio = (rng.standard_normal(32_000) * (0.02 + 0.1 * (np.sin(np.arange(32_000) / 900) > 0))).astype(np.float32)
    base = features.log_mel(features.mel_power(audio))
    for gain in (0.1, 10.0):
        np.testing.assert_allclose(features.log_mel(features.mel_power(audio * gain)), base, atol=1e-3)


def test_quiet_is_not_raised_to_speech():
    hiss = np.random.default_rng(3).standard_normal(16_000).astype(np.float32) * 1e-4
    power = features.mel_power(hiss)
    assert features.running_level(power).max() == features.LEVEL_FLOOR
    assert features.silent_frames(power).all()
    assert not features.silent_frames(features.mel_power(hiss * 1e3)).any()


def test_stereo_is_refused():
    with pytest.raises(ValueError, match="mono"):
        features.mel_power(np.zeros((100, 2), np.float32))
