"""The phone recognizer: its weights file, chunks of long sound, and what is refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import WeightsError
from lipdub.speech.phone_recognizer import (
    compute_phone_posteriors,
    find_default_weights,
    load_weights,
    to_mono_speech,
)
from tests.speech.synthetic import make_voice

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.slow
def test_chunks_equal_the_whole() -> None:
    network, _ = load_weights()
    audio = make_voice(11.237)
    whole = compute_phone_posteriors(audio, network, chunk=10**6)
    for chunk in (100, 350):
        np.testing.assert_allclose(compute_phone_posteriors(audio, network, chunk=chunk), whole, atol=1e-5)


def test_damaged_and_other_weights_are_refused(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    with pytest.raises(WeightsError, match="no lip-motion weights"):
        load_weights(tmp_path / "none.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(find_default_weights().read_bytes()[:1000])
    with pytest.raises(WeightsError, match="damaged"):
        load_weights(broken)
    other = tmp_path / "other.safetensors"
    save_file({"x": np.zeros(3, np.float32)}, str(other), {"format": "another 1"})
    with pytest.raises(WeightsError, match="not a lip-motion weights file"):
        load_weights(other)


def test_speech_becomes_mono_at_its_rate() -> None:
    sound = make_voice(0.5)
    np.testing.assert_array_equal(to_mono_speech(np.stack([sound, sound], 1)), sound)
    assert abs(len(to_mono_speech(sound, 48_000)) - len(sound) / 3) <= 1
    assert to_mono_speech(sound.astype(np.float64)).dtype == np.float32
    with pytest.raises(ValueError, match="finite"):
        to_mono_speech(np.array([0.0, np.nan], np.float32))
    with pytest.raises(ValueError, match="shape"):
        to_mono_speech(np.zeros((2, 2, 2), np.float32), SAMPLE_RATE_HZ)
