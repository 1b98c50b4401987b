"""What is said, when: phones over time, from the phone network, from recognised words, or from a given text.

The phone network hears any language, roughly. Whoever knows the words knows the phones better: where English is
recognised and the network agrees that it was said, the words' phones are taken, elsewhere the network's own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from lipdub.speech import words as recogniser
from lipdub.speech.features import FRAME_RATE, HOP, RATE
from lipdub.speech.lips import bell, load_weights, phone_posteriors, pulled
from lipdub.speech.phones import INDEX, segments
from lipdub.speech.words import Word

WAYS = ("auto", "words", "phones")
"""auto: words where they fit, phones elsewhere; words: recognised English everywhere; phones: the network
alone."""

_FIT_SPAN = 0.8  # seconds: standard deviation of the time over which agreement is taken
_FIT_NONE, _FIT_FULL = 0.26, 0.40  # agreement at which words count for nothing, and for all
_SURE = 0.97  # what the words' own phones get where they count for all; the rest is the network's


@dataclass(frozen=True)
class Heard:
    """posteriors: float32 (frames, len(PHONES)), 100 a second, rows sum to one; phones: (start s, end s, phone)
    contiguous; words: in order, with how well each fits; share: of the speech's time, how much is taken from
    words, 0 to 1; way: in a word, how the speech was heard ("words", "words and phones", "phones")."""

    posteriors: np.ndarray
    phones: list[tuple[float, float, str]]
    words: tuple[Word, ...] = ()
    share: float = 0.0
    way: str = "phones"


def hear(
    audio: np.ndarray,
    *,
    way: str = "auto",
    weights: Path | None = None,
    workers: int = 1,
) -> Heard:
    """What is said in the sound.

    audio: float32 (n,) mono, 16 kHz; way: of `WAYS`; weights: another lip-motion weights file; workers: child
    processes of the recogniser. Raises ValueError for an unknown way. Where PocketSphinx is not installed, all
    ways are `phones`.
    """
    if way not in WAYS:
        raise ValueError(f"there is no way {way!r} of hearing; there are {', '.join(WAYS)}")
    network, _ = load_weights(weights)
    if way == "phones" or not recogniser.available() or len(audio) < HOP:
        own = phone_posteriors(audio, network)
        return Heard(own, segments(own))
    with recogniser.recognisers(len(audio) / RATE, workers) as children:
        own = phone_posteriors(audio, network)
        found = recogniser.recognise(children, audio, recogniser.pieces(own), own)
    return blend(own, [word for piece in found for word in piece], everywhere=way == "words")


def blend(own: np.ndarray, words: Sequence[Word], *, everywhere: bool = False) -> Heard:
    """The network's posteriors with the words' phones laid over them where the two agree.

    own: from the network; words: in order of time; everywhere: whether they agree or not.
    """
    if not words:
        return Heard(own, segments(own))
    known, covered = known_phones(words, len(own))
    rows = np.arange(len(own))
    mine, most = own[rows, known], own.max(1)
    active = ((known != INDEX["sil"]) | (own.argmax(1) != INDEX["sil"])).astype(np.float64)
    fit = _smooth(mine * active) / np.maximum(_smooth(most * active), 1e-6)
    weight = np.ones(len(own)) if everywhere else np.clip((fit - _FIT_NONE) / (_FIT_FULL - _FIT_NONE), 0.0, 1.0)
    weight[_smooth(active) < 1e-3] = 0.0  # far from any speech: the network knows silence best
    weight = _SURE * weight * ~_sure_silence(own)
    out = (own * (1 - weight[:, None])).astype(np.float32)
    out[rows, known] += weight.astype(np.float32)
    spoken = active > 0
    share = float(weight[spoken].mean() / _SURE) if spoken.any() else 0.0
    judged = tuple(replace(word, fit=_fit(word, own)) for word in words)
    way = "words" if share > 0.9 else "phones" if share < 0.1 else "words and phones"
    return Heard(out, segments(out), judged, share, way)


def known_phones(words: Sequence[Word], frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Phone index of each frame, int64 (frames,), silence between words; and whether a word is there, bool."""
    known = np.full(frames, INDEX["sil"], np.int64)
    covered = np.zeros(frames, bool)
    for start, end, phone in recogniser.phones_of(words):
        a, b = round(start * FRAME_RATE), round(end * FRAME_RATE)
        known[a:b] = INDEX[phone]
        covered[a:b] = True
    return known, covered


def _fit(word: Word, own: np.ndarray) -> float:
    """How far the network agrees with a word: posterior of its phones against that of the likeliest ones."""
    a, b = round(word.start * FRAME_RATE), min(round(word.end * FRAME_RATE), len(own))
    if b <= a:
        return 0.0
    known, _ = known_phones([word], len(own))
    return float(own[np.arange(a, b), known[a:b]].sum() / own[a:b].max(1).sum())


def _smooth(x: np.ndarray) -> np.ndarray:
    return pulled(x.astype(np.float64), *bell(_FIT_SPAN, 0.0))


def _sure_silence(own: np.ndarray) -> np.ndarray:
    return own[:, INDEX["sil"]] >= 1.0
