from __future__ import annotations

import shutil

import numpy as np
import pytest

from lipdub.errors import WeightsError
from lipdub.speech import coarticulation, lip_motion, phone_recognizer
from lipdub.speech.coarticulation import COEFFICIENTS, LipModel
from lipdub.speech.phones import PHONE_INDEX, PHONES


def made_sound(seconds: float = 3.0, seed: int = 0) -> np.ndarray:
    """Something voice-like: a buzz with moving formants and gaps, float32 at 16 kHz."""
    rng = np.random.default_rng(seed)
    time = np.arange(int(16_000 * seconds)) / 16_000
    buzz = np.sign(np.sin(2 * np.pi * 120 * time)) + 0.1 * rng.standard_normal(len(time))
    ring = np.sin(2 * np.pi * (600 + 250 * np.sin(2 * np.pi * 2 * time)) * time)
    return (0.1 * buzz * (1 + ring) * (np.sin(2 * np.pi * 1.5 * time) > -0.4)).astype(np.float32)


def one_hot(*spans: tuple[str, int]) -> np.ndarray:
    return np.eye(len(PHONES), dtype=np.float32)[[PHONE_INDEX[p] for p, n in spans for _ in range(n)]]


def column(values: np.ndarray, name: str) -> np.ndarray:
    return values[:, COEFFICIENTS.index(name)]


def test_shapes_and_ranges():
    motion = lip_motion.predict_lip_motion(made_sound())
    assert motion.values.shape == (301, len(COEFFICIENTS)) and motion.values.dtype == np.float32
    np.testing.assert_allclose(motion.times, np.arange(301) / 100)
    assert motion.names == COEFFICIENTS and motion.column("jaw").shape == (301,)
    assert motion.phones[0][0] == 0.0 and abs(motion.phones[-1][1] - 3.01) < 1e-9
    for name, low in zip(COEFFICIENTS, (0, -1, 0, 0, 0, 0)):
        assert column(motion.values, name).min() >= low and column(motion.values, name).max() <= 1.2


@pytest.mark.parametrize("level", [0.0, 2e-4])
def test_silence_is_exact_rest(level):
    hiss = np.random.default_rng(0).standard_normal(16_000).astype(np.float32) * level
    motion = lip_motion.predict_lip_motion(hiss)
    assert not motion.values.any()
    assert [p for _, _, p in motion.phones] == ["sil"]


