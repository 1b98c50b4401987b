"""Lip motion of a speech, and its values at any times."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import WeightsError
from lipdub.speech.coarticulation import COEFFICIENTS, LipModel, blend_lip_shapes
from lipdub.speech.lip_motion import LOOKAHEAD_SECONDS, LipMotion, predict_lip_motion, sample_motion
from lipdub.speech.phone_recognizer import find_default_weights
from tests.speech.synthetic import column, make_voice, one_hot

if TYPE_CHECKING:
    from pathlib import Path


def test_shapes_and_ranges() -> None:
    motion = predict_lip_motion(make_voice())
    assert motion.values.shape == (301, len(COEFFICIENTS)) and motion.values.dtype == np.float32
    np.testing.assert_allclose(motion.times, np.arange(301) / 100)
    assert motion.names == COEFFICIENTS and motion.column("jaw").shape == (301,)
    assert motion.phones[0][0] == 0.0 and abs(motion.phones[-1][1] - 3.01) < 1e-9
    for name, low in zip(COEFFICIENTS, (0, -1, 0, 0, 0, 0), strict=True):
        assert column(motion.values, name).min() >= low and column(motion.values, name).max() <= 1.2


@pytest.mark.parametrize("level", [0.0, 2e-4])
def test_silence_is_exact_rest(level: float) -> None:
    hiss = np.random.default_rng(0).standard_normal(SAMPLE_RATE_HZ).astype(np.float32) * level
    motion = predict_lip_motion(hiss)
    assert not motion.values.any()
    assert [p for _, _, p in motion.phones] == ["sil"]


@pytest.mark.parametrize("samples", [0, 1, 100, 800])
def test_very_short_speech(samples: int) -> None:
    motion = predict_lip_motion(np.full(samples, 0.1, np.float32))
    assert len(motion.times) == len(motion.values) == (samples // 160 + 1 if samples else 0)
    assert sample_motion(motion, [0.0, 0.04]).shape == (2, len(COEFFICIENTS))


@pytest.mark.slow
def test_lookahead_is_bounded() -> None:
    audio = make_voice(12.0)
    other = audio.copy()
    other[int(SAMPLE_RATE_HZ * (4.0 + LOOKAHEAD_SECONDS)) :] = 0
    a, b = predict_lip_motion(audio), predict_lip_motion(other)
    np.testing.assert_allclose(a.values[:401], b.values[:401], atol=1e-5)


@pytest.mark.slow
def test_level_changes_little() -> None:
    audio = make_voice()
    base = predict_lip_motion(audio).values
    for gain in (0.1, 10.0):
        # the encoder counts in eight bits: what is rounded may fall to the other side
        assert np.abs(predict_lip_motion(audio * gain).values - base).max() < 0.03


def test_stereo_and_other_rates() -> None:
    import soxr

    audio = make_voice()
    stereo = soxr.resample(np.stack([audio, audio], 1), SAMPLE_RATE_HZ, 48_000)
    a, b = predict_lip_motion(stereo, 48_000).values, predict_lip_motion(audio).values
    assert abs(len(a) - len(b)) <= 1
    assert np.abs(a[:300] - b[:300]).mean() < 0.02


def test_wrong_input_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="finite"):
        predict_lip_motion(np.array([0.0, np.nan], np.float32))
    with pytest.raises(ValueError, match="shape"):
        predict_lip_motion(np.zeros((2, 2, 2), np.float32))
    with pytest.raises(WeightsError, match="no lip-motion weights"):
        predict_lip_motion(np.zeros(10, np.float32), weights=tmp_path / "none.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(find_default_weights().read_bytes()[:1000])
    with pytest.raises(WeightsError, match="damaged"):
        predict_lip_motion(np.zeros(10, np.float32), weights=broken)


def test_closure_survives_a_low_frame_rate() -> None:
    spoken = one_hot(("aa", 40), ("b", 4), ("aa", 40))
    values = blend_lip_shapes(spoken, LipModel.phonetic())
    motion = LipMotion(np.arange(84) / 100, values, [])
    for phase in np.arange(0, 0.04, 0.005):
        frames = sample_motion(motion, np.arange(phase, 0.8, 0.04))
        assert column(frames, "opening")[5:-5].min() < 0.12


def test_sampled_motion_rests_outside_and_keeps_the_mean() -> None:
    values = np.zeros((200, len(COEFFICIENTS)), np.float32)
    values[:, 1] = np.sin(np.arange(200) / 5)
    motion = LipMotion(np.arange(200) / 100, values, [])
    times = np.arange(-0.5, 3.0, 0.04)
    got = sample_motion(motion, times)
    assert not got[times < -0.001].any() and not got[times > 2.02].any()
    inside = (times > 0.05) & (times < 1.9)
    want = np.interp(times[inside], motion.times, values[:, 1])
    assert np.corrcoef(got[inside, 1], want)[0, 1] > 0.99
    assert sample_motion(motion, []).shape == (0, len(COEFFICIENTS))


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_bilabials_of_made_speech_close() -> None:
    pytest.importorskip("soxr")
    from lipdub.training.synthetic_speech import speak_flite

    closures = []
    for voice in ("slt", "rms"):
        spoken = speak_flite("Bob may put a maple map upon my big bamboo table.", voice=voice)
        motion = predict_lip_motion(spoken.audio)
        opening = motion.column("opening")
        assert opening.max() > 0.4
        closures += [
            opening[int(a * 100) - 4 : int(b * 100) + 4].min() < 0.1
            for a, b, p in spoken.phones
            if p in ("p", "b", "m")
        ]
    assert np.mean(closures) >= 0.8
