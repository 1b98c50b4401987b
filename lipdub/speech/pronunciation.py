"""Pronunciation of words: English by PocketSphinx's dictionary, other words and languages by espeak-ng or rules."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from lipdub.errors import EnvironmentFailure, UsageError
from lipdub.speech import espeak
from lipdub.speech.language import guess_language
from lipdub.speech.phones import phones_from_arpabet, phones_from_ipa
from lipdub.speech.spelling import LETTER_ARPABET, letters_to_arpabet, spell_number
from lipdub.speech.wheel_data import find_wheel_file
from lipdub.speech.word import is_english

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_CHINESE_CHARACTER = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_VARIANT = re.compile(r"\(\d+\)$")  # a further pronunciation in the dictionary
_SYMBOLS = {"&": "and", "%": "percent", "@": "at", "+": "plus", "=": "equals"}
_VOICELESS, _SIBILANTS = {"P", "T", "K", "F", "TH"}, {"S", "Z", "SH", "ZH", "CH", "JH"}

# IPA of espeak-ng's American voice to ARPAbet
# fmt: off
_IPA_ARPABET = {
    "aɪɚ": "AY ER", "aɪə": "AY AH", "iə": "IY AH", "əl": "AH L", "n̩": "AH N", "m̩": "AH M", "l̩": "AH L",
    "tʃ": "CH", "dʒ": "JH", "aɪ": "AY", "aʊ": "AW", "ɔɪ": "OY", "eɪ": "EY", "oʊ": "OW", "əʊ": "OW", "ɑɹ": "AA R",
    "ɔɹ": "AO R", "ɚ": "ER", "ɝ": "ER", "ɜ": "ER", "ʌ": "AH", "ə": "AH", "ɐ": "AH", "æ": "AE", "ɑ": "AA",
    "a": "AE", "ɒ": "AA", "ɔ": "AO", "ɛ": "EH", "e": "EH", "ɪ": "IH", "ᵻ": "IH", "i": "IY", "ʊ": "UH", "u": "UW",
    "o": "OW", "y": "UW", "ø": "ER", "œ": "ER", "p": "P", "b": "B", "t": "T", "d": "D", "k": "K", "ɡ": "G", "g": "G",
    "f": "F", "v": "V", "θ": "TH", "ð": "DH", "s": "S", "z": "Z", "ʃ": "SH", "ʒ": "ZH", "h": "HH", "m": "M", "n": "N",
    "ŋ": "NG", "l": "L", "ɫ": "L", "ɹ": "R", "r": "R", "ɾ": "T", "ʔ": "T", "j": "Y", "w": "W", "x": "K", "ç": "HH",
    "ɲ": "N Y",
}
# fmt: on
_IPA_SYMBOL = re.compile("|".join(sorted(map(re.escape, _IPA_ARPABET), key=len, reverse=True)))
_MAX_WORD_LETTERS = 500  # longer tokens are no words
_MAX_SPELLED_CAPITALS, _MAX_SPELLED_LETTERS = 3, 6  # lengths up to which abbreviations are said letter by letter


@dataclass(frozen=True)
class Pronunciation:
    """The pronunciation of a word.

    Attributes:
        phones: Phones of `lipdub.speech.phones.PHONES`; none if the pronunciation is unknown.
    """

    phones: tuple[str, ...]


def find_dictionary() -> Path | None:
    """Find PocketSphinx's English dictionary; None if it is not installed."""
    return find_wheel_file("pocketsphinx", "model", "en-us", "cmudict-en-us.dict")


def load_dictionary() -> dict[str, str]:
    """Load the English words, in lower case, with their first pronunciation in ARPAbet.

    Returns:
        The dictionary; empty without PocketSphinx.
    """
    path = find_dictionary()
    return _read_dictionary(path) if path is not None else {}


@lru_cache(maxsize=1)
def _read_dictionary(path: Path) -> dict[str, str]:
    entries: dict[str, str] = {}
    with path.open(encoding="utf-8") as file:
        for line in file:
            word, _, sounds = line.strip().partition(" ")
            if sounds and not _VARIANT.search(word):
                entries[word] = sounds.strip()
    return entries


def resolve_language(words: Sequence[str], language: str = "auto") -> str:
    """Return the language to pronounce words in: the given one, or with "auto" the one that their spelling suggests.

    Raises:
        UsageError: The language cannot be guessed.
        EnvironmentFailure: The language needs espeak-ng, which is not installed.
    """
    if language == "auto":
        guess = guess_language(words, load_dictionary())
        if guess is None:
            raise UsageError(
                "the language of the text cannot be guessed", hint="Give it with --language, for example de or fr."
            )
        language = guess
    if not is_english(language) and not espeak.is_available():
        raise EnvironmentFailure(
            f"a text in the language {language!r} needs espeak-ng, which is not installed",
            hint="Install the package espeakng-loader, or leave the text out.",
        )
    return language


