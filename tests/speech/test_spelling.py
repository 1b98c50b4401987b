"""Numbers in words, and letters to sounds."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.speech.pronunciation import find_dictionary, load_dictionary
from lipdub.speech.spelling import letters_to_arpabet, spell_cardinal, spell_number, spell_ordinal

needs_dictionary = pytest.mark.skipif(find_dictionary() is None, reason="pocketsphinx is not installed")


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
def test_numbers_in_words(token: str, words: str) -> None:
    assert spell_number(token) == words.split()


def test_other_tokens_are_no_numbers() -> None:
    assert spell_number("abc") is None and spell_number("3x") is None and spell_number("") is None


def test_rules_for_words_nobody_has_listed() -> None:
    assert letters_to_arpabet("leen") == ["L", "IY", "N"]
    assert letters_to_arpabet("scuffling") == ["S", "K", "AH", "F", "AH", "L", "IH", "NG"]
    assert letters_to_arpabet("") == [] and letters_to_arpabet("éé") == []


@pytest.mark.slow
@needs_dictionary
def test_rules_are_right_about_most_sounds() -> None:
    entries = [(w, p.split()) for w, p in load_dictionary().items() if w.isalpha()][::300]
    wrong = sum(_distance(letters_to_arpabet(word), sounds) for word, sounds in entries)
    assert wrong / sum(len(sounds) for _, sounds in entries) < 0.25


def _distance(a: list[str], b: list[str]) -> int:
    row = list(range(len(b) + 1))
    for i, x in enumerate(a):
        new = [i + 1]
        for j, y in enumerate(b):
            new.append(min(row[j] + (x != y), row[j + 1] + 1, new[j] + 1))
        row = new
    return row[-1]


def count(words: list[str]) -> int:
    """The number that its words name."""
    ones = {word: n for n in range(20) for word in spell_cardinal(n)}
    tens = {spell_cardinal(n)[0]: n for n in range(20, 100, 10)}
    great = {"thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
    total, group = 0, 0
    for word in words:
        if word in great:
            total, group = total + group * great[word], 0
        elif word == "hundred":
            group *= 100
        else:
            group += ones[word] if word in ones else tens[word]
    return total + group


@given(st.integers(0, 10**15 - 1))
def test_cardinals_name_their_number(number: int) -> None:
    assert count(spell_cardinal(number)) == number


@given(st.text(alphabet="0123456789,.$€£¥%°+-:'stndrdth٣²", max_size=40))
def test_any_token_is_spelled_or_is_none(token: str) -> None:
    words = spell_number(token)
    assert words is None or (words and all(word.isalpha() for word in words))


def test_long_numbers_are_said_digit_by_digit() -> None:
    assert spell_number("7" * 5000) == ["seven"] * 5000
    assert spell_number(str(10**15)) == ["one"] + ["zero"] * 15


def test_ordinals() -> None:
    assert [spell_ordinal(word) for word in ("three", "twenty", "six")] == ["third", "twentieth", "sixth"]


@given(st.text(max_size=30))
def test_rules_take_any_word(word: str) -> None:
    assert all(sound.isupper() for sound in letters_to_arpabet(word))
