"""Words and the network's own phones, blended where they agree."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lipdub.speech import hearing, lips
from lipdub.speech.phones import INDEX, PHONES
from lipdub.speech.words import Word

SAMPLE = Path(__file__).parents[1] / "sample" / "speech.wav"


def posteriors(*spans: tuple[str, int], sure: float = 0.6) -> np.ndarray:
    """The network hearing those phones for so many frames, and all others a little."""
    rows = []
    for phone, count in spans:
        row = np.full(len(PHONES), (1 - sure) / (len(PHONES) - 1), np.float32)
        row[INDEX[phone]] = sure
        rows += [row] * count
    return np.array(rows)


def word(text: str, start: float, *phones: tuple[str, float]) -> Word:
    times, at = [], start
    for phone, seconds in phones:
        times.append((at, at + seconds, phone))
        at += seconds
    return Word(text, start, at, tuple(times))


OWN = posteriors(("sil", 200), ("aa", 30), ("p", 8), ("aa", 30), ("sil", 300), ("iy", 30), ("s", 20), ("iy", 30), ("sil", 100))
RIGHT = word("apa", 2.0, ("aa", 0.3), ("p", 0.08), ("aa", 0.3))
WRONG = word("umu", 5.68, ("uw", 0.3), ("m", 0.2), ("uw", 0.3))


def test_words_count_where_the_network_agrees():
    heard = hearing.blend(OWN, [RIGHT, WRONG])
    assert heard.posteriors.dtype == np.float32
    np.testing.assert_allclose(heard.posteriors.sum(1), 1, atol=1e-5)
    assert heard.posteriors[205:265].max(1).min() > 0.95  # the word's phones, surer than the network was
    np.testing.assert_allclose(heard.posteriors[570:640], OWN[570:640], atol=1e-6)  # the wrong word left no trace
    assert heard.words[0].fit > 0.9 > 0.2 > heard.words[1].fit
    assert heard.way == "words and phones" and 0.2 < heard.share < 0.8
    assert [p for _, _, p in heard.phones] == ["sil", "aa", "p", "aa", "sil", "iy", "s", "iy", "sil"]


def test_everywhere_means_everywhere():
    heard = hearing.blend(OWN, [RIGHT, WRONG], everywhere=True)
    assert heard.way == "words" and heard.posteriors[600, INDEX["m"]] > 0.9


def test_no_words_and_unknown_ways():
    heard = hearing.blend(OWN, [])
    assert heard.posteriors is OWN and heard.way == "phones" and heard.words == ()
    with pytest.raises(ValueError, match="no way 'ears'"):
        hearing.hear(np.zeros(1600, np.float32), way="ears")


def test_silence_stays_exact_silence():
    own = OWN.copy()
    own[:200] = 0
    own[:200, INDEX["sil"]] = 1
    early = word("apa", 1.0, ("aa", 0.3), ("p", 0.08), ("aa", 0.3))  # a word laid over what is surely silent
    heard = hearing.blend(own, [early, RIGHT], everywhere=True)
    np.testing.assert_array_equal(heard.posteriors[:200], own[:200])


def test_the_network_alone():
    from lipdub.media.audio import load_audio

    audio = load_audio(SAMPLE, 16000)
    heard = hearing.hear(audio, way="phones")
    np.testing.assert_array_equal(heard.posteriors, lips.phone_posteriors(audio, lips.load_weights()[0]))
    motion = lips.lip_motion(audio, heard=heard)
    np.testing.assert_array_equal(motion.values, lips.lip_motion(audio).values)
    assert motion.phones == heard.phones


@pytest.mark.skipif(not hearing.recogniser.available(), reason="pocketsphinx is not installed")
def test_hearing_is_the_same_however_many_work_on_it():
    from lipdub.media.audio import load_audio

    audio = np.tile(load_audio(SAMPLE, 16000), 4)
    one, two = hearing.hear(audio, workers=1), hearing.hear(audio, workers=2)
    np.testing.assert_array_equal(one.posteriors, two.posteriors)
    assert one.words == two.words and len(one.words) > 10


@pytest.mark.skipif(not hearing.recogniser.available(), reason="pocketsphinx is not installed")
@pytest.mark.parametrize("samples", [0, 1, 100, 800, 5000])
def test_very_short_sound(samples):
    heard = hearing.hear(np.full(samples, 0.1, np.float32))
    assert len(heard.posteriors) == (samples // 160 + 1 if samples else 0)