def pronounce(words: Sequence[str], language: str) -> list[Pronunciation]:
    """Pronounce words.

    Args:
        words: The words as they are spelt.
        language: "en" or a voice of espeak-ng.

    Raises:
        UsageError: There is no such voice.
        EnvironmentFailure: espeak-ng failed.
    """
    if is_english(language):
        return [
            Pronunciation(tuple(p for name in sounds.split() for p in phones_from_arpabet(name)))
            for sounds in pronounce_arpabet(words)
        ]
    unique = list(dict.fromkeys(words))
    # espeak-ng cannot read the Chinese characters of Japanese
    readable = [word for word in unique if not (language == "ja" and _CHINESE_CHARACTER.search(word))]
    ipa = dict(zip(readable, _ask_espeak(readable, language), strict=True))
    phones = {word: Pronunciation(phones_from_ipa(_remove_language_marks(ipa.get(word, "")))) for word in unique}
    return [phones[word] for word in words]


def _ask_espeak(words: Sequence[str], voice: str) -> list[str]:
    try:
        return espeak.pronounce_ipa(words, voice)
    except ValueError as error:
        raise UsageError(str(error), hint="--language takes codes such as en, de, fr, es, it, ja, cmn.") from error
    except (RuntimeError, OSError) as error:
        raise EnvironmentFailure(f"the text cannot be pronounced: {error}") from error


def _remove_language_marks(ipa: str) -> str:
    """Remove the marks of a word's language."""
    return re.sub(r"\([a-z-]+\)", "", ipa)


def pronounce_arpabet(words: Sequence[str]) -> list[str]:
    """Return the ARPAbet of each English word, separated by spaces."""
    dictionary = load_dictionary()
    sounds = {word: _look_up(word, dictionary) for word in dict.fromkeys(words)}
    unknown = [word for word, arpabet in sounds.items() if arpabet is None]
    if unknown and espeak.is_available():
        for word, ipa in zip(unknown, _ask_espeak(unknown, "en-us"), strict=True):
            sounds[word] = ipa_to_arpabet(_remove_language_marks(ipa)) or None
    return [sounds[word] or " ".join(letters_to_arpabet(_normalise(word))) for word in words]


def _normalise(word: str) -> str:
    return re.sub("[’`]", "'", word.lower())


def _look_up(word: str, dictionary: dict[str, str]) -> str | None:
    """Return the ARPAbet of a word; None if it is unknown.

    The word is looked up whole, as a number, as a symbol, without 's, in parts, or letter by letter.
    """
    if len(word) > _MAX_WORD_LETTERS:
        return None
    lower = _normalise(word)
    for form in (lower, lower.strip("'")):
        if form in dictionary:
            return dictionary[form]
    number = spell_number(lower.strip("'"))
    if number is not None:
        return _join_sounds(number, dictionary)
    if lower in _SYMBOLS:
        return _join_sounds([_SYMBOLS[lower]], dictionary)
    if lower.endswith("'s") and len(lower) > 2:
        stem = _look_up(word[:-2], dictionary)
        return f"{stem} {_pronounce_final_s(stem)}" if stem else None
    parts = [p for p in re.split(r"(\d[\d.,:]*)|[-.,'’_:]|([&%@+=])", word) if p]
    if len(parts) > 1:
        sounds = [_look_up(part, dictionary) for part in parts]
        return " ".join(p for p in sounds if p) if all(sounds) else None
    if _is_spelled_out(word, lower):
        return " ".join(LETTER_ARPABET[c] for c in lower)
    return None


def _is_spelled_out(word: str, lower: str) -> bool:
    """Return whether a word is said letter by letter: a short one in capitals or without vowels."""
    is_abbreviation = (word.isupper() and len(word) <= _MAX_SPELLED_CAPITALS) or not re.search("[aeiouy]", lower)
    return word.isascii() and word.isalpha() and is_abbreviation and len(word) <= _MAX_SPELLED_LETTERS


def _join_sounds(words: Sequence[str], dictionary: dict[str, str]) -> str:
    return " ".join(dictionary.get(word) or " ".join(letters_to_arpabet(word)) for word in words)


def _pronounce_final_s(sounds: str) -> str:
    last = sounds.split()[-1]
    if last in _SIBILANTS:
        return "IH Z"
    return "S" if last in _VOICELESS else "Z"


def ipa_to_arpabet(ipa: str) -> str:
    """Return the ARPAbet of English in IPA, separated by spaces; marks and foreign sounds are skipped."""
    return " ".join(_IPA_ARPABET[symbol] for symbol in _IPA_SYMBOL.findall(re.sub("[ˈˌː ]", "", ipa)))
