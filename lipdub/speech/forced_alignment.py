"""Forced alignment: where known words lie in a sound, by the posteriors of the phone network. NumPy only.

A Viterbi search runs through a chain of words. Between words there may be silence, or other sound that is not in the
text, and any number of words may be skipped. So neither the text nor the sound has to hold all of the other. Only the
states near the best one are evaluated, and the path of earlier frames is decided during the search: memory does not
grow with the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lipdub.speech.phone_features import FRAME_RATE
from lipdub.speech.phones import PHONE_INDEX, PHONES, SILENCE
from lipdub.speech.word import Segment

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.arrays import F32, F64, I32, I64, Array

_MIN_POSTERIOR = 2e-3  # the network may be quite wrong: smaller posteriors count as this
_NEVER = -1e30  # score of an impossible state
_OTHER_COST = 1.6  # nats per frame below the likeliest phone, at which sound counts as other sound
_OTHER_START_COST = 15.0  # nats for beginning with such sound
_SKIP_COST, _SKIP_WORD_COST = 14.0, 0.7  # nats for skipping words, and more for each word
_OUTSIDE_COST = 2.0  # nats per frame for a word outside its time limits
_WINDOW = 6000  # states evaluated: about a hundred words
_BEAM = 400.0  # nats below the best at which a state is dropped
_SETTLE = 1000  # frames after which the path is decided, as far as all remaining states agree on it
_OPEN = 4000  # frames that may stay undecided; the best state decides more
_MAX_STEP = 3  # a state can be reached from up to three states before


@dataclass(frozen=True)
class ForcedAlignment:
    """Where the words lie.

    Attributes:
        phones: Contiguous segments over the whole sound; other sound counts as silence.
        owner: The word each segment belongs to; -1 for none.
        fit: (words,) float64: mean posterior of a word's own phones over that of the likeliest phones, 0 to 1.
            It is zero where the word was skipped.
        spans: (words, 2) float64 start and end in seconds; NaN where the word was skipped.
    """

    phones: list[Segment]
    owner: list[int]
    fit: F64
    spans: F64


class _Kind(IntEnum):
    """Kind of a state."""

    FIRST_OF_PHONE = 0
    FIRST_OF_WORD = 1
    SECOND = 2
    SILENCE = 3
    OTHER = 4


@dataclass(frozen=True)
class _Chain:
    """All states in a row: silence and other sound, then for each word two states per phone, silence, other sound.

    Attributes:
        phone: (states,) int32 index of the phone.
        word: (states,) int32 index of the word; -1 between words.
        kind: (states,) int8 of `_Kind`.
        transitions: (4, states) nats for coming from the same state and from one, two and three before.
    """

    phone: I32
    word: I32
    kind: Array
    transitions: F64


class _Limits(NamedTuple):
    """Earliest and latest second of each state, (states,) each."""

    earliest: F64
    latest: F64


def align_words(
    words: Sequence[Sequence[str]],
    posteriors: F32,
    *,
    time_limits: Sequence[tuple[float, float] | None] | None = None,
    window: int = _WINDOW,
) -> ForcedAlignment:
    """Find the most probable times of the words' phones, in order.

    Silence or other sound of any length may lie between words. Words that are not in the sound are skipped. Every
    phone lasts at least 20 ms.

    Args:
        words: The phones of each word; a word without phones is skipped.
        posteriors: (frames, len(PHONES)) float at 100 Hz.
        time_limits: For each word the seconds it should lie in, or None.
        window: States evaluated at once.
    """
    chain = _build_chain(words)
    path = _search(chain, posteriors, _build_limits(chain, time_limits), window)
    return _read_path(path, chain, posteriors, len(words))


def _build_chain(words: Sequence[Sequence[str]]) -> _Chain:
    silence = PHONE_INDEX[SILENCE]
    phone, word, kinds = [silence] * 2, [-1] * 2, [_Kind.SILENCE, _Kind.OTHER]
    for i, sounds in enumerate(words):
        if not sounds:
            continue
        for k, name in enumerate(sounds):
            phone += [PHONE_INDEX[name]] * 2
            word += [i, i]
            kinds += [_Kind.FIRST_OF_PHONE if k else _Kind.FIRST_OF_WORD, _Kind.SECOND]
        phone += [silence] * 2
        word += [-1] * 2
        kinds += [_Kind.SILENCE, _Kind.OTHER]
    kind = np.array(kinds, np.int8)
    is_first, is_other = kind == _Kind.FIRST_OF_WORD, kind == _Kind.OTHER
    same, one_back, two_back, three_back = transitions = np.full((_MAX_STEP + 1, len(kind)), _NEVER)
    same[(kind == _Kind.SECOND) | (kind == _Kind.SILENCE) | is_other] = 0.0
    one_back[:] = np.where(is_other, -_OTHER_START_COST, 0.0)
    two_back[is_first] = 0.0  # from the silence before
    two_back[is_other] = -_OTHER_START_COST  # from the word before
    three_back[is_first] = 0.0  # from the word before
    for back in range(1, _MAX_STEP + 1):
        transitions[back, :back] = _NEVER
    two_back[1:2] = three_back[2:3] = _NEVER  # no word comes before the first silence
    return _Chain(np.array(phone, np.int32), np.array(word, np.int32), kind, transitions)


def _search(chain: _Chain, posteriors: F32, limits: _Limits | None, window: int) -> I64:
    """Return the state at each frame, (frames,) int64."""
    frames, count = len(posteriors), len(chain.phone)
    path = np.empty(frames, np.int64)
    if not frames:
        return path
    low, high = 0, min(count, window)
    best = _score_before(chain, high)
    past: list[tuple[int, I32]] = []  # lowest state of each open frame, and where each state came from
    path_frames = 0
    for t in range(frames):
        if t:
            low, high, best = _move_window(best, low, count, window)
        states = slice(low, high)
        now, source = _advance_scores(best, chain.transitions[:, states])
        for kind in (_Kind.SILENCE, _Kind.OTHER):
            _skip_words(now, source, np.flatnonzero(chain.kind[states] == kind))
        best = now + _score_sound(chain, states, posteriors[t], (t + 0.5) / FRAME_RATE, limits)
        best -= best.max()
        past.append((low, source))
        if len(past) >= 2 * _SETTLE and len(past) % _SETTLE == 0:
            best[best <= -_BEAM] = _NEVER  # a dropped state must not come back
            count_settled = _write_agreed_path(past, best, low, path[path_frames:], force=len(past) >= _OPEN)
            path_frames += count_settled
            del past[:count_settled]
    _trace_path(past, low + _find_last(chain, best, low, high), path[path_frames:])
    return path


def _score_before(chain: _Chain, high: int) -> F64:
    """Score the states ahead of the first frame: the text may begin at any word, silence or other sound."""
    best = np.full(high, _NEVER)
    silences = np.flatnonzero(chain.kind[:high] == _Kind.SILENCE)
    best[silences] = -_compute_skip_cost(np.arange(len(silences)))
    return best


def _move_window(best: F64, low: int, count: int, window: int) -> tuple[int, int, F64]:
    """Move the window to where the best states are; return its first state, last state + 1, and scores."""
    alive = int(np.argmax(best > best.max() - _BEAM))
    first = max(low + alive, min(low + int(best.argmax()) - window // 3, count - window), low)
    end = min(count, first + window)
    out = np.full(end - first, _NEVER)
    overlap = best[first - low :][: end - first]
    out[: len(overlap)] = overlap
    return first, end, out


def _advance_scores(best: F64, transitions: F64) -> tuple[F64, I32]:
    """Return the scores after a step, and the state of the window from which each came."""
    source = np.arange(len(best), dtype=np.int32)
    scores: F64 = best + transitions[0]
    for back in range(1, _MAX_STEP + 1):
        if back >= len(best):
            break
        candidate = best[:-back] + transitions[back, back:]
        better = np.flatnonzero(candidate > scores[back:]) + back
        scores[better] = candidate[better - back]
        source[better] = better - back
    return scores, source


def _skip_words(scores: F64, source: I32, gaps: I64) -> None:
    """Let each gap be reached from every gap before it, at a cost for the words between, in place."""
    if len(gaps) < 2:
        return
    slope = _SKIP_WORD_COST * np.arange(len(gaps))
    reach = scores[gaps] + slope
    most = np.maximum.accumulate(reach)
    origin = np.maximum.accumulate(np.where(reach >= most, np.arange(len(gaps)), 0))
    after_skip = most - slope - _SKIP_COST
    is_better = after_skip > scores[gaps]
    source[gaps[is_better]] = source[gaps[origin[is_better]]]
    scores[gaps[is_better]] = after_skip[is_better]


def _score_sound(chain: _Chain, states: slice, posteriors: F32, second: float, limits: _Limits | None) -> F64:
    """Score one frame's sound for each state: zero for the likeliest phone, negative for others."""
    p = np.maximum(posteriors, _MIN_POSTERIOR)
    score = np.log(p / p.max())
    out: F64 = score[chain.phone[states]].astype(np.float64)
    np.maximum(out, -_OTHER_COST, out=out, where=chain.kind[states] == _Kind.OTHER)
    if limits is not None:
        out -= _OUTSIDE_COST * ((limits.earliest[states] > second) | (limits.latest[states] <= second))
    return out


