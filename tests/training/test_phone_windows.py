"""Windows of speech with their phones."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.speech.encoder import WIDTH
from lipdub.speech.phone_features import MELS
from lipdub.speech.phones import PHONE_INDEX

torch = pytest.importorskip("torch")

from lipdub.training.phone_windows import ENCODER_FRAMES, WINDOW_FRAMES, Utterance, make_windows


def test_windows_hold_speech_and_its_phones() -> None:
    """A voice that says one vowel in a tone: where the sound is loud, the label is the vowel."""
    tone = (0.3 * np.sin(np.arange(16_000) * 0.2)).astype(np.float32)
    spoken = Utterance(tone, ((0.0, 1.0, "aa"),))
    made = list(make_windows(lambda: spoken, 2, np.random.default_rng(4)))
    assert len(made) == 2
    for encoded, power, phones in made:
        assert (
            encoded.shape == (ENCODER_FRAMES, WIDTH)
            and power.shape == (WINDOW_FRAMES, MELS)
            and phones.shape == (WINDOW_FRAMES,)
        )
        assert set(np.unique(phones)) == {PHONE_INDEX["sil"], PHONE_INDEX["aa"]}
        loud = power.astype(np.float64).max(1)
        assert np.median(loud[phones == PHONE_INDEX["aa"]]) > np.median(loud[phones == PHONE_INDEX["sil"]])
