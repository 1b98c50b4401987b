"""Where the words of a transcript lie in the speech, and which of them are not in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.speech.forced_alignment import ForcedAlignment, align_words
from lipdub.speech.phone_features import FRAME_RATE
from lipdub.speech.phones import PHONE_INDEX, SILENCE
from lipdub.speech.word import Segment, Word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.arrays import F32, F64
    from lipdub.speech.pronunciation import Pronunciation
    from lipdub.speech.transcript import Transcript

MIN_FOUND_SHARE = 0.3
"""Share of a transcript's words that must be found for it to belong to the speech."""

_MIN_FIT = 0.25  # agreement with the network below which a word was not said
_MIN_RUN_PHONES = 8  # shorter runs of words occur by chance in any speech
_MAX_FOREIGN_SECONDS = 0.25  # speech between two words of the text, beyond which other words were said there
_MAX_END_SECONDS = 1.0  # speech beyond the words found, up to which the speech ends with them
_CUE_SLACK_SECONDS = 1.0  # words may lie so far outside their cue
_MIN_CUE_SHARE = 0.7  # share of words found by their cues, below which they are located without cues
_FREE_GAIN = 1.1  # locating without cues must find so many times more words to be preferred
_MIN_COVERAGE = 0.5  # share of the speech that the words cover where the text reaches far beyond the speech
_MAX_EXAMPLES = 8  # words named in a note
_RUN_MARGIN_SECONDS = 0.3  # time around a run of words that still belongs to it


@dataclass(frozen=True)
class TextFit:
    """How a transcript fits a speech.

    Attributes:
        total: Number of words of the transcript.
        missing: Words that were not found, each with the second where it should be.
        outside: Number of words at the ends of the transcript that lie before or after the speech.
        unsayable: Words without a known pronunciation.
        is_used: Whether enough words were found to use the transcript.
    """

    total: int
    missing: tuple[tuple[str, float], ...] = ()
    outside: int = 0
    unsayable: tuple[str, ...] = ()
    is_used: bool = True

    @property
    def found(self) -> int:
        """Number of words found."""
        return self.total - len(self.missing) - self.outside - len(self.unsayable)


def describe_text_fit(fit: TextFit) -> list[str]:
    """Return notes for a person, one sentence each; none if all words were found."""
    if not fit.is_used:
        found = f"the text does not fit the speech: {fit.found} of its {fit.total} words were found, so it is ignored"
        return [f"{found}; check that it is the text of this speech, and check its language"]
    notes = []
    if fit.missing:
        examples = ", ".join(f"{word} ({_format_clock(second)})" for word, second in fit.missing[:_MAX_EXAMPLES])
        more = f" and {len(fit.missing) - _MAX_EXAMPLES} more" if len(fit.missing) > _MAX_EXAMPLES else ""
        notes.append(
            f"{len(fit.missing)} of {fit.total} words of the text were not found in the speech: {examples}{more}"
        )
    if fit.outside:
        notes.append(f"{fit.outside} of {fit.total} words at the ends of the text lie outside the speech")
    if fit.unsayable:
        examples = ", ".join(dict.fromkeys(fit.unsayable[:_MAX_EXAMPLES]))
        notes.append(f"{len(fit.unsayable)} of {fit.total} words of the text have no known pronunciation: {examples}")
    return notes


def _format_clock(second: float) -> str:
    return f"{int(second) // 60}:{second % 60:04.1f}"


@dataclass(frozen=True)
class TextAlignment:
    """The words of a transcript that were found in a speech.

    Attributes:
        words: The words found, in order.
        pronunciations: The pronunciation of each of them.
        runs: (first, last + 1) spans of words without other speech between them.
        fit: How the whole transcript fits.
    """

    words: tuple[Word, ...]
    pronunciations: tuple[Pronunciation, ...]
    runs: tuple[tuple[int, int], ...]
    fit: TextFit


def locate_words(transcript: Transcript, pronunciations: Sequence[Pronunciation], posteriors: F32) -> TextAlignment:
    """Locate the words of a transcript in a speech.

    Args:
        transcript: The words, with or without cues.
        pronunciations: The pronunciation of each word.
        posteriors: (frames, len(PHONES)) float at 100 Hz, from the phone network.
    """
    sounds = [word.phones for word in pronunciations]
    speech_seconds = _accumulate_speech(posteriors)
    alignment = align_words(sounds, posteriors, time_limits=_widen_cues(transcript))
    runs = _find_runs(alignment, sounds, speech_seconds)
    if transcript.has_times and _count_words(runs) < _MIN_CUE_SHARE * len(sounds):
        without_cues = align_words(sounds, posteriors)  # the cues may be those of another cut
        other_runs = _find_runs(without_cues, sounds, speech_seconds)
        if _count_words(other_runs) > _FREE_GAIN * _count_words(runs):
            alignment, runs = without_cues, other_runs
    return _collect(transcript, pronunciations, alignment, runs, speech_seconds)


def _accumulate_speech(posteriors: F32) -> F64:
    """Return the seconds of speech up to each frame, (frames + 1,)."""
    speech_frames = np.cumsum(1.0 - posteriors[:, PHONE_INDEX[SILENCE]], dtype=np.float64)
    return np.concatenate([[0.0], speech_frames]) / FRAME_RATE


def _widen_cues(transcript: Transcript) -> list[tuple[float, float] | None] | None:
    if not transcript.has_times:
        return None
    slack = _CUE_SLACK_SECONDS
    return [None if cue is None else (cue[0] - slack, cue[1] + slack) for cue in transcript.cues]


