"""Forced alignment: where in the sound known words lie, by the phone network's posteriors (numpy only)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from lipdub.speech.features import FRAME_RATE
from lipdub.speech.phones import INDEX, PHONES

_FLOOR = 2e-3  # posteriors under this count as this: the network may be quite wrong about a sound that is there
_NEVER = -1e30


@dataclass(frozen=True)
class Aligned:
    """phones: (start s, end s, phone), contiguous over the whole sound; owner: the word each belongs to, -1
    silence; fit: for each word, mean posterior of its own phones over that of the likeliest ones, 0 to 1."""

    phones: list[tuple[float, float, str]]
    owner: list[int]
    fit: np.ndarray


def align(
    words: Sequence[Sequence[str]],
    posteriors: np.ndarray,
    *,
    allowed: Sequence[tuple[float, float]] | None = None,
) -> Aligned:
    """The most probable times of the words' phones, in order, with silence of any length between words.

    words: the phones (of `speech.phones.PHONES`) of each word; posteriors: float (frames, len(PHONES)) at 100
    Hz; allowed: for each word the span of seconds it must lie in. Every phone lasts at least 20 ms. Raises
    ValueError when the words need more frames than there are.
    """
    frames = len(posteriors)
    state, owner, entry = _states(words)
    if frames < 2 * sum(len(w) for w in words) or not len(words):
        raise ValueError(f"{len(words)} words do not fit into {frames / FRAME_RATE:g} s of sound")
    score = np.log(np.maximum(posteriors, _FLOOR))
    times = (np.arange(frames) + 0.5) / FRAME_RATE
    last = len(state) - 1
    # one state for a silence, two in a row for a phone, of which only the second may last
    lasting = np.array([owner[i] < 0 or (i > 0 and entry[i] == 0) for i in range(len(state))])
    # a word's first state is entered from the silence before it, or from the word before that
    skips = np.array([entry[i] == 2 for i in range(len(state))])
    best = np.full(len(state), _NEVER)
    came = np.zeros((frames, len(state)), np.int8)
    spans = None
    if allowed is not None:
        low = np.array([-np.inf if w < 0 else allowed[w][0] for w in owner])
        high = np.array([np.inf if w < 0 else allowed[w][1] for w in owner])
        spans = low, high
    for t in range(frames):
        emit = score[t, state]
        if spans is not None:
            emit = emit - 20.0 * ((times[t] < spans[0]) | (times[t] >= spans[1]))
        if t == 0:
            begun = np.full(len(state), _NEVER)
            begun[:2] = 0.0  # in the silence, or at once in the first word
            best = begun + emit
            continue
        stay = np.where(lasting, best, _NEVER)
        step = np.concatenate([[_NEVER], best[:-1]])
        jump = np.where(skips, np.concatenate([[_NEVER, _NEVER], best[:-2]]), _NEVER)
        choice = np.argmax(np.stack([stay, step, jump]), 0).astype(np.int8)
        came[t] = choice
        best = np.choose(choice, [stay, step, jump]) + emit
    path = np.empty(frames, np.int64)
    path[-1] = last if best[last] >= best[last - 1] else last - 1
    for t in range(frames - 1, 0, -1):
        path[t - 1] = path[t] - int(came[t, path[t]])
    return _read_off(path, state, owner, entry, posteriors, len(words))


def _states(words: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Phone and word of each state of the chain, and how it is entered: 1 the first of a phone, 2 the first of a
    word, 0 any other."""
    state, owner, entry = [INDEX["sil"]], [-1], [0]
    for i, word in enumerate(words):
        for k, phone in enumerate(word):
            state += [INDEX[phone]] * 2
            owner += [i, i]
            entry += [1 if k else 2, 0]
        state.append(INDEX["sil"])
        owner.append(-1)
        entry.append(0)
    return np.array(state), np.array(owner), np.array(entry)


def _read_off(
    path: np.ndarray, state: np.ndarray, owner: np.ndarray, entry: np.ndarray, posteriors: np.ndarray, count: int
) -> Aligned:
    # a phone's two states are one piece: number the pieces by how many were begun up to each state
    piece = np.cumsum((entry > 0) | (owner < 0))[path]
    edges = np.flatnonzero(np.diff(piece)) + 1
    starts = np.concatenate([[0], edges])
    ends = np.concatenate([edges, [len(path)]])
    phones = [
        (float(a / FRAME_RATE), float(b / FRAME_RATE), PHONES[state[path[a]]])
        for a, b in zip(starts, ends, strict=True)
    ]
    own = posteriors[np.arange(len(path)), state[path]]
    most = posteriors.max(1)
    fit = np.zeros(count)
    for i in range(count):
        mine = owner[path] == i
        fit[i] = own[mine].sum() / most[mine].sum() if mine.any() else 0.0
    return Aligned(phones, [int(owner[path[a]]) for a in starts], fit)
