"""Words with their times, and codes of English."""

from __future__ import annotations

import pytest

from lipdub.speech.word import Segment, Word, is_english, iter_phones


@pytest.mark.parametrize(
    ("code", "is_it"), [("en", True), ("en-gb", True), ("EN_US", True), ("eng", False), ("de", False), ("", False)]
)
def test_codes_of_english(code: str, is_it: bool) -> None:
    assert is_english(code) is is_it


def test_phones_of_words_come_in_order() -> None:
    first = Word("a", 0.0, 0.1, (Segment(0.0, 0.1, "ah"),))
    second = Word("m", 0.2, 0.3, (Segment(0.2, 0.25, "eh"), Segment(0.25, 0.3, "m")))
    assert [phone.label for phone in iter_phones([first, second])] == ["ah", "eh", "m"]
    assert first.fit != first.fit  # nobody measured it
