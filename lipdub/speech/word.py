"""Words with their times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


@dataclass(frozen=True)
class Word:
    """start, end: seconds; phones: (start s, end s, phone of `speech.phones.PHONES`), contiguous inside it; fit:
    how well the phone network agrees, 0 to about 1, NaN where nobody has asked it.
    """

    text: str
    start: float
    end: float
    phones: tuple[tuple[float, float, str], ...]
    fit: float = float("nan")


def is_english(language: str) -> bool:
    """Whether a language code is one of English ("en", "en-gb")."""
    return language.lower().replace("_", "-").split("-")[0] == "en"


def iter_phones(words: Sequence[Word]) -> Iterator[tuple[float, float, str]]:
    """All phones of the words, in order."""
    for word in words:
        yield from word.phones
