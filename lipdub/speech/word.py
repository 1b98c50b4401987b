"""Words and phones with their times."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


class Segment(NamedTuple):
    """A labelled span of time.

    Attributes:
        start: Seconds.
        end: Seconds.
        label: A phone, or the name of a mouth shape.
    """

    start: float
    end: float
    label: str


@dataclass(frozen=True)
class Word:
    """A word and where it lies in the speech.

    Attributes:
        text: The word as it is spelt.
        start: Seconds.
        end: Seconds.
        phones: Phones of `lipdub.speech.phones.PHONES`, contiguous inside the word.
        fit: Agreement with the phone network, 0 to about 1; NaN if it was not measured.
    """

    text: str
    start: float
    end: float
    phones: tuple[Segment, ...]
    fit: float = float("nan")


def is_english(language: str) -> bool:
    """Return whether a language code is one of English ("en", "en-gb")."""
    return language.lower().replace("_", "-").split("-")[0] == "en"


def iter_phones(words: Sequence[Word]) -> Iterator[Segment]:
    """Yield all phones of the words, in order."""
    for word in words:
        yield from word.phones
