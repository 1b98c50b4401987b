"""How words are said: by the dictionary, as numbers, letter by letter, by espeak-ng, by rules; and the
language."""

from __future__ import annotations

import pytest

from lipdub.errors import EnvironmentFailure, UsageError
from lipdub.speech import espeak, pronunciation
from lipdub.speech.language import guess_language
from lipdub.speech.phones import PHONE_INDEX
from lipdub.speech.spelling import letters_to_arpabet, spell_number
from lipdub.speech.transcript import parse_transcript

needs_dictionary = pytest.mark.skipif(pronunciation.find_dictionary() is None, reason="pocketsphinx is not installed")
needs_espeak = pytest.mark.skipif(not espeak.is_available(), reason="espeakng-loader is not installed")


def said(word: str) -> str:
    return pronunciation.pronounce_arpabet([word])[0]


@needs_dictionary
def test_english_words_by_the_dictionary():
    assert said("Hello") == "HH AH L OW" and said("don’t") == "D OW N T"
    assert pronunciation.pronounce(["Hello"], "en-gb")[0].phones == ("h", "ah", "l", "ow", "uh")
    assert said("'quoted") == said("quoted") and said("boys'").endswith("Z")


@needs_dictionary
def test_parts_endings_numbers_and_letters():
    assert said("well-known") == f"{said('well')} {said('known')}"
    assert said("GPU's") == "JH IY P IY Y UW Z"
    assert said("$5.50") == " ".join(said(w) for w in ["five", "dollars", "fifty"])
    assert said("1990s") == " ".join(said(w) for w in ["nineteen", "nineties"])
    assert said("&") == said("and")


@pytest.mark.parametrize(
    ("token", "words"),
    [
        ("0", "zero"),
        ("15", "fifteen"),
        ("42", "forty two"),
        ("1,000", "one thousand"),
        ("3rd", "third"),
        ("120th", "one hundred twentieth"),
        ("2005", "two thousand five"),
        ("1905", "nineteen oh five"),
        ("1900", "nineteen hundred"),
        ("3.14", "three point one four"),
        ("50%", "fifty percent"),
        ("$1", "one dollar"),
        ("£2.05", "two pounds five"),
        ("10:30", "ten thirty"),
        ("007", "zero zero seven"),
        ("1234567", "one million two hundred thirty four thousand five hundred sixty seven"),
        ("-3", "minus three"),
    ],
)
def test_numbers_in_words(token: str, words: str):
    assert spell_number(token) == words.split()


def test_other_tokens_are_no_numbers():
    assert spell_number("abc") is None and spell_number("3x") is None and spell_number("") is None


def test_rules_for_words_nobody_has_listed():
    assert letters_to_arpabet("leen") == ["L", "IY", "N"]
    assert letters_to_arpabet("scuffling") == ["S", "K", "AH", "F", "AH", "L", "IH", "NG"]
    assert letters_to_arpabet("") == [] and letters_to_arpabet("éé") == []


@needs_dictionary
def test_rules_are_right_about_most_sounds():
    listed = [(w, p.split()) for w, p in pronunciation.load_dictionary().items() if w.isalpha()][::300]
    wrong = sum(_distance(letters_to_arpabet(word), sounds) for word, sounds in listed)
    assert wrong / sum(len(sounds) for _, sounds in listed) < 0.25


def _distance(a: list[str], b: list[str]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        new = [i + 1]
        for j, y in enumerate(b):
            new.append(min(row[j] + (x != y), row[j + 1] + 1, new[j] + 1))
        row = new
    return row[-1]


def test_without_espeak_unknown_words_go_by_rules(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(espeak, "is_available", lambda: False)
    assert said("Scuffleen") == " ".join(letters_to_arpabet("scuffleen"))
    with pytest.raises(EnvironmentFailure, match="espeak-ng"):
        pronunciation.resolve_language(["und"], "de")


@needs_espeak
def test_unknown_english_words_by_espeak():
    assert said("Worcestershirely").startswith("W UH S T ER")
    assert pronunciation.ipa_to_arpabet("tʃˈaɪld ˈɑːɹt bˈɜːd") == "CH AY L D AA R T B ER D"


@needs_espeak
def test_other_languages_by_espeak():
    words = pronunciation.pronounce(["schön", "Bücher", "schön", "25"], "de")
    assert words[0].phones == ("sh", "oe", "n") and words[2] == words[0]
    assert "y" in words[1].phones and len(words[3].phones) > 6
    assert all(phone in PHONE_INDEX for word in words for phone in word.phones)
    kana, kanji = pronunciation.pronounce(["こんにちは", "天気"], "ja")
    assert kana.phones[:2] == ("k", "ow") and kanji.phones == ()


@needs_espeak
def test_a_voice_there_is_not_is_named():
    with pytest.raises(UsageError, match="xx"):
        pronunciation.pronounce(["word"], "xx")


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("the weather is fine and we are happy", "en"),
        ("Der Hund lief über die Straße und bellte", "de"),
        ("Je ne sais pas ce que vous voulez dire", "fr"),
        ("No sé qué quieres decir con eso, pero me gusta", "es"),
        ("Non so che cosa dire, ma è una bella giornata", "it"),
        ("Não sei o que você quer dizer com isso", "pt"),
        ("Ik weet niet wat je bedoelt, maar het is goed", "nl"),
        ("привет, как дела", "ru"),
        ("Привіт, їжак", "uk"),
        ("今日は天気がいい", "ja"),
        ("你好世界", "cmn"),
        ("안녕하세요", "ko"),
        ("1 2 3", "en"),
    ],
)
def test_the_language_of_a_text(text: str, language: str):
    english = set(["the", "weather", "is", "fine", "and", "we", "are", "happy", "no", "me", "pero", "so", "non", "che"])
    assert guess_language(parse_transcript(text).words, english) == language


def test_a_language_that_cannot_be_told_is_asked_for():
    with pytest.raises(UsageError, match="--language"):
        pronunciation.resolve_language(["xyzzy", "plugh", "qwrt"])
