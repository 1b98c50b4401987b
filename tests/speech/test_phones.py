"""Phones of ARPAbet and IPA symbols."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.speech import phones


def test_arpabet_and_ipa_are_mapped() -> None:
    assert phones.phones_from_arpabet("AY1") == ("a", "ih")
    assert phones.phones_from_arpabet("pau") == ("sil",)
    assert phones.phones_from_ipa("ˈtʃɔɪ") == ("ch", "ao", "ih")
    assert phones.phones_from_ipa("ɡ") == ("g",)
    assert phones.phones_from_ipa("ː") == ()
    with pytest.raises(KeyError):
        phones.phones_from_arpabet("qq")


@given(st.text(alphabet="abdefiklmnopstuvzæçðŋɐɑɔəɛɜɡɪɹʃʊʌʒθːˈˌ ̃tʃ", max_size=20))
def test_any_ipa_gives_known_phones(symbols: str) -> None:
    assert set(phones.phones_from_ipa(symbols)) <= set(phones.PHONES)


@given(st.lists(st.sampled_from(phones.PHONES), min_size=1, max_size=5), st.floats(0, 9), st.floats(0.02, 1))
def test_time_is_split_without_a_gap(names: list[str], start: float, seconds: float) -> None:
    parts = phones.split_time(tuple(names), start, start + seconds)
    assert [part.label for part in parts] == names
    assert parts[0].start == start and parts[-1].end == start + seconds
    assert all(a.end == b.start and a.end > a.start for a, b in itertools.pairwise(parts))


def test_the_first_vowel_of_a_diphthong_is_longer() -> None:
    first, second = phones.split_time(("a", "ih"), 0.0, 1.0)
    assert first.end == second.start == 0.55