@pytest.mark.parametrize("samples", [0, 1, 100, 800])
def test_very_short_speech(samples):
    motion = lip_motion.predict_lip_motion(np.full(samples, 0.1, np.float32))
    assert len(motion.times) == len(motion.values) == (samples // 160 + 1 if samples else 0)
    assert lip_motion.sample_motion(motion, [0.0, 0.04]).shape == (2, len(COEFFICIENTS))


def test_chunks_equal_the_whole():
    network, _ = phone_recognizer.load_weights()
    audio = made_sound(11.237)
    whole = phone_recognizer.compute_phone_posteriors(audio, network, chunk=10**6)
    for chunk in (100, 350):
        np.testing.assert_allclose(
            phone_recognizer.compute_phone_posteriors(audio, network, chunk=chunk), whole, atol=1e-5
        )


def test_look_ahead_is_bounded():
    audio = made_sound(12.0)
    other = audio.copy()
    other[int(16_000 * (4.0 + lip_motion.LOOKAHEAD_SECONDS)) :] = 0
    a, b = lip_motion.predict_lip_motion(audio), lip_motion.predict_lip_motion(other)
    np.testing.assert_allclose(a.values[:401], b.values[:401], atol=1e-5)


def test_level_changes_little():
    audio = made_sound()
    base = lip_motion.predict_lip_motion(audio).values
    for gain in (0.1, 10.0):
        # the encoder counts in eight bits: what is rounded may fall to the other side
        assert np.abs(lip_motion.predict_lip_motion(audio * gain).values - base).max() < 0.03


def test_stereo_and_other_rates():
    import soxr

    audio = made_sound()
    stereo = soxr.resample(np.stack([audio, audio], 1), 16_000, 48_000)
    a, b = lip_motion.predict_lip_motion(stereo, 48_000).values, lip_motion.predict_lip_motion(audio).values
    assert abs(len(a) - len(b)) <= 1
    assert np.abs(a[:300] - b[:300]).mean() < 0.02


def test_wrong_input_is_refused(tmp_path):
    with pytest.raises(ValueError, match="finite"):
        lip_motion.predict_lip_motion(np.array([0.0, np.nan], np.float32))
    with pytest.raises(ValueError, match="shape"):
        lip_motion.predict_lip_motion(np.zeros((2, 2, 2), np.float32))
    with pytest.raises(WeightsError, match="no lip-motion weights"):
        lip_motion.predict_lip_motion(np.zeros(10, np.float32), weights=tmp_path / "none.safetensors")
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(phone_recognizer.find_default_weights().read_bytes()[:1000])
    with pytest.raises(WeightsError, match="damaged"):
        lip_motion.predict_lip_motion(np.zeros(10, np.float32), weights=broken)


@pytest.mark.parametrize("model", [LipModel.phonetic(), phone_recognizer.load_weights()[1]], ids=["table", "shipped"])
def test_phones_move_the_lips_as_they_should(model):
    said = one_hot(
        ("sil", 100),
        ("aa", 15),
        ("p", 6),
        ("aa", 15),
        ("uw", 15),
        ("iy", 15),
        ("f", 8),
        ("aa", 15),
        ("sil", 100),
    )
    values = coarticulation.blend_lip_shapes(said, model)
    opening, width = column(values, "opening"), column(values, "width")
    assert not values[:30].any() and not values[-50:].any()  # rest well away from speech
    assert opening[85] > 0.02  # the lips part before the first sound
    assert opening[107] > 0.5 and opening[127] > 0.5
    assert opening[114:121].min() < 0.05 and column(values, "closure")[114:121].max() > 0.95  # a short p still shuts
    assert width[144] < -0.2 and width[159] > width[144] + 0.4  # u rounded, i spread
    assert column(values, "rounding")[144] > 0.4 > column(values, "rounding")[107]
    assert column(values, "lower_lip")[170] > 0.5 and opening[170] < 0.4
    assert column(values, "jaw")[107] > column(values, "jaw")[159]


def test_lips_are_shut_before_an_initial_bilabial():
    values = coarticulation.blend_lip_shapes(one_hot(("sil", 100), ("b", 5), ("aa", 20)), LipModel.phonetic())
    assert column(values, "opening")[98] < 0.05 < column(values, "opening")[85]


def test_closure_survives_a_low_frame_rate():
    said = one_hot(("aa", 40), ("b", 4), ("aa", 40))
    values = coarticulation.blend_lip_shapes(said, LipModel.phonetic())
    motion = lip_motion.LipMotion(np.arange(84) / 100, values, [])
    for phase in np.arange(0, 0.04, 0.005):
        frames = lip_motion.sample_motion(motion, np.arange(phase, 0.8, 0.04))
        assert column(frames, "opening")[5:-5].min() < 0.12


def test_at_times_rests_outside_and_keeps_the_mean():
    values = np.zeros((200, len(COEFFICIENTS)), np.float32)
    values[:, 1] = np.sin(np.arange(200) / 5)
    motion = lip_motion.LipMotion(np.arange(200) / 100, values, [])
    times = np.arange(-0.5, 3.0, 0.04)
    got = lip_motion.sample_motion(motion, times)
    assert not got[times < -0.001].any() and not got[times > 2.02].any()
    inside = (times > 0.05) & (times < 1.9)
    want = np.interp(times[inside], motion.times, values[:, 1])
    assert np.corrcoef(got[inside, 1], want)[0, 1] > 0.99
    assert lip_motion.sample_motion(motion, []).shape == (0, len(COEFFICIENTS))


@pytest.mark.skipif(shutil.which("flite") is None, reason="flite is not installed")
def test_bilabials_of_made_speech_close():
    pytest.importorskip("soxr")
    from lipdub.training.synthetic_speech import speak_flite

    closed = []
    for voice in ("slt", "rms"):
        said = speak_flite("Bob may put a maple map upon my big bamboo table.", voice=voice)
        motion = lip_motion.predict_lip_motion(said.audio)
        opening = motion.column("opening")
        assert opening.max() > 0.4
        closed += [
            opening[int(a * 100) - 4 : int(b * 100) + 4].min() < 0.1 for a, b, p in said.phones if p in ("p", "b", "m")
        ]
    assert np.mean(closed) >= 0.8
