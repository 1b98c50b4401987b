"""A text in the speech: what is found, what is reported, and what becomes of speech that is not in it."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.speech import recognition, text_alignment
from lipdub.speech.phones import PHONE_INDEX, PHONES
from lipdub.speech.pronunciation import Pronunciation, find_dictionary
from lipdub.speech.transcript import Transcript, parse_transcript
from tests.sample import SPEECH

TEXT = "Please keep my paper map, before we move to the farm above the valley."
OTHER = "Thirteen astronauts quietly juggled oranges inside this shiny yellow submarine."
needs_dictionary = pytest.mark.skipif(find_dictionary() is None, reason="pocketsphinx is not installed")

SOUNDS = {
    "beans": "b iy n s",
    "mucus": "m uw k ae",
    "fault": "f ao l t",
    "weds": "w eh d z",
    "show": "sh ow g iy",
}


def sound(*names: str | int) -> np.ndarray:
    phones = [
        p
        for n in names
        for p in (["sil"] * n if isinstance(n, int) else [q for q in SOUNDS[n].split() for _ in range(8)])
    ]
    out = np.full((len(phones), len(PHONES)), 0.3 / (len(PHONES) - 1), np.float32)
    out[np.arange(len(phones)), [PHONE_INDEX[p] for p in phones]] = 0.7
    return out


def locate(
    words: list[str], own: np.ndarray, cues: list[tuple[float, float]] | None = None
) -> text_alignment.TextAlignment:
    pronunciations = [Pronunciation(tuple(SOUNDS[w].split())) if w in SOUNDS else Pronunciation(()) for w in words]
    return text_alignment.locate_words(
        Transcript(tuple(words), tuple(cues or [None] * len(words))), pronunciations, own
    )


def test_all_words_found() -> None:
    alignment = locate(["beans", "fault", "weds"], sound(20, "beans", "fault", 30, "weds", 20))
    assert [w.text for w in alignment.words] == ["beans", "fault", "weds"] and alignment.runs == ((0, 3),)
    assert (
        alignment.fit == text_alignment.TextFit(3)
        and alignment.fit.found == 3
        and text_alignment.describe_text_fit(alignment.fit) == []
    )


def test_missing_words_are_named_with_their_place() -> None:
    words = ["beans", "fault", "weds", "mucus", "show", "mucus", "beans", "fault"]
    alignment = locate(words, sound(20, "beans", "fault", "beans", "fault", 20))
    assert [w.text for w in alignment.words] == ["beans", "fault", "beans", "fault"]
    assert [m[0] for m in alignment.fit.missing] == ["weds", "mucus", "show", "mucus"]
    assert all(abs(second - 0.84) < 0.05 for _, second in alignment.fit.missing)
    (note,) = text_alignment.describe_text_fit(alignment.fit)
    assert note.startswith("4 of 8 words of the text were not found in the speech: weds (0:00.8)")


def test_text_beyond_the_speech_and_words_nobody_can_say() -> None:
    alignment = locate(["beans", "fault", "weds", "天", "show", "mucus"], sound(20, "beans", "fault", "weds", 20))
    assert alignment.fit.outside == 2 and alignment.fit.unsayable == ("天",) and alignment.fit.missing == ()
    assert alignment.fit.found == 3 and len(text_alignment.describe_text_fit(alignment.fit)) == 2


def test_speech_that_is_not_in_the_text_parts_the_runs() -> None:
    own = sound(20, "beans", "fault", "weds", "show", "mucus", "show", "beans", "mucus", 20)
    alignment = locate(["beans", "fault", "beans", "mucus"], own)
    assert alignment.runs == ((0, 2), (2, 4))
    spans = text_alignment.find_run_frames(alignment, len(own))
    assert spans[0][1] <= 84 + 45 and spans[1][0] >= 180 - 45 and spans[0][1] <= spans[1][0]


def test_cues_of_another_film_do_no_harm() -> None:
    words = ["beans", "fault", "weds"]
    own = sound(20, "beans", "fault", 30, "weds", 20)
    assert locate(words, own, [(500.0, 502.0)] * 3).fit.found == 3
    assert locate(words, own, [(0.0, 1.0)] * 3).fit.found == 3


def recognize_sample(text: str) -> recognition.Recognition:
    from lipdub.media.audio import load_audio

    return recognition.recognize(load_audio(SPEECH, 16000), transcript=parse_transcript(text))


@needs_dictionary
def test_the_text_of_the_sample() -> None:
    result = recognize_sample(TEXT)
    assert result.source == "text" and result.language == "en" and result.text is not None
    assert result.text.found >= 12 and result.text_coverage > 0.9
    assert [w.text for w in result.words][:3] == ["Please", "keep", "my"]
    assert np.allclose(result.posteriors.sum(1), 1, atol=1e-4)
    assert all(a.end <= b.start + 0.06 for a, b in zip(result.words, result.words[1:], strict=False))


@pytest.mark.slow
@needs_dictionary
def test_another_text_is_reported_and_does_no_harm() -> None:
    result = recognize_sample(OTHER)
    assert result.text is not None and not result.text.is_used and result.source != "text"
    assert "does not fit" in text_alignment.describe_text_fit(result.text)[0]
    from lipdub.media.audio import load_audio

    assert np.array_equal(result.posteriors, recognition.recognize(load_audio(SPEECH, 16000)).posteriors)


@pytest.mark.slow
@needs_dictionary
def test_a_sentence_too_many_and_one_too_few() -> None:
    more = recognize_sample(TEXT.replace("map,", f"map. {OTHER}"))
    assert more.text is not None and more.text.is_used
    missing = [word for word, _ in more.text.missing]
    assert {"astronauts", "juggled", "submarine"} <= set(missing) and len(missing) <= 12
    fewer = recognize_sample(TEXT.replace("before we move to", ""))
    assert fewer.text is not None and fewer.text.found >= 8
    assert len(fewer.text.missing) <= 2


def test_silence_holds_no_words() -> None:
    result = recognition.recognize(
        np.zeros(16000, np.float32), transcript=parse_transcript("hello there"), language="en"
    )
    assert result.text is not None and not result.text.is_used
    assert (result.posteriors[:, PHONE_INDEX["sil"]] == 1).all()
