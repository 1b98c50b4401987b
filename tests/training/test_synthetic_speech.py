"""Speech of synthesisers."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.speech.encoder import WIDTH
from lipdub.speech.phone_features import MELS

torch = pytest.importorskip("torch")

from lipdub.training.phone_windows import ENCODER_FRAMES, WINDOW_FRAMES


@pytest.mark.slow
@pytest.mark.skipif(
    not __import__("lipdub.training.synthetic_speech", fromlist=["x"]).has_espeak(),
    reason="espeakng-loader is not installed",
)
def test_espeak_speaks_in_a_process_of_its_own() -> None:
    from lipdub.training import synthetic_speech

    encoded, power, phones = synthetic_speech.synthesize_corpus(2, 1, workers=1, kinds=("espeak",))
    assert (
        encoded.shape == (2, ENCODER_FRAMES, WIDTH)
        and power.shape == (2, WINDOW_FRAMES, MELS)
        and phones.shape == (2, WINDOW_FRAMES)
    )
    assert len(np.unique(phones)) > 5
