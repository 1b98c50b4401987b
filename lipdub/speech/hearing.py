"""What is said, when: phones over time, from the phone network, from recognised words, or from a given text.

The phone network hears any language, roughly. Whoever knows the words knows the phones better: where English
is recognised and the network agrees that it was said, the words' phones are taken, elsewhere the network's
own. Where a text is given, its words are looked for in the sound, and only speech that is not in it is heard
freely.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.speech import words as recogniser
from lipdub.speech.denoise import clearer
from lipdub.speech.features import FRAME_RATE, HOP, RATE
from lipdub.speech.lips import bell, load_weights, phone_posteriors, pulled
from lipdub.speech.phones import INDEX, segments
from lipdub.speech.words import Child, Word, is_english

if TYPE_CHECKING:
    from lipdub.speech.given import TextFit
    from lipdub.speech.pronounce import Said
    from lipdub.speech.script import Script

WAYS = ("auto", "words", "phones")
"""auto: words where they fit, phones elsewhere; words: recognised English everywhere; phones: the network
alone."""

_FIT_SPAN = 1.0  # seconds: standard deviation of the time over which agreement is taken
_FIT_NONE, _FIT_FULL = 0.13, 0.21  # mean posterior of the words' phones at which words count for nothing, for all
_KNOWN_FULL, _KNOWN_NONE = 0.65, 0.75  # mean of the likeliest posterior at which they count for all, for nothing
_NEAR = 6  # frames by which the phones of a text may lie beside where they were found
_ELSEWHERE = 0.2  # what a phone that the text does not have near by counts, against 1 + this for one it has
_SURE = 0.97  # what the words' own phones get where they count for all; the rest is the network's


@dataclass(frozen=True)
class Heard:
    """posteriors: float32 (frames, len(PHONES)), 100 a second, rows sum to one; phones: (start s, end s,
    phone) contiguous; words: in order, with how well each fits; share: of the speech's time, how much is
    taken from words, 0 to 1; way: in a word, how the speech was heard ("text", "words", "words and phones",
    "phones"); text: how the text that was given fits, None without one; language: of the text."""

    posteriors: np.ndarray
    phones: list[tuple[float, float, str]]
    words: tuple[Word, ...] = ()
    share: float = 0.0
    way: str = "phones"
    text: TextFit | None = None
    language: str = ""


def hear(
    audio: np.ndarray,
    *,
    way: str = "auto",
    weights: Path | None = None,
    workers: int = 1,
    script: Script | None = None,
    language: str = "auto",
) -> Heard:
    """What is said in the sound.

    audio: float32 (n,) mono, 16 kHz; way: of `WAYS`; weights: another lip-motion weights file; workers: child
    processes of the recogniser; script: what is said, as a text, which may hold more or less than the speech;
    language: of the text and the speech, "en", another voice of espeak-ng, or "auto": what the text looks
    like. Where PocketSphinx is not installed, all ways are `phones`; `auto` is, too, where the language is
    not English. A text of which hardly anything is found is not gone by. Raises ValueError for an unknown
    way, and as `pronounce.language_of` and `pronounce.pronounce`.
    """
    if way not in WAYS:
        raise ValueError(f"there is no way {way!r} of hearing; there are {', '.join(WAYS)}")
    said: list[Said] = []
    if script is not None:
        # only with a text: these modules hold tables and patterns that take a moment to make
        from lipdub.speech import given
        from lipdub.speech.pronounce import language_of, pronounce

        language = language_of(script.words, language)
        said = pronounce(script.words, language)
    network, _ = load_weights(weights)
    english = language == "auto" or is_english(language)
    recognising = recogniser.available() and way != "phones" and (english or way == "words") and len(audio) >= HOP
    processes: AbstractContextManager[list[Child]] = nullcontext([])
    if recognising:
        processes = recogniser.recognisers(len(audio) / RATE, workers)
    with processes as children:
        own = phone_posteriors(audio, network)
        spans = recogniser.pieces(own) if recognising else []
        sound = clearer(audio, spans)  # words are found better so; the network is used to noise
        words = [word for piece in recogniser.recognise(children, sound, spans, own) for word in piece]
        free = blend(own, words, everywhere=way == "words")
        if script is None:
            return free
        # where the recogniser heard what the text says there is no doubt; where it misheard the network may
        # know
        found = given.find(script, said, (own + blend(own, words, everywhere=True).posteriors) / 2)
        if not found.fit.used:
            return replace(free, text=found.fit, language=language)
        places = [span for span, _ in given.segments(found, len(own))]
        texts = given.refined(children, sound, found, len(own)) if children and english else found.words
    sure = np.zeros(len(own), bool)
    for first, last in places:
        sure[first:last] = True
    _, taken = known_phones(texts, len(own))
    others = [word for word in words if not taken[_frames(word, len(own))].any()]
    led = _led(own, texts, sure)
    if children and english:
        heard = blend(own, sorted([*texts, *others], key=lambda word: word.start), sure=sure, led=led)
    else:
        # the network's own times of phones are not exact enough to go by alone
        heard = blend(own, others, led=led)
        judged = [replace(word, fit=_fit(word, own)) for word in texts]
        heard = replace(heard, words=tuple(sorted([*judged, *heard.words], key=lambda word: word.start)))
    spoken = own.argmax(1) != INDEX["sil"]
    share = float(sure[spoken].mean()) if spoken.any() else 0.0
    return replace(heard, way="text", share=max(share, heard.share), text=found.fit, language=language)


def _led(own: np.ndarray, texts: Sequence[Word], sure: np.ndarray) -> np.ndarray:
    """What the network hears, in the frames that are sure led towards the phones that the text has near
    by."""
    known, _ = known_phones(texts, len(own))
    near = np.zeros(own.shape, np.float32)
    rows = np.arange(len(own))
    for shift in range(-_NEAR, _NEAR + 1):
        near[rows, known[np.clip(rows + shift, 0, len(own) - 1)]] = 1.0
    led = own * np.where(sure[:, None], _ELSEWHERE + near, 1.0)
    return (led / led.sum(1, keepdims=True)).astype(np.float32)


def _frames(word: Word, count: int) -> slice:
    """The frames of a word, at least one."""
    first = min(round(word.start * FRAME_RATE), count - 1)
    return slice(first, max(round(word.end * FRAME_RATE), first + 1))


def blend(
    own: np.ndarray,
    words: Sequence[Word],
    *,
    everywhere: bool = False,
    sure: np.ndarray | None = None,
    led: np.ndarray | None = None,
) -> Heard:
    """The network's posteriors with the words' phones laid over them where the two agree.

    own: from the network; words: in order of time; everywhere: whether they agree or not; sure: frames, bool
    (frames,), where the words are known to be said; led: what stands in for the network's posteriors in the
    result.
    """
    led = own if led is None else led
    if not words:
        return Heard(led, segments(led))
    known, _ = known_phones(words, len(own))
    rows = np.arange(len(own))
    mine, most = own[rows, known], own.max(1)
    active = ((known != INDEX["sil"]) | (own.argmax(1) != INDEX["sil"])).astype(np.float64)
    speech = np.maximum(_smooth(active), 1e-6)
    # the words' phones must be heard at all, and the network must not know better: voices like those it
    # learnt from it hears surely and well, all others unsurely
    fit = _ramp(_smooth(mine * active) / speech, _FIT_NONE, _FIT_FULL)
    unsure = _ramp(_smooth(most * active) / speech, _KNOWN_NONE, _KNOWN_FULL)
    weight = np.ones(len(own)) if everywhere else fit * unsure
    if sure is not None:
        weight[sure] = unsure[sure]
    weight[_smooth(active) < 1e-3] = 0.0  # far from any speech: the network knows silence best
    weight = _SURE * weight * ~_sure_silence(own)
    out = (led * (1 - weight[:, None])).astype(np.float32)
    out[rows, known] += weight.astype(np.float32)
    spoken = active > 0
    share = float(weight[spoken].mean() / _SURE) if spoken.any() else 0.0
    judged = tuple(replace(word, fit=_fit(word, own)) for word in words)
    way = "words" if share > 0.9 else "phones" if share < 0.1 else "words and phones"
    return Heard(out, segments(out), judged, share, way)


def known_phones(words: Sequence[Word], frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Phone index of each frame, int64 (frames,), silence between words; and whether a word is there,
    bool."""
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
    known = np.full(b - a, INDEX["sil"])
    for start, end, phone in word.phones:
        known[round(start * FRAME_RATE) - a : round(end * FRAME_RATE) - a] = INDEX[phone]
    return float(own[np.arange(a, b), known].sum() / own[a:b].max(1).sum())


def _ramp(x: np.ndarray, none: float, full: float) -> np.ndarray:
    """0 at `none` and beyond, 1 at `full` and beyond, a straight line between."""
    return np.clip((x - none) / (full - none), 0.0, 1.0)


def _smooth(x: np.ndarray) -> np.ndarray:
    return pulled(x.astype(np.float64), *bell(_FIT_SPAN, 0.0))


def _sure_silence(own: np.ndarray) -> np.ndarray:
    return own[:, INDEX["sil"]] >= 1.0
