"""Mouth shapes by name and time: the usual fifteen visemes, and Rhubarb's nine mouth shapes.

A phone's shape is looked up; where a phone has several (a schwa, an h, a sound that its neighbours round) the
lips' trajectory decides. Closures are where the trajectory shuts the lips, which is a little before p, b or m
is heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.speech.phone_features import FRAME_RATE
from lipdub.speech.phones import BILABIALS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lipdub.speech.lip_motion import LipMotion

Cue = tuple[float, float, str]
"""start s, end s, label."""

VISEMES = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou")
"""The set of OVRLipSync, of MPEG-4's visemes and of most talking heads, in its usual order."""
MOUTHS = ("A", "B", "C", "D", "E", "F", "G", "H", "X")
"""Rhubarb Lip Sync's: A lips pressed together, B slightly open with clenched teeth, C open, D wide open, E
slightly rounded, F puckered, G upper teeth on the lower lip, H tongue raised (a long l), X idle."""

MIN_CUE_SECONDS = 0.08
"""Seconds: two frames at 25 a second."""


@dataclass(frozen=True)
class MouthShapeSet:
    """A set of mouth shapes.

    choices: the shapes each phone can have (one of them by the trajectory); look: opening and rounding of
    each shape; rest, closed: the shapes of silence and of closed lips; kept: shapes that are never given up
    for being short.
    """

    names: tuple[str, ...]
    choices: Mapping[str, tuple[str, ...]]
    look: Mapping[str, tuple[float, float]]
    rest: str
    closed: str
    kept: tuple[str, ...]


def _choices(text: str) -> dict[str, tuple[str, ...]]:
    """Of "SHAPE[/SHAPE...]: phone phone; ..." the shapes by phone."""
    out = {}
    for part in text.split(";"):
        shapes, phones = part.split(":")
        out.update({phone: tuple(shapes.strip().split("/")) for phone in phones.split()})
    return out


OVR_SHAPES = MouthShapeSet(
    VISEMES,
    _choices(
        "sil: sil; PP: p b m; FF: f v; TH: th dh; DD: t d rr; kk: k g ng x; CH: sh zh ch jh; SS: s z;"
        "nn: n l; RR: r er; aa: a aa; aa/E: ae ah; E: ey eh; ih: iy ih j; oh: ao; oh/ou: ow oe;"
        "ou: uh uw y w; E/ih: ax; aa/E/ih/oh/ou: h"
    ),
    {
        "sil": (0.0, 0.0),
        "PP": (0.0, 0.0),
        "FF": (0.1, 0.0),
        "TH": (0.3, 0.0),
        "DD": (0.3, 0.0),
        "kk": (0.4, 0.0),
        "CH": (0.3, 0.6),
        "SS": (0.25, 0.0),
        "nn": (0.3, 0.0),
        "RR": (0.3, 0.45),
        "aa": (0.85, 0.0),
        "E": (0.6, 0.0),
        "ih": (0.4, 0.0),
        "oh": (0.6, 0.55),
        "ou": (0.3, 0.85),
    },
    "sil",
    "PP",
    ("PP", "FF"),
)
RHUBARB_SHAPES = MouthShapeSet(
    MOUTHS,
    _choices(
        "X: sil; A: p b m; G: f v; B: iy th dh t d s z; B/C: ih k g ng x n rr ax; C: eh ey; C/D: ae ah a aa;"
        "E: ao er; E/F: ow oe; F: uh uw y w; B/F: sh zh ch jh j; B/E/F: r; B/H: l; B/C/D/E/F: h"
    ),
    {
        "A": (0.0, 0.0),
        "B": (0.25, 0.0),
        "C": (0.55, 0.0),
        "D": (0.85, 0.0),
        "E": (0.55, 0.5),
        "F": (0.3, 0.9),
        "G": (0.1, 0.0),
        "H": (0.5, 0.0),
        "X": (0.0, 0.0),
    },
    "X",
    "A",
    ("A", "G"),
)

_SHUT = 0.5  # closure from which the lips are shut
_LACK = 4  # a short shape that lacks at most this part (a fourth) of the least duration borrows it
_NEAR = 12  # frames before a p, b or m from which on its closure may lie


def build_viseme_cues(motion: LipMotion, *, until: float | None = None, least: float = MIN_CUE_SECONDS) -> list[Cue]:
    """The speech as visemes, of `VISEMES`; arguments as `cues`."""
    return build_mouth_cues(motion, OVR_SHAPES, until=until, least=least)


def build_rhubarb_cues(motion: LipMotion, *, until: float | None = None, least: float = MIN_CUE_SECONDS) -> list[Cue]:
    """The speech as Rhubarb's mouth shapes, of `MOUTHS`; arguments as `cues`."""
    return build_mouth_cues(motion, RHUBARB_SHAPES, until=until, least=least)


def build_mouth_cues(
    motion: LipMotion, shapes: MouthShapeSet, *, until: float | None = None, least: float = MIN_CUE_SECONDS
) -> list[Cue]:
    """Mouth shapes over time, contiguous from zero, neighbours different, times in whole hundredths of a
    second.

    until: seconds the speech lasts (else as long as its phones); least: no shape is shorter, except where
    closures stand too close: what parts them stays. A closure is never lost: it is made longer instead.
    """
    count = len(motion.times) if until is None else min(len(motion.times), max(int(until * FRAME_RATE + 1e-6), 1))
    labels = _labels(motion, shapes)[:count]
    return enforce_min_duration(labels, shapes, least)


def clip_cues(cues: Sequence[Cue], start: float, end: float) -> list[Cue]:
    """What of the cues lies in start..end, in their own times."""
    return [(max(a, start), min(b, end), label) for a, b, label in cues if b > start and a < end]


