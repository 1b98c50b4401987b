"""The phone inventory, and the phones of ARPAbet and IPA symbols."""

from __future__ import annotations

from lipdub.speech.word import Segment

# fmt: off
PHONES = (
    "sil",
    "iy", "ih", "ey", "eh", "ae", "a", "aa", "ao", "ow", "uh", "uw", "y", "oe", "ax", "ah", "er",
    "p", "b", "m", "f", "v", "th", "dh", "t", "d", "n", "s", "z", "sh", "zh", "ch", "jh", "l", "r", "rr",
    "k", "g", "ng", "h", "w", "j", "x",
)
# fmt: on
SILENCE = "sil"
PHONE_INDEX = {phone: i for i, phone in enumerate(PHONES)}
VOWELS = PHONES[1:17]
BILABIALS = ("p", "b", "m")
LABIODENTALS = ("f", "v")

_DIPHTHONG_SPLIT = 0.55  # share of a diphthong's time that its first vowel takes

# fmt: off
_ARPABET = {
    "pau": ("sil",), "sil": ("sil",), "h#": ("sil",), "aa": ("aa",), "ae": ("ae",), "ah": ("ah",),
    "ao": ("ao",), "aw": ("a", "uh"), "ax": ("ax",), "axr": ("er",), "ay": ("a", "ih"), "eh": ("eh",),
    "er": ("er",), "ey": ("ey", "ih"), "ih": ("ih",), "ix": ("ih",), "iy": ("iy",), "ow": ("ow", "uh"),
    "oy": ("ao", "ih"), "uh": ("uh",), "uw": ("uw",), "hh": ("h",), "hv": ("h",), "y": ("j",),
    "el": ("ax", "l"), "em": ("m",), "en": ("n",), "dx": ("rr",), "nx": ("n",),
}
# fmt: on
# fmt: off
_IPA = {
    "i": "iy", "ɪ": "ih", "ɨ": "ih", "ɯ": "ih", "ᵻ": "ih", "e": "ey", "ɛ": "eh", "æ": "ae", "a": "a",
    "ä": "a", "ɐ": "ah", "ɑ": "aa", "ɒ": "ao", "ɔ": "ao", "o": "ow", "ɵ": "oe", "ʊ": "uh", "u": "uw",
    "ʉ": "uw", "y": "y", "ʏ": "y", "ø": "oe", "œ": "oe", "ə": "ax", "ɘ": "ax", "ɤ": "ah", "ʌ": "ah",
    "ɜ": "er", "ɝ": "er", "ɚ": "er", "ɞ": "oe", "p": "p", "b": "b", "β": "b", "m": "m", "ɱ": "m", "f": "f",
    "ɸ": "f", "v": "v", "ʋ": "v", "θ": "th", "ð": "dh", "t": "t", "ʈ": "t", "d": "d", "ɖ": "d", "n": "n",
    "ɳ": "n", "ɲ": "n", "s": "s", "z": "z", "ʃ": "sh", "ʂ": "sh", "ɕ": "sh", "ʒ": "zh", "ʐ": "zh", "ʑ": "zh",
    "l": "l", "ɭ": "l", "ʎ": "l", "ɫ": "l", "ɬ": "l", "ɹ": "r", "ɻ": "r", "r": "rr", "ɾ": "rr", "ɽ": "rr",
    "k": "k", "c": "k", "q": "k", "g": "g", "ɡ": "g", "ɟ": "g", "ɣ": "g", "ɢ": "g", "ŋ": "ng", "ɴ": "ng",
    "h": "h", "ɦ": "h", "ħ": "h", "ʕ": "h", "ʔ": "h", "w": "w", "ʍ": "w", "ɥ": "w", "ɰ": "w", "j": "j",
    "ʝ": "j", "x": "x", "χ": "x", "ç": "x", "ʁ": "x", "ʀ": "x",
}
# fmt: on
_AFFRICATES = {"tʃ": "ch", "dʒ": "jh", "tɕ": "ch", "dʑ": "jh", "tʂ": "ch", "dʐ": "jh"}


def phones_from_arpabet(name: str) -> tuple[str, ...]:
    """Return the phones of one ARPAbet phone; a diphthong gives two.

    Args:
        name: An ARPAbet phone as flite or CMUdict prints it; case and stress digits do not matter.

    Raises:
        KeyError: The name is unknown.
    """
    name = name.lower().rstrip("012")
    if name in _ARPABET:
        return _ARPABET[name]
    if name in PHONE_INDEX:
        return (name,)
    raise KeyError(name)


def phones_from_ipa(symbols: str) -> tuple[str, ...]:
    """Return the phones of an IPA string.

    Marks of stress, length and colour are skipped, and so are unknown symbols.
    """
    phones: list[str] = []
    i = 0
    while i < len(symbols):
        pair = symbols[i : i + 2]
        if pair in _AFFRICATES:
            phones.append(_AFFRICATES[pair])
            i += 2
            continue
        phone = _IPA.get(symbols[i])
        if phone and (not phones or phones[-1] != phone):
            phones.append(phone)
        i += 1
    return tuple(phones)


def split_time(phones: tuple[str, ...], start: float, end: float) -> list[Segment]:
    """Divide the time of one sound among its phones.

    The first vowel of a diphthong gets a little more than the second.

    Args:
        phones: Phones of the sound, at least one.
        start: Seconds.
        end: Seconds.
    """
    if len(phones) == 1:
        return [Segment(start, end, phones[0])]
    share = _DIPHTHONG_SPLIT if len(phones) == 2 else 1.0 / len(phones)
    rest = (1 - share) / (len(phones) - 1)
    cuts = [start + (end - start) * (share + rest * i) for i in range(len(phones) - 1)]
    edges = [start, *cuts, end]
    return [Segment(a, b, p) for p, a, b in zip(phones, edges[:-1], edges[1:], strict=True)]