def _find_last(chain: _Chain, best: F64, low: int, high: int) -> int:
    """Return the state of the window to end in: between words or at a word's end, whatever text remains."""
    kind = chain.kind[low:high]
    following = np.append(chain.kind[low + 1 : high], _Kind.SILENCE)
    is_word_end = (kind == _Kind.SECOND) & (following == _Kind.SILENCE)
    is_end = (kind == _Kind.SILENCE) | (kind == _Kind.OTHER) | is_word_end
    words_left = np.cumsum((kind == _Kind.FIRST_OF_WORD)[::-1])[::-1]
    return int(np.where(is_end, best - _compute_skip_cost(words_left), _NEVER).argmax())


def _compute_skip_cost(count: I64) -> F64:
    """Compute the nats for skipping this many words."""
    return np.where(count > 0, _SKIP_COST + _SKIP_WORD_COST * count, 0.0)


def _build_limits(chain: _Chain, time_limits: Sequence[tuple[float, float] | None] | None) -> _Limits | None:
    """Return the limits of each state, or None if no word is limited."""
    if time_limits is None or not any(span is not None for span in time_limits):
        return None
    free = (-np.inf, np.inf)
    spans = np.array([free if span is None else span for span in time_limits] + [free])
    return _Limits(spans[chain.word, 0], spans[chain.word, 1])  # word -1 is the last row


