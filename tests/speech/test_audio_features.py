"""Audio features: one contract for all of the registry."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import UsageError
from lipdub.speech import mel
from lipdub.speech.audio_features import FEATURES, AudioFeature
from tests.speech.synthetic import make_voice

TOY = AudioFeature("toy", "The sound itself", hop=1, size=1, compute=lambda audio: audio[:, None], time_axis=0)


@pytest.fixture(params=FEATURES.names())
def feature(request: pytest.FixtureRequest) -> AudioFeature:
    return FEATURES.get(request.param)


def test_a_feature_says_what_it_is(feature: AudioFeature) -> None:
    assert FEATURES.get(feature.name) is feature
    assert feature.summary and not feature.summary.endswith(".")
    assert feature.rate == SAMPLE_RATE_HZ / feature.hop


@pytest.mark.parametrize("seconds", [0.1, 1.0, 2.5])
def test_size_and_moments_are_as_declared(feature: AudioFeature, seconds: float) -> None:
    values = feature.compute(make_voice(seconds))
    assert values.dtype.kind == "f" and np.isfinite(values).all()
    assert values.shape[1 - feature.time_axis] == feature.size
    assert values.shape[feature.time_axis] == pytest.approx(seconds * feature.rate, abs=3)


def test_the_same_sound_gives_the_same_feature_and_is_not_changed(feature: AudioFeature) -> None:
    sound = make_voice(0.5)
    before = sound.copy()
    np.testing.assert_array_equal(feature.compute(sound), feature.compute(sound))
    np.testing.assert_array_equal(sound, before)


def test_the_spectrograms_are_those_of_the_networks() -> None:
    sound = make_voice(0.7)
    np.testing.assert_array_equal(FEATURES.get("mel").compute(sound), mel.compute_spectrogram(sound, "zero"))
    np.testing.assert_array_equal(
        FEATURES.get("mel-reflected").compute(sound), mel.compute_spectrogram(sound, "reflect")
    )


def test_a_feature_is_one_object_and_one_line() -> None:
    with FEATURES.added("toy", f"{__name__}:TOY"):
        assert FEATURES.get("toy").compute(np.zeros(3, np.float32)).shape == (3, 1)
    with pytest.raises(UsageError, match="no audio feature 'toy'"):
        FEATURES.get("toy")
