"""Words by the recogniser: where speech is cut, and that its children answer alike whatever was asked before."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from lipdub.speech import lips, words
from lipdub.speech.features import HOP, RATE
from lipdub.speech.phones import INDEX, PHONES

SAMPLE = Path(__file__).parents[1] / "sample" / "speech.wav"
needs_recogniser = pytest.mark.skipif(not words.available(), reason="pocketsphinx is not installed")


def silence_of(spans: list[tuple[int, bool]]) -> np.ndarray:
    """Posteriors of silence (True) and some vowel, so many frames each."""
    out = np.zeros((sum(n for n, _ in spans), len(PHONES)), np.float32)
    at = 0
    for count, silent in spans:
        out[at : at + count, INDEX["sil"] if silent else INDEX["aa"]] = 1.0
        at += count
    return out


def test_pieces_cover_everything_and_are_cut_in_pauses():
    p = silence_of([(50, True), (900, False), (60, True), (700, False), (40, True), (1500, False), (100, True)])
    found = words.pieces(p)
    assert found[0][0] == 0 and found[-1][1] == len(p)
    assert all(a[1] == b[0] for a, b in zip(found, found[1:], strict=False))
    assert all(b - a <= words.LONGEST * 100 for a, b in found)
    assert 950 <= found[0][1] <= 1010 and 1710 <= found[1][1] <= 1750  # the two pauses


def test_a_cut_depends_on_bounded_sound():
    rng = np.random.default_rng(0)
    p = silence_of([(int(n), bool(i % 2)) for i, n in enumerate(rng.integers(5, 120, 240))])
    whole = words.pieces(p)
    limit = 9000
    early = words.pieces(p[:limit])
    safe = [span for span in whole if span[0] + words.LONGEST * 100 <= limit]
    assert len(safe) > 3 and early[: len(safe) - 1] == safe[:-1]


def test_short_and_empty_speech():
    assert words.pieces(silence_of([])) == []
    assert words.pieces(silence_of([(7, False)])) == [(0, 7)]


@needs_recogniser
def test_words_of_the_sample():
    from lipdub.media.audio import load_audio

    audio = load_audio(SAMPLE, RATE)
    posteriors = lips.phone_posteriors(audio, lips.load_weights()[0])
    spans = [(0, len(posteriors)), (0, 150), (0, len(posteriors))]
    with words.recognisers(len(audio) / RATE, 2) as children:
        first, part, again = words.recognise(children, audio, spans, posteriors)
    assert first == again  # nothing is carried over from what was asked in between
    assert len(first) > 5 and part
    times = [t for word in first for t in (word.start, word.end)]
    assert times == sorted(times) and times[-1] <= len(audio) / RATE + 0.01
    for word in first:
        assert word.phones[0][0] == word.start and word.phones[-1][1] == word.end
        assert all(phone in INDEX and phone != "sil" for _, _, phone in word.phones)
        assert word.text == word.text.lower() and "<" not in word.text


@needs_recogniser
def test_given_words_are_found_or_refused():
    from lipdub.media.audio import load_audio

    audio = load_audio(SAMPLE, RATE)
    posteriors = lips.phone_posteriors(audio, lips.load_weights()[0])
    span = (0, len(audio) // HOP)
    with words.recognisers(len(audio) / RATE) as children:
        (heard,) = words.recognise(children, audio, [span], posteriors)
        said = [(word.text, "") for word in heard]
        invented = [(f"blorfin{'abc'[i]}", "B L AO R F IH N") for i in range(3)]
        located, taught, unknown = words.locate(
            children, audio, [(span, said), (span, [*said, *invented]), (span, [("blorfinzz", "")])]
        )
    assert [word.text for word in located] == [word.text for word in heard]
    np.testing.assert_allclose([w.start for w in located], [w.start for w in heard], atol=0.05)
    assert not taught or {"blorfina", "blorfinb"} <= {word.text for word in taught}
    assert unknown == []


@needs_recogniser
def test_silence_is_not_asked_about():
    audio = np.zeros(RATE, np.float32)
    posteriors = silence_of([(101, True)])
    with words.recognisers(1.0) as children:
        children[0].kill()
        assert words.recognise(children, audio, [(0, 101)], posteriors) == [[]]


def test_a_recogniser_that_ends_is_noticed():
    child = subprocess.Popen([sys.executable, "-c", "pass"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with pytest.raises(RuntimeError, match="ended unexpectedly"):
        words.recognise([child], np.zeros(RATE, np.float32), [(0, 100)], silence_of([(101, False)]))
    child.communicate()
