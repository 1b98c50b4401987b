"""How words are said: English by PocketSphinx's dictionary, other words and languages by espeak-ng or
rules.
"""

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

_HAN = re.compile("[\u3400-\u4dbf\u4e00-\u9fff]")
_VARIANT = re.compile(r"\(\d+\)$")
_SYMBOLS = {"&": "and", "%": "percent", "@": "at", "+": "plus", "=": "equals"}
_VOICELESS, _HISSING = {"P", "T", "K", "F", "TH"}, {"S", "Z", "SH", "ZH", "CH", "JH"}

# IPA of espeak-ng's American voice to ARPAbet, longest first
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
_IPA_PIECES = re.compile("|".join(sorted(map(re.escape, _IPA_ARPABET), key=len, reverse=True)))


@dataclass(frozen=True)
class Pronunciation:
    """phones: of `speech.phones.PHONES`, none where nobody knows how the word is said."""

    phones: tuple[str, ...]


def find_dictionary() -> Path | None:
    """PocketSphinx's English dictionary, or None when it is not installed."""
    return find_wheel_file("pocketsphinx", "model", "en-us", "cmudict-en-us.dict")


def load_dictionary() -> dict[str, str]:
    """English words in lower case and their ARPAbet, the first way of saying each. Empty without
    PocketSphinx.
    """
    path = find_dictionary()
    return _read(path) if path is not None else {}


@lru_cache(maxsize=1)
def _read(path: Path) -> dict[str, str]:
    out: dict[str, str] = {}
    with open(path, encoding="utf-8") as file:
        for line in file:
            word, _, sounds = line.strip().partition(" ")
            if sounds and not _VARIANT.search(word):
                out[word] = sounds.strip()
    return out


def resolve_language(words: Sequence[str], language: str = "auto") -> str:
    """The language to say the words in: the one that is given, or what they look like.

    Raises UsageError when it cannot be told, EnvironmentFailure when it takes espeak-ng, which is not there.
    """
    if language == "auto":
        found = guess_language(words, load_dictionary())
        if found is None:
            raise UsageError("the language of the text cannot be told", hint="Give it with --language, as de or fr.")
        language = found
    if not is_english(language) and not espeak.is_available():
        raise EnvironmentFailure(
            f"a text in the language {language!r} takes espeak-ng, which is not installed",
            hint="Install the package espeakng-loader, or leave the text out.",
        )
    return language


def pronounce(words: Sequence[str], language: str) -> list[Pronunciation]:
    """How each word is said.

    words: as they are spelt; language: "en" or a voice of espeak-ng. Raises UsageError when there is no such
    voice, EnvironmentFailure when espeak-ng fails.
    """
    if is_english(language):
        return [
            Pronunciation(tuple(p for name in sounds.split() for p in phones_from_arpabet(name)))
            for sounds in pronounce_arpabet(words)
        ]
    unique = list(dict.fromkeys(words))
    asked = [word for word in unique if not (language == "ja" and _HAN.search(word))]  # it cannot read these
    said = dict(zip(asked, _espeak(asked, language), strict=True))
    phones = {word: Pronunciation(phones_from_ipa(_plain(said.get(word, "")))) for word in unique}
    return [phones[word] for word in words]


def _espeak(words: Sequence[str], voice: str) -> list[str]:
    try:
        return espeak.pronounce_ipa(words, voice)
    except ValueError as error:
        raise UsageError(str(error), hint="--language takes codes as en, de, fr, es, it, ja, cmn.") from error
    except (RuntimeError, OSError) as error:
        raise EnvironmentFailure(f"the text cannot be pronounced: {error}") from error


def _plain(ipa: str) -> str:
    """Without marks that say which language a word is taken from."""
    return re.sub(r"\([a-z-]+\)", "", ipa)


def pronounce_arpabet(words: Sequence[str]) -> list[str]:
    """How each English word is said: ARPAbet, apart by spaces."""
    listed = load_dictionary()
    sounds = {word: _known(word, listed) for word in dict.fromkeys(words)}
    unknown = [word for word, found in sounds.items() if found is None]
    if unknown and espeak.is_available():
        for word, ipa in zip(unknown, _espeak(unknown, "en-us"), strict=True):
            sounds[word] = ipa_to_arpabet(_plain(ipa)) or None
    return [sounds[word] or " ".join(letters_to_arpabet(_bare(word))) for word in words]


def _bare(word: str) -> str:
    return re.sub("[’`]", "'", word.lower())


def _known(word: str, listed: dict[str, str]) -> str | None:
    """ARPAbet by the dictionary, of the whole or of its parts; of numbers in words; of letters one by one."""
    lower = _bare(word)
    for form in (lower, lower.strip("'")):
        if form in listed:
            return listed[form]
    number = spell_number(lower.strip("'"))
    if number is not None:
        return _joined(number, listed)
    if lower in _SYMBOLS:
        return _joined([_SYMBOLS[lower]], listed)
    if lower.endswith("'s") and len(lower) > 2:
        stem = _known(word[:-2], listed)
        return f"{stem} {_ending(stem)}" if stem else None
    parts = [p for p in re.split(r"(\d[\d.,:]*)|[-.,'’_:]|([&%@+=])", word) if p]
    if len(parts) > 1:
        found = [_known(part, listed) for part in parts]
        return " ".join(p for p in found if p) if all(found) else None
    letters = (word.isupper() and len(word) <= 3) or not re.search("[aeiouy]", lower)
    if word.isascii() and word.isalpha() and letters and len(word) <= 6:
        return " ".join(LETTER_ARPABET[c] for c in lower)
    return None


def _joined(words: Sequence[str], listed: dict[str, str]) -> str:
    return " ".join(listed.get(word) or " ".join(letters_to_arpabet(word)) for word in words)


def _ending(sounds: str) -> str:
    """The sound of an added s."""
    last = sounds.split()[-1]
    return "IH Z" if last in _HISSING else "S" if last in _VOICELESS else "Z"


def ipa_to_arpabet(ipa: str) -> str:
    """ARPAbet, apart by spaces, of English in IPA; marks and foreign sounds are passed over."""
    return " ".join(_IPA_ARPABET[piece] for piece in _IPA_PIECES.findall(re.sub("[ˈˌː ]", "", ipa)))
