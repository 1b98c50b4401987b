"""What is said, when: phones over time, as the phone network hears them, and as a given text says.

Where a text is given its words are looked for in the sound. Where they lie, what the network hears and what the text
says count together; speech that is not in the text is heard freely.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lipdub.speech.phone_features import FRAME_RATE
from lipdub.speech.phone_network import decode_phones
from lipdub.speech.phone_recognizer import compute_phone_posteriors, load_weights
from lipdub.speech.phones import PHONE_INDEX
from lipdub.speech.word import Word, iter_phones

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lipdub.speech.text_alignment import TextFit
    from lipdub.speech.transcript import Transcript

_TOLD = 0.4
"""What the text's own phones count where they lie, against what the network hears there. At either end the lips follow
real ones less well: phones alone are too square, the network alone mishears."""


@dataclass(frozen=True)
class Recognition:
    """posteriors: float32 (frames, len(PHONES)), 100 a second, rows sum to one; phones: (start s, end s, phone)
    contiguous; words: of the text, in order, with how well each fits; share: of the speech's time, how much the
    words cover, 0 to 1; way: "text", or "sound" alone; text: how the text that was given fits, None without one;
    language: of the text.
    """

    posteriors: np.ndarray
    phones: list[tuple[float, float, str]]
    words: tuple[Word, ...] = ()
    share: float = 0.0
    way: str = "sound"
    text: TextFit | None = None
    language: str = ""


def recognize(
    audio: np.ndarray,
    *,
    weights: Path | None = None,
    script: Transcript | None = None,
    language: str = "auto",
) -> Recognition:
    """What is said in the sound.

    audio: float32 (n,) mono, 16 kHz; weights: another lip-motion weights file; script: what is said, as a text,
    which may hold more or less than the speech; language: of the text, "en", another voice of espeak-ng, or
    "auto": what the text looks like. A text of which hardly anything is found is not gone by. Raises as
    `phone_posteriors`, `pronounce.language_of` and `pronounce.pronounce`.
    """
    if script is not None:
        # only with a text: these modules hold tables and patterns that take a moment to make
        from lipdub.speech import text_alignment
        from lipdub.speech.pronunciation import pronounce, resolve_language

        language = resolve_language(script.words, language)
        said = pronounce(script.words, language)
    network, _ = load_weights(weights)
    own = compute_phone_posteriors(audio, network)
    if script is None:
        return Recognition(own, decode_phones(own))
    found = text_alignment.locate_words(script, said, own)
    if not found.fit.used:
        return Recognition(own, decode_phones(own), text=found.fit, language=language)
    heard = fuse_with_text(own, found.words, text_alignment.find_run_frames(found, len(own)))
    return replace(heard, text=found.fit, language=language)


def fuse_with_text(own: np.ndarray, words: Sequence[Word], spans: Sequence[tuple[int, int]]) -> Recognition:
    """What the network hears and what a text says together.

    own: from the network; words: of the text, in order of time, with no time in common; spans: of frames that
    hold these words and nothing else spoken.
    """
    there = np.zeros(len(own), bool)
    for first, last in spans:
        there[first:last] = True
    there &= own[:, PHONE_INDEX["sil"]] < 1.0  # the network knows silence best
    out = own.copy()
    out[there] *= 1 - _TOLD
    out[there, label_frames(words, len(own))[there]] += _TOLD
    spoken = own.argmax(1) != PHONE_INDEX["sil"]
    share = float(there[spoken].mean()) if spoken.any() else 0.0
    return Recognition(out, decode_phones(out), tuple(words), share, "text")


def label_frames(words: Sequence[Word], frames: int) -> np.ndarray:
    """Phone index of each frame, int64 (frames,), silence between words."""
    known = np.full(frames, PHONE_INDEX["sil"], np.int64)
    for start, end, phone in iter_phones(words):
        known[round(start * FRAME_RATE) : round(end * FRAME_RATE)] = PHONE_INDEX[phone]
    return known
