"""Words in speech by a recogniser that knows English: pieces between pauses, worked off by child processes."""

from __future__ import annotations

import json
import math
import subprocess
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np

from lipdub.parallel import beside, child_command, child_environment
from lipdub.speech.features import FRAME_RATE, HOP
from lipdub.speech.phones import INDEX, from_arpabet, spread

LONGEST = 14.0
"""Seconds: no piece is longer, so that no word depends on sound later than this."""

Child = subprocess.Popen[bytes]

_SHORTEST = 3.0  # seconds of a piece, unless the speech ends
_PAUSE = 15  # frames each way over which silence is averaged to find where to cut
_LEAST_SPEECH = 0.08  # seconds of a piece that must be no silence for it to be worth asking about
_LEVEL = 0.7  # of full scale, that a piece's loudest sample is brought to


@dataclass(frozen=True)
class Word:
    """start, end: seconds; phones: (start s, end s, phone of `speech.phones.PHONES`), contiguous inside it; fit:
    how well the phone network agrees, 0 to about 1, NaN where nobody has asked it."""

    text: str
    start: float
    end: float
    phones: tuple[tuple[float, float, str], ...]
    fit: float = float("nan")


def is_english(language: str) -> bool:
    """Whether a language code is one of English ("en", "en-gb")."""
    return language.lower().replace("_", "-").split("-")[0] == "en"


def available() -> bool:
    """Whether the recogniser is installed."""
    return model_folder() is not None


def model_folder() -> Path | None:
    """Where the recogniser's English model and dictionary lie, or None when it is not installed."""
    spec = find_spec("pocketsphinx")
    return Path(spec.origin).parent / "model" / "en-us" if spec is not None and spec.origin is not None else None


def pieces(posteriors: np.ndarray) -> list[tuple[int, int]]:
    """Spans of frames to recognise apart, contiguous, from the first frame to the last: cut where it is most
    silent.

    posteriors: (frames, len(PHONES)) at 100 Hz. Each cut depends on at most `LONGEST` seconds after the one
    before.
    """
    frames = len(posteriors)
    least, most = int(_SHORTEST * FRAME_RATE), int(LONGEST * FRAME_RATE)
    total = np.concatenate([[0.0], np.cumsum(posteriors[:, INDEX["sil"]], dtype=np.float64)])
    out: list[tuple[int, int]] = []
    first = 0
    while frames - first > most:
        at = np.arange(first + least, first + most)
        low, high = at - _PAUSE, np.minimum(at + _PAUSE, first + most)
        quiet = (total[high] - total[low]) / (high - low)
        # of equally good pauses the last: long pieces are recognised better
        cut = int(at[len(at) - 1 - int(np.argmax(quiet[::-1] > quiet.max() - 0.05))])
        out.append((first, cut))
        first = cut
    if frames > first:
        out.append((first, frames))
    return out


@contextmanager
def recognisers(seconds: float, workers: int = 1) -> Iterator[list[Child]]:
    """Child processes that recognise, as many as `seconds` of sound can keep busy and at most `workers`.

    They load their model while the caller does other things; they end with the context, or with this process.
    """
    children: list[Child] = []
    try:
        for _ in range(max(1, min(workers, math.ceil(seconds / LONGEST)))):
            children.append(
                subprocess.Popen(
                    child_command("lipdub.speech.recogniser"),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env=child_environment(),
                )
            )
        yield children
    finally:
        for child in children:
            child.kill()
            child.communicate()


def recognise(
    children: Sequence[Child], audio: np.ndarray, spans: Sequence[tuple[int, int]], posteriors: np.ndarray
) -> list[list[Word]]:
    """The English words of each span of frames.

    children: of `recognisers`; audio: float32 (n,) mono, 16 kHz; posteriors: as for `pieces`. Spans with hardly
    any speech have none. Raises RuntimeError when a recogniser ends unexpectedly.
    """
    voiced = [_voiced(posteriors[a:b]) for a, b in spans]
    found = iter(_ask(children, audio, [(span, None) for span, some in zip(spans, voiced, strict=True) if some]))
    return [next(found) if some else [] for some in voiced]


def locate(
    children: Sequence[Child],
    audio: np.ndarray,
    asked: Sequence[tuple[tuple[int, int], Sequence[tuple[str, str]]]],
) -> list[list[Word]]:
    """Where given English words lie inside given spans of frames: (span, ((word, ARPAbet phones), ...)). A span
    whose words do not fit gets none."""
    return _ask(children, audio, [(span, [list(w) for w in words]) for span, words in asked])


def _voiced(posteriors: np.ndarray) -> bool:
    return float((1 - posteriors[:, INDEX["sil"]]).sum()) / FRAME_RATE > _LEAST_SPEECH


def _ask(
    children: Sequence[Child],
    audio: np.ndarray,
    asked: Sequence[tuple[tuple[int, int], list[list[str]] | None]],
) -> list[list[Word]]:
    todo = deque(range(len(asked)))
    found: list[list[Word]] = [[] for _ in asked]

    def work(child: Child) -> None:
        while todo:
            try:
                i = todo.popleft()
            except IndexError:  # another child took the last one
                return
            found[i] = _words(_answer(child, audio, *asked[i]), asked[i][0][0])

    for done in [beside(partial(work, child)) for child in children]:
        done()
    return found


def _answer(
    child: Child, audio: np.ndarray, span: tuple[int, int], words: list[list[str]] | None
) -> Any:
    sound = audio[span[0] * HOP : span[1] * HOP]
    peak = float(np.abs(sound).max(initial=0.0))
    samples = (sound * (_LEVEL * 32767 / max(peak, 1e-6))).astype("<i2")
    assert child.stdin is not None and child.stdout is not None
    try:
        child.stdin.write(json.dumps({"samples": len(samples), "words": words}).encode() + b"\n")
        child.stdin.write(samples.tobytes())
        child.stdin.flush()
        line = child.stdout.readline()
    except BrokenPipeError:
        line = b""
    if not line:
        raise RuntimeError("the speech recogniser ended unexpectedly")
    return json.loads(line)


def _words(rows: Any, first: int) -> list[Word]:
    """The recogniser's answer about a piece that begins at that frame."""
    out = []
    for text, phones in rows or ():
        times: list[tuple[float, float, str]] = []
        for start, count, name in phones:
            begin, end = (first + start) / FRAME_RATE, (first + start + count) / FRAME_RATE
            times += spread(from_arpabet(name), begin, end)
        out.append(Word(text, times[0][0], times[-1][1], tuple(times)))
    return out


def phones_of(words: Sequence[Word]) -> Iterator[tuple[float, float, str]]:
    """All phones of the words, in order."""
    for word in words:
        yield from word.phones
