"""The words of a given text, found in the speech: which are there and when, and which are not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.speech.forced_alignment import ForcedAlignment, align_words
from lipdub.speech.phone_features import FRAME_RATE
from lipdub.speech.phones import PHONE_INDEX
from lipdub.speech.word import Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.speech.pronunciation import Pronunciation
    from lipdub.speech.transcript import Transcript

MIN_FOUND_SHARE = 0.3
"""Share of a text's words that must be found for it to be the speech's text at all."""

_LEAST_FIT = 0.25  # agreement of the network under which a word was not said
_LEAST_PHONES = 8  # of a run of words: shorter ones turn up by chance in any speech
_OTHER_SPEECH = 0.25  # seconds of speech between two words of the text, from which on it is another's
_AT_THE_END = 1.0  # seconds of speech beyond the text's words found, up to which the speech ends with them
_CUE_SLACK = 1.0  # seconds that words may lie outside their cue
_FEW = 0.7  # share of words found by their cues, under which they are looked for without
_TOLD = 8  # words named in a note
_MARGIN = 0.3  # seconds about a run of words that still are its own


@dataclass(frozen=True)
class TextFit:
    """How a text fits a speech. total: its words; missing: those not found, with the second where each should
    be; outside: words at its ends that lie before or after the speech; unsayable: those nobody knows how to
    say; used: whether enough was found for the text to be gone by.
    """

    total: int
    missing: tuple[tuple[str, float], ...] = ()
    outside: int = 0
    unsayable: tuple[str, ...] = ()
    used: bool = True

    @property
    def found(self) -> int:
        """Number of words found."""
        return self.total - len(self.missing) - self.outside - len(self.unsayable)


def describe_text_fit(fit: TextFit) -> list[str]:
    """What a person should know of it, a sentence each; none when all words were found."""
    if not fit.used:
        return [
            f"the text does not fit the speech: {fit.found} of its {fit.total} words were found, so it is not gone "
            "by; check that it is the text of this speech, and its language"
        ]
    out = []
    if fit.missing:
        some = ", ".join(f"{word} ({_clock(second)})" for word, second in fit.missing[:_TOLD])
        more = f" and {len(fit.missing) - _TOLD} more" if len(fit.missing) > _TOLD else ""
        out.append(f"{len(fit.missing)} of {fit.total} words of the text were not found in the speech: {some}{more}")
    if fit.outside:
        out.append(f"{fit.outside} of {fit.total} words at the ends of the text lie outside the speech")
    if fit.unsayable:
        some = ", ".join(dict.fromkeys(fit.unsayable[:_TOLD]))
        out.append(f"{len(fit.unsayable)} of {fit.total} words of the text cannot be pronounced here: {some}")
    return out


def _clock(second: float) -> str:
    return f"{int(second) // 60}:{second % 60:04.1f}"


@dataclass(frozen=True)
class TextAlignment:
    """words: those found, in order; said: how each is said; runs: spans of `words` with nothing else spoken
    between them; fit: of the whole text.
    """

    words: tuple[Word, ...]
    said: tuple[Pronunciation, ...]
    runs: tuple[tuple[int, int], ...]
    fit: TextFit


def locate_words(script: Transcript, said: Sequence[Pronunciation], own: np.ndarray) -> TextAlignment:
    """Where the words of the text lie in the speech.

    said: how each word is said; own: float (frames, len(PHONES)) at 100 Hz, from the phone network.
    """
    sounds = [word.phones for word in said]
    active = np.concatenate([[0.0], np.cumsum(1.0 - own[:, PHONE_INDEX["sil"]], dtype=np.float64)]) / FRAME_RATE
    aligned = align_words(sounds, own, allowed=_allowed(script))
    runs = _runs(aligned, sounds, active)
    if script.timed and _count(runs) < _FEW * len(sounds):
        free = align_words(sounds, own)  # the cues may be another film's
        others = _runs(free, sounds, active)
        if _count(others) > 1.1 * _count(runs):
            aligned, runs = free, others
    return _given(script, said, aligned, runs, active)


def _allowed(script: Transcript) -> list[tuple[float, float] | None] | None:
    if not script.timed:
        return None
    return [None if cue is None else (cue[0] - _CUE_SLACK, cue[1] + _CUE_SLACK) for cue in script.cues]


def _count(runs: Sequence[tuple[int, int]]) -> int:
    return sum(b - a for a, b in runs)


def _frame(second: float) -> int:
    return round(float(second) * FRAME_RATE)


def _runs(aligned: ForcedAlignment, sounds: Sequence[Sequence[str]], active: np.ndarray) -> list[tuple[int, int]]:
    """Spans of successive words that were said, without other speech between them, but for those so short
    that they may well be chance. active: seconds of speech up to each frame.
    """
    there = np.isfinite(aligned.spans[:, 0]) & (aligned.fit >= _LEAST_FIT)
    least = min(_LEAST_PHONES, sum(len(s) for s in sounds))
    out: list[tuple[int, int]] = []
    first = 0
    while first < len(sounds):
        last = first
        while last < len(sounds) and there[last]:
            last += 1
            if last < len(sounds) and there[last]:
                a, b = _frame(aligned.spans[last - 1, 1]), _frame(aligned.spans[last, 0])
                if active[b] - active[a] > _OTHER_SPEECH:
                    break
        if sum(len(s) for s in sounds[first:last]) >= max(least, 1):
            out.append((first, last))
        first = max(last, first + 1)
    return out


def _given(
    script: Transcript,
    said: Sequence[Pronunciation],
    aligned: ForcedAlignment,
    runs: Sequence[tuple[int, int]],
    active: np.ndarray,
) -> TextAlignment:
    found = [i for a, b in runs for i in range(a, b)]
    phones: dict[int, list[tuple[float, float, str]]] = {i: [] for i in found}
    for phone, owner in zip(aligned.phones, aligned.owner, strict=True):
        if owner in phones:
            phones[owner].append(phone)
    words = tuple(Word(script.words[i], p[0][0], p[-1][1], tuple(p), float(aligned.fit[i])) for i, p in phones.items())
    spans: list[tuple[int, int]] = []
    for count in (b - a for a, b in runs):
        first = spans[-1][1] if spans else 0
        gap = active[_frame(words[first].start)] - active[_frame(words[first - 1].end)] if first else np.inf
        if gap <= _OTHER_SPEECH:  # words of the text are missing there, but nothing else was said instead
            spans[-1] = spans[-1][0], first + count
        else:
            spans.append((first, first + count))
    return TextAlignment(words, tuple(said[i] for i in found), tuple(spans), _fit(script, said, found, words, active))


def _fit(
    script: Transcript, said: Sequence[Pronunciation], found: Sequence[int], words: Sequence[Word], active: np.ndarray
) -> TextFit:
    total = len(script.words)
    unsayable = {i for i in range(total) if not said[i].phones}
    outside: set[int] = set()
    if found:
        if active[_frame(words[0].start)] < _AT_THE_END:
            outside |= set(range(found[0])) - unsayable
        if active[-1] - active[_frame(words[-1].end)] < _AT_THE_END:
            outside |= set(range(found[-1] + 1, total)) - unsayable
    ends = dict(zip(found, (word.end for word in words), strict=True))
    missing = []
    at = words[0].start if words else 0.0
    for i in range(total):
        at = ends.get(i, at)
        if i not in ends and i not in unsayable and i not in outside:
            cue = script.cues[i]
            missing.append((script.words[i], at if cue is None or found else cue[0]))
    expected = total - len(outside) - len(unsayable)
    # of a text that reaches far beyond the speech much is outside; then the speech must be full of what is
    # found
    covered = sum(active[_frame(word.end)] - active[_frame(word.start)] for word in words)
    all_of_it = len(found) >= MIN_FOUND_SHARE * (total - len(unsayable)) or covered > 0.5 * active[-1]
    used = len(found) >= max(1.0, MIN_FOUND_SHARE * expected) and all_of_it
    return TextFit(total, tuple(missing), len(outside), tuple(script.words[i] for i in sorted(unsayable)), used)


def find_run_frames(given: TextAlignment, frames: int) -> list[tuple[int, int]]:
    """Spans of frames that hold words of the text and nothing else spoken, in order."""
    words = given.words
    out = []
    for k, (a, b) in enumerate(given.runs):
        before = words[a - 1].end if k else 0.0
        after = words[b].start if k + 1 < len(given.runs) else frames / FRAME_RATE
        low = max((before + words[a].start) / 2, words[a].start - _MARGIN)
        high = min((after + words[b - 1].end) / 2, words[b - 1].end + _MARGIN)
        out.append((max(_frame(low), 0), min(_frame(high), frames)))
    return out