def _labels(motion: LipMotion, shapes: MouthShapeSet) -> list[str]:
    """The shape of each frame."""
    frames = len(motion.times)
    opening, rounding, shut = (motion.column(name) for name in ("opening", "rounding", "closure"))
    closed = _closed(motion, shut >= _SHUT)
    labels = [shapes.rest] * frames
    pending: list[int] = []
    for start, end, phone in motion.phones:
        a, b = round(start * FRAME_RATE), min(round(end * FRAME_RATE), frames)
        span = range(a, b)
        if phone in BILABIALS:
            pending += span
            continue
        options = shapes.choices[phone]
        label = options[0]
        if len(options) > 1 and b > a:
            free = [i for i in span if not closed[i]] or list(span)
            # a vowel is as open as it gets, not as on the way there
            seen = (float(np.percentile(opening[free], 80)), float(rounding[free].mean()))
            label = min(options, key=lambda option: _apart(seen, shapes.look[option]))
        for i in span:
            labels[i] = label
        for i in pending:  # lips that have left a p, b or m are on their way to what follows
            labels[i] = label
        pending = []
    for i in pending:
        labels[i] = labels[pending[0] - 1] if pending[0] else shapes.rest
    return [shapes.closed if closed[i] else label for i, label in enumerate(labels)]


def _closed(motion: LipMotion, shut: np.ndarray) -> np.ndarray:
    """Frames with closed lips, bool (frames,): where the trajectory shuts them, and where it does not for a
    p, b or m that was heard, that phone itself.
    """
    out = shut.copy()
    for start, end, phone in motion.phones:
        if phone in BILABIALS:
            a, b = round(start * FRAME_RATE), round(end * FRAME_RATE)
            if not shut[max(a - _NEAR, 0) : b].any():
                out[a:b] = True
    return out


def _apart(a: tuple[float, float], b: tuple[float, float]) -> float:
    return (a[0] - b[0]) ** 2 + (a[1] - b[1]) ** 2


@dataclass
class _Span:
    """A shape over frames start..end."""

    start: int
    end: int
    label: str

    def __len__(self) -> int:
        return self.end - self.start


def _runs(labels: Sequence[str]) -> list[_Span]:
    """Spans of equal labels."""
    out: list[_Span] = []
    for i, label in enumerate(labels):
        if out and out[-1].label == label:
            out[-1].end = i + 1
        else:
            out.append(_Span(i, i + 1, label))
    return out


def enforce_min_duration(labels: Sequence[str], shapes: MouthShapeSet, least: float = MIN_CUE_SECONDS) -> list[Cue]:
    """Cues in seconds of labels of frames (100 a second), without those too short to be seen.

    One that lacks little borrows from longer neighbours, others go to the neighbour that looks more like
    them. A kept one (closed lips, teeth on lip) grows into its neighbours instead; one between two kept ones
    stays, if only for half the least duration, so that they remain two.
    """
    shortest = max(round(least * FRAME_RATE), 1)
    row = _runs(labels)
    while (
        _grow(row, shapes, shortest, kept_ones=False)
        or _swallow(row, shapes, shortest)
        or _grow(row, shapes, shortest, kept_ones=True)
    ):
        pass
    return [(span.start / FRAME_RATE, span.end / FRAME_RATE, span.label) for span in row]


def _swallow(row: list[_Span], shapes: MouthShapeSet, shortest: int) -> bool:
    """Gives the shortest span that is too short to a neighbour, and joins what then is equal. False if there
    is none.
    """
    kept = [span.label in shapes.kept for span in row]
    short = [i for i, span in enumerate(row) if len(span) < shortest and not kept[i] and not _parts(i, kept)]
    if not short or len(row) < 2:
        return False
    i = min(short, key=lambda i: len(row[i]))
    here = shapes.look[row[i].label]
    beside = [k for k in (i - 1, i + 1) if 0 <= k < len(row)]
    heir = min(beside, key=lambda k: (kept[k], _apart(here, shapes.look[row[k].label]), -len(row[k])))
    row[heir].start = min(row[heir].start, row[i].start)
    row[heir].end = max(row[heir].end, row[i].end)
    del row[i]
    if 0 < i < len(row) and row[i - 1].label == row[i].label:
        row[i - 1].end = row[i].end
        del row[i]
    return True


def _grow(row: list[_Span], shapes: MouthShapeSet, shortest: int, *, kept_ones: bool) -> bool:
    """Makes the first span that is too short longer, from what its neighbours can spare. False if none can
    be.

    Of the `kept_ones` any, even where a neighbour gets too short by it; of the others those that lack little,
    or stand between two kept ones.
    """
    kept = [span.label in shapes.kept for span in row]
    for i, span in enumerate(row):
        # what parts two kept ones is to be seen, but not at the cost of what they are
        need = (max(shortest // 2, 1) if _parts(i, kept) and not kept[i] else shortest) - len(span)
        if kept[i] != kept_ones or need <= 0:
            continue
        before, after = (
            max(len(row[k]) - (shortest if kept[k] or not kept_ones else max(shortest // 2, 1)), 0)
            if 0 <= k < len(row)
            else 0
            for k in (i - 1, i + 1)
        )
        if not before + after:
            continue
        if not kept_ones and not _parts(i, kept) and (need > shortest // _LACK or before + after < need):
            continue
        # from both sides alike, and what one side lacks from the other
        early = min(before, max(-(-need // 2), need - after))
        late = min(after, need - early)
        span.start -= early
        span.end += late
        if early:
            row[i - 1].end = span.start
        if late:
            row[i + 1].start = span.end
        return True
    return False


def _parts(i: int, kept: Sequence[bool]) -> bool:
    """Whether span i stands between two kept ones."""
    return 0 < i < len(kept) - 1 and kept[i - 1] and kept[i + 1]
