"""The training of speech to lip motion at tiny size, and its weights file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.speech import lip_motion as lips
from lipdub.speech import phone_recognizer
from lipdub.speech.encoder import WIDTH
from lipdub.speech.phone_features import MELS

torch = pytest.importorskip("torch")

from lipdub.training import lip_motion

if TYPE_CHECKING:
    from pathlib import Path


def test_weights_file_round_trip(tmp_path: Path) -> None:
    network, model = phone_recognizer.load_weights()
    out = lip_motion.write_weights(tmp_path / "w.safetensors", network.tensors(), model, {"seed": 1})
    again, lips_again = phone_recognizer.load_weights(out)
    x = np.random.default_rng(0).standard_normal((50, MELS)).astype(np.float32)
    known = np.random.default_rng(1).standard_normal((25, WIDTH)).astype(np.float32)
    np.testing.assert_array_equal(network.logits(x, known), again.logits(x, known))
    np.testing.assert_array_equal(model.targets, lips_again.targets)
    assert list(tmp_path.iterdir()) == [out]
    assert phone_recognizer.find_default_weights().stat().st_size < 4_000_000


@pytest.mark.slow
def test_a_tiny_run_from_made_speech_to_weights(tmp_path: Path) -> None:
    from lipdub.training import synthetic_speech

    if not synthetic_speech.has_flite():
        pytest.skip("flite is not installed")
    np.savez(tmp_path / "speech-2-5.npz", *synthetic_speech.synthesize_corpus(2, 7, workers=1, kinds=("flite",)))
    said: list[str] = []
    out = lip_motion.train(
        tmp_path / "out" / "w.safetensors",
        seed=5,
        workdir=tmp_path,
        threads=1,
        progress=said.append,
        options=lip_motion.LipMotionOptions(windows=2, steps=2, batch=2, channels=8),
    )
    motion = lips.predict_lip_motion(np.zeros(1600, np.float32), weights=out)
    assert not motion.values.any() and any("frames right" in line for line in said)
    assert json.loads(lip_motion.read_notes(out))["seed"] == 5
