"""Random disturbances of speech."""

from __future__ import annotations

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lipdub.training.speech_augmentation import augment_speech


def test_disturbances_keep_the_length_and_are_repeatable() -> None:
    speech = np.random.default_rng(0).standard_normal(20_000) * np.sin(np.arange(20_000) / 900) ** 2
    for seed in range(12):
        a, b = (augment_speech(speech, np.random.default_rng(seed), speech[::-1]) for _ in range(2))
        assert a.dtype == np.float32 and a.shape == speech.shape and np.isfinite(a).all() and np.array_equal(a, b)
