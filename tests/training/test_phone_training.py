"""The phone network's training at tiny size."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.speech.encoder import WIDTH, interpolate_steps
from lipdub.speech.phone_features import MELS, compute_log_mel, compute_mel_power
from lipdub.speech.phones import PHONES

torch = pytest.importorskip("torch")

from lipdub.training.phone_network import PhoneNetworkSize
from lipdub.training.phone_training import PhoneTrainingOptions, SpeechWindows, normalize_power, train_phone_network
from lipdub.training.phone_windows import ENCODER_FRAMES, WINDOW_FRAMES

if TYPE_CHECKING:
    from pathlib import Path


def made_corpus(count: int = 4, seed: int = 0) -> SpeechWindows:
    """Each phone a steady colour of its own, plus noise: easy to learn."""
    rng = np.random.default_rng(seed)
    colours = rng.normal(-30, 10, (len(PHONES), MELS))
    labels = np.repeat(rng.integers(0, 6, (count, WINDOW_FRAMES // 10)), 10, axis=1).astype(np.uint8)
    power = colours[labels] + rng.normal(0, 1, (count, WINDOW_FRAMES, MELS))
    encoded = rng.normal(0, 1, (count, ENCODER_FRAMES, WIDTH))
    return SpeechWindows(encoded.astype(np.float16), power.astype(np.float16), labels)


OPTIONS = PhoneTrainingOptions(
    steps=30, batch=4, window=100, save_every=10, size=PhoneNetworkSize(channels=16, dilations=(1, 2))
)


@pytest.mark.slow
def test_training_resumes_where_it_stopped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    speech = made_corpus()
    whole = train_phone_network([(speech, 1.0)], tmp_path / "whole", OPTIONS, seed=3)

    class StoppedError(Exception):
        pass

    from lipdub.training import phone_training

    calls = 0

    def stopping(*args):
        nonlocal calls
        calls += 1
        if calls == 18:
            raise StoppedError
        return normalize_power(*args)

    monkeypatch.setattr(phone_training, "normalize_power", stopping)
    with pytest.raises(StoppedError):
        train_phone_network([(speech, 1.0)], tmp_path / "parts", OPTIONS, seed=3)
    again = train_phone_network([(speech, 1.0)], tmp_path / "parts", OPTIONS, seed=3)
    assert calls == 18 + 20  # went on from step 10, the last kept
    for a, b in zip(whole.parameters(), again.parameters(), strict=True):
        torch.testing.assert_close(a, b)


def test_training_features_are_the_features_of_inference() -> None:
    audio = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * 0.05
    power = compute_mel_power(audio)
    decibel = torch.from_numpy(10 * np.log10(np.maximum(power, 1e-12)))[None]
    np.testing.assert_allclose(normalize_power(decibel)[0].numpy(), compute_log_mel(power), atol=1e-4)


def test_parts_of_windows_keep_their_phase() -> None:
    speech = made_corpus()
    encoded, power, phones = speech.batch(5, 100, np.random.default_rng(0))
    assert encoded.shape == (5, 50, WIDTH) and power.shape == (5, 100, MELS) and phones.shape == (5, 100)
    whole, _, all_phones = speech.part(slice(0, 1)).batch(1, WINDOW_FRAMES, np.random.default_rng(0))
    np.testing.assert_array_equal(all_phones[0], speech.phones[0])
    np.testing.assert_allclose(whole[0], interpolate_steps(speech.encoded[0].astype(np.float32), 0, WINDOW_FRAMES // 2))
