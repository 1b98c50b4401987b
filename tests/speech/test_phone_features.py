from __future__ import annotations

import numpy as np
import pytest

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.speech import phone_features


def test_level_of_full_scale_noise_is_zero_decibel() -> None:
    noise = np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ).astype(np.float32)
    level = phone_features.to_decibel(phone_features.compute_mel_power(noise)[5:-5].sum(1).mean())
    assert abs(level) < 1.0


def test_frames_are_centred_and_counted() -> None:
    audio = np.zeros(SAMPLE_RATE_HZ, np.float32)
    audio[8000] = 1.0  # a click at 0.5 s
    power = phone_features.compute_mel_power(audio)
    assert power.shape == (phone_features.count_frames(len(audio)), phone_features.MELS) == (101, phone_features.MELS)
    assert power.sum(1).argmax() == 50
    assert phone_features.compute_mel_power(audio[:0]).shape == (0, phone_features.MELS)


def test_blocks_do_not_show(monkeypatch: pytest.MonkeyPatch) -> None:
    audio = np.random.default_rng(1).standard_normal(40_000).astype(np.float32)
    whole = phone_features.compute_mel_power(audio)
    monkeypatch.setattr(phone_features, "_BLOCK", 37)
    np.testing.assert_allclose(phone_features.compute_mel_power(audio), whole, rtol=1e-5)


def test_features_do_not_depend_on_level() -> None:
    rng = np.random.default_rng(2)
    audio = (rng.standard_normal(32_000) * (0.02 + 0.1 * (np.sin(np.arange(32_000) / 900) > 0))).astype(np.float32)
    base = phone_features.compute_log_mel(phone_features.compute_mel_power(audio))
    for gain in (0.1, 10.0):
        np.testing.assert_allclose(
            phone_features.compute_log_mel(phone_features.compute_mel_power(audio * gain)), base, atol=1e-3
        )


def test_quiet_is_not_raised_to_speech() -> None:
    hiss = np.random.default_rng(3).standard_normal(16_000).astype(np.float32) * 1e-4
    power = phone_features.compute_mel_power(hiss)
    assert phone_features.compute_running_level(power).max() == phone_features.LEVEL_FLOOR
    assert phone_features.find_silent_frames(power).all()
    assert not phone_features.find_silent_frames(phone_features.compute_mel_power(hiss * 1e3)).any()


def test_stereo_is_refused() -> None:
    with pytest.raises(ValueError, match="mono"):
        phone_features.compute_mel_power(np.zeros((100, 2), np.float32))
