"""The language of a text, guessed."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.speech.language import guess_language
from lipdub.speech.transcript import parse_transcript


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
def test_the_language_of_a_text(text: str, language: str) -> None:
    english = {"the", "weather", "is", "fine", "and", "we", "are", "happy", "no", "me", "pero", "so", "non", "che"}
    assert guess_language(parse_transcript(text).words, english) == language


@given(st.lists(st.text(max_size=12), max_size=12))
def test_any_words_have_a_language_or_none(words: list[str]) -> None:
    language = guess_language(words, {"the", "a"})
    assert language is None or 2 <= len(language) <= 3
