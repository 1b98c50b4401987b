"""Forced alignment: where in the sound known words lie, by the phone network's posteriors (numpy only).

A Viterbi search through a chain of words. Between words there may be silence or other sound that is not in
the text, and any number of words may be passed over, so neither has to hold what the other does. Only the
states near the best one are kept up, and the past is settled as the search goes on: memory does not grow with
the text.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.speech.phone_features import FRAME_RATE
from lipdub.speech.phones import PHONE_INDEX, PHONES

if TYPE_CHECKING:
    from collections.abc import Sequence

_FLOOR = 2e-3  # posteriors under this count as this: the network may be quite wrong
_NEVER = -1e30
_FOREIGN = 1.6  # nats a frame against the likeliest phone, at which sound counts as none of the text's
_BEGIN_OTHER = 15.0  # nats for beginning with such sound
_SKIP, _SKIP_EACH = 14.0, 0.7  # nats for passing over words, and more for each
_BESIDE = 2.0  # nats a frame for a word outside the time it is allowed
_WINDOW = 6000  # states kept up: some hundred words
_BEAM = 400.0  # nats under the best at which a state is given up
_SETTLE = 1000  # frames after which the past is settled, as far as all that is left agrees on it
_OPEN = 4000  # frames that may stay open; more are settled by the best there is


@dataclass(frozen=True)
class ForcedAlignment:
    """phones: (start s, end s, phone), contiguous over the whole sound, other sound as silence; owner: the
    word each belongs to, -1 none; fit: for each word, mean posterior of its own phones over that of the
    likeliest ones, 0 to 1, nought where the word was passed over; spans: float (words, 2) seconds, where each
    word lies, NaN likewise.
    """

    phones: list[tuple[float, float, str]]
    owner: list[int]
    fit: np.ndarray
    spans: np.ndarray


_FIRST_OF_PHONE, _FIRST_OF_WORD, _SECOND, _SILENCE, _OTHER = range(5)


@dataclass(frozen=True)
class _Chain:
    """All states in a row: silence and other sound, then for each word two states for each phone, silence and
    other sound.

    phone, word: of each state, word -1 between words; kind: as above; ways: (4, states) nats for coming from
    the same state and from one, two and three before.
    """

    phone: np.ndarray
    word: np.ndarray
    kind: np.ndarray
    ways: np.ndarray


def align_words(
    words: Sequence[Sequence[str]],
    posteriors: np.ndarray,
    *,
    allowed: Sequence[tuple[float, float] | None] | None = None,
    window: int = _WINDOW,
) -> ForcedAlignment:
    """The most probable times of the words' phones, in order, with silence or other sound of any length
    between words; words that are not in the sound are passed over.

    words: the phones (of `speech.phones.PHONES`) of each word, none for a word nobody can say, which is
    passed over; posteriors: float (frames, len(PHONES)) at 100 Hz; allowed: for each word the span of seconds
    it should lie in; window: states kept up at once. Every phone lasts at least 20 ms.
    """
    chain = _chain(words)
    path = _search(chain, posteriors, _limits(chain, allowed), window)
    return _read_off(path, chain, posteriors, len(words))


def _chain(words: Sequence[Sequence[str]]) -> _Chain:
    phone, word, kind = [PHONE_INDEX["sil"]] * 2, [-1] * 2, [_SILENCE, _OTHER]
    for i, sounds in enumerate(words):
        if not sounds:
            continue
        for k, name in enumerate(sounds):
            phone += [PHONE_INDEX[name]] * 2
            word += [i, i]
            kind += [_FIRST_OF_PHONE if k else _FIRST_OF_WORD, _SECOND]
        phone += [PHONE_INDEX["sil"]] * 2
        word += [-1] * 2
        kind += [_SILENCE, _OTHER]
    what = np.array(kind, np.int8)
    ways = np.full((4, len(what)), _NEVER)
    ways[0, (what == _SECOND) | (what == _SILENCE) | (what == _OTHER)] = 0.0
    ways[1] = np.where(what == _OTHER, -_BEGIN_OTHER, 0.0)
    ways[2, what == _FIRST_OF_WORD] = 0.0  # of the silence
    ways[2, what == _OTHER] = -_BEGIN_OTHER  # of a word
    ways[3, what == _FIRST_OF_WORD] = 0.0  # of the word before
    for back in (1, 2, 3):
        ways[back, :back] = _NEVER
    ways[2, 1:2] = ways[3, 2:3] = _NEVER  # there is no word before the first silence
    return _Chain(np.array(phone, np.int32), np.array(word, np.int32), what, ways)


def _search(
    chain: _Chain, posteriors: np.ndarray, limits: tuple[np.ndarray, np.ndarray] | None, window: int
) -> np.ndarray:
    """State at each frame, int64 (frames,)."""
    frames, count = len(posteriors), len(chain.phone)
    path = np.empty(frames, np.int64)
    if not frames:
        return path
    low, high = 0, min(count, window)
    best = _before(chain, high)
    past: list[tuple[int, np.ndarray]] = []  # lowest state of each open frame, and where each came from
    settled = 0
    for t in range(frames):
        if t:
            low, high, best = _moved(best, low, count, window)
        here = slice(low, high)
        now, source = _steps(best, chain.ways[:, here])
        for kind in (_SILENCE, _OTHER):
            _pass_over(now, source, np.flatnonzero(chain.kind[here] == kind))
        best = now + _emitted(chain, here, posteriors[t], (t + 0.5) / FRAME_RATE, limits)
        best -= best.max()
        past.append((low, source))
        if len(past) >= 2 * _SETTLE and len(past) % _SETTLE == 0:
            best[best <= -_BEAM] = _NEVER  # what is not asked about the past must not come back
            done = _settle(past, best, low, path[settled:], force=len(past) >= _OPEN)
            settled += done
            del past[:done]
    _trace(past, low + _last(chain, best, low, high), path[settled:])
    return path


def _before(chain: _Chain, high: int) -> np.ndarray:
    """Scores ahead of the first frame: the text may begin with any word, and with silence or other sound."""
    best = np.full(high, _NEVER)
    silences = np.flatnonzero(chain.kind[:high] == _SILENCE)
    best[silences] = -_skipping(np.arange(len(silences)))
    return best


def _moved(best: np.ndarray, low: int, count: int, window: int) -> tuple[int, int, np.ndarray]:
    """The window's new ends, and the scores in it: it goes on with what is best."""
    alive = int(np.argmax(best > best.max() - _BEAM))
    first = max(low + alive, min(low + int(best.argmax()) - window // 3, count - window), low)
    end = min(count, first + window)
    out = np.full(end - first, _NEVER)
    kept = best[first - low :][: end - first]
    out[: len(kept)] = kept
    return first, end, out


def _steps(best: np.ndarray, ways: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Scores after a step, and the state of the window each came from (int32, of the window's own count)."""
    source = np.arange(len(best), dtype=np.int32)
    now = best + ways[0]
    for back in (1, 2, 3):
        if back >= len(best):
            break
        other = best[:-back] + ways[back, back:]
        better = np.flatnonzero(other > now[back:]) + back
        now[better] = other[better - back]
        source[better] = better - back
    return now, source


def _pass_over(now: np.ndarray, source: np.ndarray, gaps: np.ndarray) -> None:
    """Lets each gap be reached from every gap before it, at a cost for the words between, in place."""
    if len(gaps) < 2:
        return
    slope = _SKIP_EACH * np.arange(len(gaps))
    reach = now[gaps] + slope
    most = np.maximum.accumulate(reach)
    origin = np.maximum.accumulate(np.where(reach >= most, np.arange(len(gaps)), 0))
    over = most - slope - _SKIP
    better = over > now[gaps]
    source[gaps[better]] = source[gaps[origin[better]]]
    now[gaps[better]] = over[better]


def _emitted(
    chain: _Chain,
    here: slice,
    posteriors: np.ndarray,
    second: float,
    limits: tuple[np.ndarray, np.ndarray] | None,
) -> np.ndarray:
    """What a frame's sound adds to each state's score: nought for the likeliest phone, negative for
    others.
    """
    p = np.maximum(posteriors, _FLOOR)
    score = np.log(p / p.max())
    out = score[chain.phone[here]].astype(np.float64)
    np.maximum(out, -_FOREIGN, out=out, where=chain.kind[here] == _OTHER)
    if limits is not None:
        out -= _BESIDE * ((limits[0][here] > second) | (limits[1][here] <= second))
    return out


def _last(chain: _Chain, best: np.ndarray, low: int, high: int) -> int:
    """The state of the window to end in: between words or at a word's end, whatever text is left."""
    kind = chain.kind[low:high]
    following = np.append(chain.kind[low + 1 : high], _SILENCE)
    end = (kind == _SILENCE) | (kind == _OTHER) | ((kind == _SECOND) & (following == _SILENCE))
    left = np.cumsum((kind == _FIRST_OF_WORD)[::-1])[::-1]
    return int(np.where(end, best - _skipping(left), _NEVER).argmax())


def _skipping(count: np.ndarray) -> np.ndarray:
    """Nats for passing over so many words."""
    return np.where(count > 0, _SKIP + _SKIP_EACH * count, 0.0)


def _limits(
    chain: _Chain, allowed: Sequence[tuple[float, float] | None] | None
) -> tuple[np.ndarray, np.ndarray] | None:
    """Earliest and latest second of each state, or None where there is no limit at all."""
    if allowed is None or not any(span is not None for span in allowed):
        return None
    free = (-np.inf, np.inf)
    spans = np.array([free if span is None else span for span in allowed] + [free])
    return spans[chain.word, 0], spans[chain.word, 1]  # word -1: the last row


def _trace(past: list[tuple[int, np.ndarray]], state: int, path: np.ndarray) -> None:
    """Writes the way to a state at the last of the frames into `path`, one entry for each frame."""
    for k in range(len(past) - 1, -1, -1):
        path[k] = state
        low, source = past[k]
        state = low + int(source[state - low])


def _settle(past: list[tuple[int, np.ndarray]], best: np.ndarray, low: int, path: np.ndarray, *, force: bool) -> int:
    """Writes down the path as far as all states agree on it, by force as far as the best one has it but for
    the last `_SETTLE` frames; returns how many frames that is.
    """
    last = int(best.argmax()) if force else None
    states = low + (np.flatnonzero(best > -_BEAM) if last is None else np.array([last]))
    for k in range(len(past) - 1, 0, -1):
        begin, source = past[k]
        states = np.unique(begin + source[states - begin])
        if len(states) == 1 and (last is None or k <= len(past) - _SETTLE):
            _trace(past[:k], int(states[0]), path)
            return k
    return 0


def _read_off(path: np.ndarray, chain: _Chain, posteriors: np.ndarray, count: int) -> ForcedAlignment:
    fit, spans = np.zeros(count), np.full((count, 2), np.nan)
    if not len(path):
        return ForcedAlignment([], [], fit, spans)
    # a phone's two states are one piece: number the pieces by how many were begun up to each state; what lies
    # between two words is one piece
    begun = np.where(chain.word[path] < 0, -1, np.cumsum(chain.kind != _SECOND)[path])
    edges = np.flatnonzero(np.diff(begun)) + 1
    starts = np.concatenate([[0], edges])
    ends = np.concatenate([edges, [len(path)]])
    phones = [
        (float(a / FRAME_RATE), float(b / FRAME_RATE), PHONES[chain.phone[path[a]]])
        for a, b in zip(starts, ends, strict=True)
    ]
    owner = [int(chain.word[path[a]]) for a in starts]
    own = posteriors[np.arange(len(path)), chain.phone[path]]
    most = posteriors.max(1)
    said = chain.word[path]
    inside = said >= 0
    mine = np.bincount(said[inside], own[inside], count)
    fit = mine / np.maximum(np.bincount(said[inside], most[inside], count), 1e-9)
    at = np.flatnonzero(inside)
    spans[said[at][::-1], 0] = at[::-1] / FRAME_RATE
    spans[said[at], 1] = (at + 1) / FRAME_RATE
    return ForcedAlignment(phones, owner, fit, spans)
