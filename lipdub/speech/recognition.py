"""Speech recognition: phones over time, from the phone network and from a transcript.

If a transcript is given, its words are located in the sound. There the network and the transcript count together.
Speech that is not in the transcript is recognized by the network alone.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from lipdub.speech.phone_features import FRAME_RATE
from lipdub.speech.phone_network import decode_phones
from lipdub.speech.phone_recognizer import compute_phone_posteriors, load_weights
from lipdub.speech.phones import PHONE_INDEX, SILENCE
from lipdub.speech.word import Segment, Word, iter_phones

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lipdub.arrays import F32, I64
    from lipdub.speech.text_alignment import TextFit
    from lipdub.speech.transcript import Transcript

_TEXT_WEIGHT = 0.4
"""Weight of the transcript's phones against the network's posteriors.

At either end the lips follow real lips less well: the transcript's phones alone are too square in time, and the
network alone mishears.
"""


@dataclass(frozen=True)
class Recognition:
    """The recognized speech: phones and words with their times.

    Attributes:
        posteriors: (frames, len(PHONES)) float32 at 100 Hz; rows sum to one.
        phones: Contiguous segments.
        words: Words of the transcript that were found, in order.
        text_coverage: Share of the speaking time that the words cover, 0 to 1.
        source: "text" if a transcript was used, else "sound".
        text: How the transcript fits the speech; None without one.
        language: Language of the transcript; empty without one.
    """

    posteriors: F32
    phones: list[Segment]
    words: tuple[Word, ...] = ()
    text_coverage: float = 0.0
    source: str = "sound"
    text: TextFit | None = None
    language: str = ""


def recognize(
    audio: F32,
    *,
    weights: Path | None = None,
    transcript: Transcript | None = None,
    language: str = "auto",
) -> Recognition:
    """Recognize the phones of a speech.

    Args:
        audio: (n,) float32 mono at 16 kHz.
        weights: A weights file other than that of this project.
        transcript: The words of the speech; it may hold more or fewer words than the speech. A transcript of which
            hardly anything is found is ignored.
        language: Language of the transcript: "en", a voice of espeak-ng, or "auto".

    Raises:
        WeightsError: The weights or the speech encoder are missing or damaged.
        UsageError: The language is unknown.
        EnvironmentFailure: The language needs espeak-ng, which is missing or fails.
    """
    if transcript is None:
        network, _ = load_weights(weights)
        posteriors = compute_phone_posteriors(audio, network)
        return Recognition(posteriors, decode_phones(posteriors))
    # imported only with a transcript: these modules hold tables and patterns that take time to build
    from lipdub.speech.pronunciation import pronounce, resolve_language
    from lipdub.speech.text_alignment import find_run_frames, locate_words

    language = resolve_language(transcript.words, language)
    pronunciations = pronounce(transcript.words, language)
    network, _ = load_weights(weights)
    posteriors = compute_phone_posteriors(audio, network)
    alignment = locate_words(transcript, pronunciations, posteriors)
    if not alignment.fit.is_used:
        return Recognition(posteriors, decode_phones(posteriors), text=alignment.fit, language=language)
    recognition = fuse_with_text(posteriors, alignment.words, find_run_frames(alignment, len(posteriors)))
    return replace(recognition, text=alignment.fit, language=language)


def fuse_with_text(posteriors: F32, words: Sequence[Word], spans: Sequence[tuple[int, int]]) -> Recognition:
    """Combine the network's posteriors with the phones of a transcript.

    Args:
        posteriors: (frames, len(PHONES)) float32, from the network.
        words: Words of the transcript in order of time, not overlapping.
        spans: (first, last + 1) frames that hold these words and no other speech.
    """
    is_text = np.zeros(len(posteriors), bool)
    for first, last in spans:
        is_text[first:last] = True
    is_text &= posteriors[:, PHONE_INDEX[SILENCE]] < 1.0  # the network finds silence best
    out = posteriors.copy()
    out[is_text] *= 1 - _TEXT_WEIGHT
    out[is_text, label_frames(words, len(posteriors))[is_text]] += _TEXT_WEIGHT
    is_spoken = posteriors.argmax(1) != PHONE_INDEX[SILENCE]
    coverage = float(is_text[is_spoken].mean()) if is_spoken.any() else 0.0
    return Recognition(out, decode_phones(out), tuple(words), coverage, "text")


def label_frames(words: Sequence[Word], frames: int) -> I64:
    """Return the phone index of each frame, (frames,) int64; frames between words are silence."""
    labels = np.full(frames, PHONE_INDEX[SILENCE], np.int64)
    for start, end, phone in iter_phones(words):
        labels[round(start * FRAME_RATE) : round(end * FRAME_RATE)] = PHONE_INDEX[phone]
    return labels
