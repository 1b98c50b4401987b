"""The language of a text, guessed from its letters and its most common words."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

_VOICE_BY_SCRIPT = {  # how the Unicode name of a letter begins: voice of espeak-ng
    "HIRAGANA": "ja",
    "KATAKANA": "ja",
    "HANGUL": "ko",
    "CYRILLIC": "ru",
    "GREEK": "el",
    "ARABIC": "ar",
    "HEBREW": "he",
    "DEVANAGARI": "hi",
    "THAI": "th",
    "BENGALI": "bn",
    "TAMIL": "ta",
    "TELUGU": "te",
    "GEORGIAN": "ka",
    "ARMENIAN": "hy",
    "GUJARATI": "gu",
    "GURMUKHI": "pa",
    "KANNADA": "kn",
    "MALAYALAM": "ml",
    "SINHALA": "si",
    "CJK": "cmn",
}
# fmt: off
_DISTINCTIVE_LETTERS = {
    "ru": (("uk", "іїєґ"), ("be", "ў"), ("bg", "ъщ"), ("ru", "ыэё")),
    "ar": (("fa", "پچژگ"), ("ur", "ٹڈے")),
}
_COMMON_WORDS = {
    "en": "the of and to a in is that it was for on are as with his they be at this have from or by not but what all "
          "were when we there can an your which their if will my i you he she how do does don't it's i'm our so",
    "de": "der die und das ist nicht ich sie es ein eine zu den mit von auf für dem sich auch als an wir wie im hat "
          "sind war wird bei noch nach nur über aber aus wenn kann oder einen einer mich mir uns doch schon hier sehr",
    "fr": "le la les de des et est un une que qui dans pour pas vous nous il elle je ce sur avec au du en sont plus "
          "par mais ne se on c'est ou être fait cette bien tout comme leur j'ai d'un d'une qu'il n'est y à l'on",
    "es": "el la los las de que y en un una es no se por con para como más pero su al lo del está muy yo mi me "
          "a si ya todo esta son era hay cuando también porque nos ha este qué sin sobre ser",
    "it": "il lo la i gli le di che è e un una per non con si sono da come più ma del della nel alla anche io mi "
          "questo questa ho ha perché ci molto tutto se al dei essere stato suo c'è delle",
    "pt": "o a os as de que e em um uma é não se por com para como mais mas do da no na ao dos das eu você "
          "foi são está muito também isso ele ela meu seu quando já nós então pela pelo",
    "nl": "de het een en van is dat niet in op te zijn voor met die er aan ook als maar om wij ik je hij ze we dit "
          "bij naar nog wel door over uit heeft hebben wordt kan geen mijn onze was wat",
    "sv": "och att det som en på är av för med till den har de inte om ett jag men var sig så vi från kan när han hon "
          "då nu också efter eller vid mycket här du mig",
    "da": "og at det som en på er af for med til den har de ikke om et jeg men var sig så vi fra kan når han hun "
          "da nu også efter eller ved meget her du mig hvad",
    "nb": "og at det som en på er av for med til den har de ikke om et jeg men var seg så vi fra kan når han hun "
          "da nå også etter eller ved mye her du meg hva",
    "fi": "ja on ei se että hän oli joka mutta ovat kun niin kuin myös minä sinä tämä me he ole sen mitä vain jos "
          "nyt siitä olen tai hyvin",
    "pl": "i w nie na się że z do to jest o jak ale co po tak za od jego przez już był dla tym tego może ja ty my "
          "są być bardzo czy tylko jestem",
    "cs": "a je se na že v to z s do ne i o jako ale za by po jsem si co tak jsou pro být když už bylo jen má není",
    "tr": "ve bir bu da de için çok ne o ama ile ben sen biz daha gibi var mi mı değil en kadar olarak olan her şey "
          "sonra iyi",
    "id": "dan yang di itu ini dengan untuk tidak dari dalam akan pada saya kami kita anda ada bisa juga ke oleh "
          "karena sudah atau",
    "ro": "și în de la cu nu este pe care un o mai că pentru din sunt să au a fost ca dar sau ce se lui eu tu",
    "hu": "a az és hogy nem is egy van ez azt meg de ha csak már mint vagy volt még én te mi ő nagyon itt kell",
    "vi": "và của là có không được cho một những trong với này người đã khi để các tôi bạn rất cũng",
}
# fmt: on
_MIN_COMMON_SHARE = 0.12  # share of a text's words that must be common ones of the language
_MIN_KANA_SHARE = 0.1  # share of kana among Chinese characters from which on a text is Japanese
_ACCENT_PENALTY = 0.5  # English words rarely have accents
_MIN_KNOWN_SHARE = 0.5  # share of words in the English dictionary for English to be likely
_MIN_KNOWN_SHARE_ALONE = 0.8  # the same where the common words say nothing: names and terms are listed too


def guess_language(words: Sequence[str], english: Collection[str]) -> str | None:
    """Guess the language of a text.

    Args:
        words: Words of the text.
        english: All known English words, in lower case.

    Returns:
        A voice of espeak-ng ("en", "de", ...), or None if the language is unclear.
    """
    scripts = Counter(_find_voice_of_letter(c) for word in words for c in word if c.isalpha())
    if not scripts:
        return "en"  # numbers alone
    if scripts["ja"] > _MIN_KANA_SHARE * scripts.total():
        return "ja"
    voice = scripts.most_common(1)[0][0]
    if voice:
        letters = "".join(words).lower()
        for name, distinctive in _DISTINCTIVE_LETTERS.get(voice, ()):
            if any(c in letters for c in distinctive):
                return name
        return voice
    return _guess_latin(words, english)


def _guess_latin(words: Sequence[str], english: Collection[str]) -> str | None:
    """Guess the language of a text in Latin letters."""
    lower = [re.sub("[’`]", "'", word.lower()) for word in words if any(c.isalpha() for c in word)]
    common = {name: set(text.split()) for name, text in _COMMON_WORDS.items()}
    share = {name: sum(w in common[name] for w in lower) / len(lower) for name in common}
    share["en"] -= _ACCENT_PENALTY * sum(not word.isascii() for word in lower) / len(lower)
    best = max(share, key=lambda name: share[name])
    known = sum(w in english for w in lower) / len(lower)
    if known > _MIN_KNOWN_SHARE and share["en"] >= share[best]:
        return "en"
    if share[best] >= _MIN_COMMON_SHARE and best != "en":
        return best
    return "en" if known > _MIN_KNOWN_SHARE_ALONE else None


def _find_voice_of_letter(letter: str) -> str:
    name = unicodedata.name(letter, "")
    return next((voice for begin, voice in _VOICE_BY_SCRIPT.items() if name.startswith(begin)), "")