def _trace_path(past: list[tuple[int, I32]], state: int, path: I64) -> None:
    """Write the path to a state at the last of the frames, one entry for each frame, into `path`."""
    for k in range(len(past) - 1, -1, -1):
        path[k] = state
        low, source = past[k]
        state = low + int(source[state - low])


def _write_agreed_path(past: list[tuple[int, I32]], best: F64, low: int, path: I64, *, force: bool) -> int:
    """Write the path as far as all states agree on it.

    With `force` the best state decides, except for the last `_SETTLE` frames.

    Returns:
        The number of frames written.
    """
    last = int(best.argmax()) if force else None
    states = low + (np.flatnonzero(best > -_BEAM) if last is None else np.array([last]))
    for k in range(len(past) - 1, 0, -1):
        begin, source = past[k]
        states = np.unique(begin + source[states - begin])
        if len(states) == 1 and (last is None or k <= len(past) - _SETTLE):
            _trace_path(past[:k], int(states[0]), path)
            return k
    return 0


def _read_path(path: I64, chain: _Chain, posteriors: F32, count: int) -> ForcedAlignment:
    """Turn the states into segments, and measure the fit and the span of each of `count` words."""
    fit, spans = np.zeros(count), np.full((count, 2), np.nan)
    if not len(path):
        return ForcedAlignment([], [], fit, spans)
    # the two states of a phone are one piece: pieces are numbered by how many began up to each state; what lies
    # between two words is one piece
    piece = np.where(chain.word[path] < 0, -1, np.cumsum(chain.kind != _Kind.SECOND)[path])
    edges = np.flatnonzero(np.diff(piece)) + 1
    starts = np.concatenate([[0], edges])
    ends = np.concatenate([edges, [len(path)]])
    phones = [
        Segment(float(a / FRAME_RATE), float(b / FRAME_RATE), PHONES[chain.phone[path[a]]])
        for a, b in zip(starts, ends, strict=True)
    ]
    owner = [int(chain.word[path[a]]) for a in starts]
    own_frames = posteriors[np.arange(len(path)), chain.phone[path]]
    most = posteriors.max(1)
    word = chain.word[path]
    is_word = word >= 0
    own_sum = np.bincount(word[is_word], own_frames[is_word], count)
    fit = own_sum / np.maximum(np.bincount(word[is_word], most[is_word], count), 1e-9)
    frames = np.flatnonzero(is_word)
    spans[word[frames][::-1], 0] = frames[::-1] / FRAME_RATE
    spans[word[frames], 1] = (frames + 1) / FRAME_RATE
    return ForcedAlignment(phones, owner, fit, spans)