def _count_words(runs: Sequence[tuple[int, int]]) -> int:
    return sum(b - a for a, b in runs)


def _to_frame(second: float) -> int:
    return round(float(second) * FRAME_RATE)


def _find_runs(alignment: ForcedAlignment, sounds: Sequence[Sequence[str]], speech: F64) -> list[tuple[int, int]]:
    """Find spans of successive words that were said without other speech between them.

    Runs so short that they may be chance are left out.

    Args:
        alignment: The alignment of the words.
        sounds: The phones of each word.
        speech: Seconds of speech up to each frame.
    """
    is_said = np.isfinite(alignment.spans[:, 0]) & (alignment.fit >= _MIN_FIT)
    min_phones = max(min(_MIN_RUN_PHONES, sum(len(s) for s in sounds)), 1)
    runs: list[tuple[int, int]] = []
    first = 0
    while first < len(sounds):
        last = first
        while last < len(sounds) and is_said[last]:
            last += 1
            if last < len(sounds) and is_said[last]:
                a, b = _to_frame(alignment.spans[last - 1, 1]), _to_frame(alignment.spans[last, 0])
                if speech[b] - speech[a] > _MAX_FOREIGN_SECONDS:
                    break
        if sum(len(s) for s in sounds[first:last]) >= min_phones:
            runs.append((first, last))
        first = max(last, first + 1)
    return runs


def _collect(
    transcript: Transcript,
    pronunciations: Sequence[Pronunciation],
    alignment: ForcedAlignment,
    runs: Sequence[tuple[int, int]],
    speech: F64,
) -> TextAlignment:
    """Make the words of the runs, and join runs between which words are missing but nothing else was said."""
    found = [i for a, b in runs for i in range(a, b)]
    phones: dict[int, list[Segment]] = {i: [] for i in found}
    for phone, owner in zip(alignment.phones, alignment.owner, strict=True):
        if owner in phones:
            phones[owner].append(phone)
    words = tuple(
        Word(transcript.words[i], p[0].start, p[-1].end, tuple(p), float(alignment.fit[i])) for i, p in phones.items()
    )
    spans: list[tuple[int, int]] = []
    for count in (b - a for a, b in runs):
        first = spans[-1][1] if spans else 0
        gap = speech[_to_frame(words[first].start)] - speech[_to_frame(words[first - 1].end)] if first else np.inf
        if gap <= _MAX_FOREIGN_SECONDS:
            spans[-1] = spans[-1][0], first + count
        else:
            spans.append((first, first + count))
    fit = _judge_fit(transcript, pronunciations, found, words, speech)
    return TextAlignment(words, tuple(pronunciations[i] for i in found), tuple(spans), fit)


def _judge_fit(
    transcript: Transcript,
    pronunciations: Sequence[Pronunciation],
    found: Sequence[int],
    words: Sequence[Word],
    speech: F64,
) -> TextFit:
    """Judge how the transcript fits.

    Args:
        transcript: The words.
        pronunciations: The pronunciation of each word.
        found: Indices of the words found.
        words: The words found.
        speech: Seconds of speech up to each frame.
    """
    total = len(transcript.words)
    unsayable = {i for i in range(total) if not pronunciations[i].phones}
    outside: set[int] = set()
    if found:
        if speech[_to_frame(words[0].start)] < _MAX_END_SECONDS:
            outside |= set(range(found[0])) - unsayable
        if speech[-1] - speech[_to_frame(words[-1].end)] < _MAX_END_SECONDS:
            outside |= set(range(found[-1] + 1, total)) - unsayable
    ends = dict(zip(found, (word.end for word in words), strict=True))
    missing = []
    second = words[0].start if words else 0.0
    for i in range(total):
        second = ends.get(i, second)
        if i not in ends and i not in unsayable and i not in outside:
            cue = transcript.cues[i]
            missing.append((transcript.words[i], second if cue is None or found else cue[0]))
    expected_count = total - len(outside) - len(unsayable)
    # if the text reaches far beyond the speech, the words found must fill the speech
    word_seconds = sum(speech[_to_frame(word.end)] - speech[_to_frame(word.start)] for word in words)
    is_whole = len(found) >= MIN_FOUND_SHARE * (total - len(unsayable)) or word_seconds > _MIN_COVERAGE * speech[-1]
    is_used = bool(len(found) >= max(1.0, MIN_FOUND_SHARE * expected_count) and is_whole)
    words_unsayable = tuple(transcript.words[i] for i in sorted(unsayable))
    return TextFit(total, tuple(missing), len(outside), words_unsayable, is_used)


def find_run_frames(alignment: TextAlignment, frames: int) -> list[tuple[int, int]]:
    """Return the (first, last + 1) frames that hold words of the text and no other speech, in order.

    Args:
        alignment: The words found.
        frames: Frames of the speech at 100 Hz.
    """
    words = alignment.words
    spans = []
    for k, (a, b) in enumerate(alignment.runs):
        before = words[a - 1].end if k else 0.0
        after = words[b].start if k + 1 < len(alignment.runs) else frames / FRAME_RATE
        low = max((before + words[a].start) / 2, words[a].start - _RUN_MARGIN_SECONDS)
        high = min((after + words[b - 1].end) / 2, words[b - 1].end + _RUN_MARGIN_SECONDS)
        spans.append((max(_to_frame(low), 0), min(_to_frame(high), frames)))
    return spans
