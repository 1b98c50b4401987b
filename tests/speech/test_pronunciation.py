"""How words are said: by the dictionary, in parts, as numbers, letter by letter, by espeak-ng, by rules."""

from __future__ import annotations

import pytest

from lipdub.errors import EnvironmentFailure, UsageError
from lipdub.speech import espeak, pronunciation
from lipdub.speech.phones import PHONE_INDEX
from lipdub.speech.spelling import letters_to_arpabet

needs_dictionary = pytest.mark.skipif(pronunciation.find_dictionary() is None, reason="pocketsphinx is not installed")
needs_espeak = pytest.mark.skipif(not espeak.is_available(), reason="espeakng-loader is not installed")


def arpabet(word: str) -> str:
    return pronunciation.pronounce_arpabet([word])[0]


@needs_dictionary
def test_english_words_by_the_dictionary() -> None:
    assert arpabet("Hello") == "HH AH L OW" and arpabet("don’t") == "D OW N T"
    assert pronunciation.pronounce(["Hello"], "en-gb")[0].phones == ("h", "ah", "l", "ow", "uh")
    assert arpabet("'quoted") == arpabet("quoted") and arpabet("boys'").endswith("Z")


@needs_dictionary
def test_parts_endings_numbers_and_letters() -> None:
    assert arpabet("well-known") == f"{arpabet('well')} {arpabet('known')}"
    assert arpabet("GPU's") == "JH IY P IY Y UW Z"
    assert arpabet("$5.50") == " ".join(arpabet(w) for w in ["five", "dollars", "fifty"])
    assert arpabet("1990s") == " ".join(arpabet(w) for w in ["nineteen", "nineties"])
    assert arpabet("&") == arpabet("and")


def test_without_espeak_unknown_words_go_by_rules(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(espeak, "is_available", lambda: False)
    assert arpabet("Scuffleen") == " ".join(letters_to_arpabet("scuffleen"))
    with pytest.raises(EnvironmentFailure, match="espeak-ng"):
        pronunciation.resolve_language(["und"], "de")


@needs_espeak
def test_unknown_english_words_by_espeak() -> None:
    assert arpabet("Worcestershirely").startswith("W UH S T ER")
    assert pronunciation.ipa_to_arpabet("tʃˈaɪld ˈɑːɹt bˈɜːd") == "CH AY L D AA R T B ER D"


@needs_espeak
def test_other_languages_by_espeak() -> None:
    words = pronunciation.pronounce(["schön", "Bücher", "schön", "25"], "de")
    assert words[0].phones == ("sh", "oe", "n") and words[2] == words[0]
    assert "y" in words[1].phones and len(words[3].phones) > 6
    assert all(phone in PHONE_INDEX for word in words for phone in word.phones)
    kana, kanji = pronunciation.pronounce(["こんにちは", "天気"], "ja")
    assert kana.phones[:2] == ("k", "ow") and kanji.phones == ()


@needs_espeak
def test_a_voice_there_is_not_is_named() -> None:
    with pytest.raises(UsageError, match="xx"):
        pronunciation.pronounce(["word"], "xx")


def test_a_language_that_cannot_be_told_is_asked_for() -> None:
    with pytest.raises(UsageError, match="--language"):
        pronunciation.resolve_language(["xyzzy", "plugh", "qwrt"])


@pytest.mark.parametrize("word", ["a's" * 2000, "x" * 3000, "9" * 6000, "1." * 500, "-" * 700 + "a"])
def test_odd_tokens_do_not_fail(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.setattr(espeak, "is_available", lambda: False)
    assert isinstance(arpabet(word), str)
