"""The network's own phones, and those of a text laid with them."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.speech import lip_motion, phone_recognizer, recognition
from lipdub.speech.phones import PHONE_INDEX, PHONES
from lipdub.speech.word import Segment, Word
from tests.sample import SPEECH


def posteriors(*spans: tuple[str, int], sure: float = 0.6) -> np.ndarray:
    """The network hearing those phones for so many frames, and all others a little."""
    rows = []
    for phone, count in spans:
        row = np.full(len(PHONES), (1 - sure) / (len(PHONES) - 1), np.float32)
        row[PHONE_INDEX[phone]] = sure
        rows += [row] * count
    return np.array(rows)


def word(text: str, start: float, *phones: tuple[str, float]) -> Word:
    times: list[Segment] = []
    time = start
    for phone, seconds in phones:
        times.append(Segment(time, time + seconds, phone))
        time += seconds
    return Word(text, start, time, tuple(times))


OWN = posteriors(("sil", 200), ("aa", 30), ("p", 8), ("aa", 30), ("sil", 300), ("iy", 30), ("s", 20), ("iy", 30))
SAID = word("ama", 2.0, ("aa", 0.3), ("m", 0.08), ("aa", 0.3))


def test_text_and_network_count_together_where_the_text_lies() -> None:
    result = recognition.fuse_with_text(OWN, [SAID], [(170, 298)])
    assert result.posteriors.dtype == np.float32 and result.source == "text" and result.words == (SAID,)
    np.testing.assert_allclose(result.posteriors.sum(1), 1, atol=1e-5)
    inside = result.posteriors[230:238]
    assert inside[:, PHONE_INDEX["m"]].min() > 0.38 and inside[:, PHONE_INDEX["p"]].min() > 0.3
    np.testing.assert_array_equal(result.posteriors[298:], OWN[298:])
    assert [p for _, _, p in result.phones] == ["sil", "aa", "m", "aa", "sil", "iy", "s", "iy"]
    assert 0.4 < result.text_coverage < 0.5  # 68 of 148 spoken frames


def test_silence_stays_exact_silence() -> None:
    own = OWN.copy()
    own[:200] = 0
    own[:200, PHONE_INDEX["sil"]] = 1
    early = word("apa", 1.0, ("aa", 0.3), ("p", 0.08), ("aa", 0.3))  # a word laid over what is surely silent
    result = recognition.fuse_with_text(own, [early, SAID], [(90, 298)])
    np.testing.assert_array_equal(result.posteriors[:200], own[:200])


def test_the_network_alone() -> None:
    from lipdub.media.audio import load_audio

    audio = load_audio(SPEECH, 16000)
    result = recognition.recognize(audio)
    assert result.source == "sound" and result.words == () and result.text_coverage == 0
    np.testing.assert_array_equal(
        result.posteriors, phone_recognizer.compute_phone_posteriors(audio, phone_recognizer.load_weights()[0])
    )
    motion = lip_motion.predict_lip_motion(audio, recognition=result)
    np.testing.assert_array_equal(motion.values, lip_motion.predict_lip_motion(audio).values)
    assert motion.phones == result.phones


@pytest.mark.parametrize("samples", [0, 1, 100, 800, 5000])
def test_very_short_sound(samples: int) -> None:
    result = recognition.recognize(np.full(samples, 0.1, np.float32))
    assert len(result.posteriors) == (samples // 160 + 1 if samples else 0)
