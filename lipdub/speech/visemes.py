"""Mouth shapes by name and time: the usual fifteen visemes, and Rhubarb's nine mouth shapes.

The shape of a phone is looked up. If a phone has several shapes (a schwa, an h, a sound that its neighbours round), the
lip motion decides. Closures lie where the motion shuts the lips, which is a little before p, b or m is heard.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lipdub.speech.phone_features import FRAME_RATE
from lipdub.speech.phones import BILABIALS
from lipdub.speech.word import Segment

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lipdub.arrays import F32, Mask
    from lipdub.speech.lip_motion import LipMotion

VISEMES = ("sil", "PP", "FF", "TH", "DD", "kk", "CH", "SS", "nn", "RR", "aa", "E", "ih", "oh", "ou")
"""The visemes of OVRLipSync, MPEG-4 and most talking heads, in their usual order."""

MOUTHS = ("A", "B", "C", "D", "E", "F", "G", "H", "X")
"""The mouth shapes of Rhubarb Lip Sync.

A: lips pressed together. B: slightly open, teeth clenched. C: open. D: wide open. E: slightly rounded. F: puckered.
G: upper teeth on the lower lip. H: tongue raised (a long l). X: idle.
"""

MIN_CUE_SECONDS = 0.08
"""Shortest cue: two frames at 25 per second."""

_SHUT = 0.5  # closure from which on the lips are shut
_BORROW_PARTS = 4  # a short shape borrows time if it lacks at most this part (a fourth) of the shortest duration
_CLOSURE_FRAMES = 12  # a closure may begin so many frames before its p, b or m
_OPENING_PERCENTILE = 80  # a vowel counts with its widest opening, not with the way to it


class Look(NamedTuple):
    """How a mouth shape looks: opening and rounding, 0 to 1."""

    opening: float
    rounding: float


@dataclass(frozen=True)
class MouthShapeSet:
    """A set of mouth shapes.

    Attributes:
        names: The shapes.
        choices: The shapes each phone can have; the lip motion decides between several.
        looks: How each shape looks.
        rest: The shape of silence.
        closed: The shape of closed lips.
        protected: Shapes that are never dropped for being short.
    """

    names: tuple[str, ...]
    choices: Mapping[str, tuple[str, ...]]
    looks: Mapping[str, Look]
    rest: str
    closed: str
    protected: tuple[str, ...]


def _parse_choices(text: str) -> dict[str, tuple[str, ...]]:
    """Parse "SHAPE[/SHAPE...]: phone phone; ..." into the shapes of each phone."""
    choices: dict[str, tuple[str, ...]] = {}
    for part in text.split(";"):
        shapes, phones = part.split(":")
        choices.update({phone: tuple(shapes.strip().split("/")) for phone in phones.split()})
    return choices


OVR_SHAPES = MouthShapeSet(
    names=VISEMES,
    choices=_parse_choices(
        "sil: sil; PP: p b m; FF: f v; TH: th dh; DD: t d rr; kk: k g ng x; CH: sh zh ch jh; SS: s z;"
        "nn: n l; RR: r er; aa: a aa; aa/E: ae ah; E: ey eh; ih: iy ih j; oh: ao; oh/ou: ow oe;"
        "ou: uh uw y w; E/ih: ax; aa/E/ih/oh/ou: h"
    ),
    looks={
        "sil": Look(0.0, 0.0),
        "PP": Look(0.0, 0.0),
        "FF": Look(0.1, 0.0),
        "TH": Look(0.3, 0.0),
        "DD": Look(0.3, 0.0),
        "kk": Look(0.4, 0.0),
        "CH": Look(0.3, 0.6),
        "SS": Look(0.25, 0.0),
        "nn": Look(0.3, 0.0),
        "RR": Look(0.3, 0.45),
        "aa": Look(0.85, 0.0),
        "E": Look(0.6, 0.0),
        "ih": Look(0.4, 0.0),
        "oh": Look(0.6, 0.55),
        "ou": Look(0.3, 0.85),
    },
    rest="sil",
    closed="PP",
    protected=("PP", "FF"),
)
RHUBARB_SHAPES = MouthShapeSet(
    names=MOUTHS,
    choices=_parse_choices(
        "X: sil; A: p b m; G: f v; B: iy th dh t d s z; B/C: ih k g ng x n rr ax; C: eh ey; C/D: ae ah a aa;"
        "E: ao er; E/F: ow oe; F: uh uw y w; B/F: sh zh ch jh j; B/E/F: r; B/H: l; B/C/D/E/F: h"
    ),
    looks={
        "A": Look(0.0, 0.0),
        "B": Look(0.25, 0.0),
        "C": Look(0.55, 0.0),
        "D": Look(0.85, 0.0),
        "E": Look(0.55, 0.5),
        "F": Look(0.3, 0.9),
        "G": Look(0.1, 0.0),
        "H": Look(0.5, 0.0),
        "X": Look(0.0, 0.0),
    },
    rest="X",
    closed="A",
    protected=("A", "G"),
)


def build_viseme_cues(
    motion: LipMotion, *, duration: float | None = None, min_seconds: float = MIN_CUE_SECONDS
) -> list[Segment]:
    """Describe a speech as `VISEMES`; see `build_mouth_cues`."""
    return build_mouth_cues(motion, OVR_SHAPES, duration=duration, min_seconds=min_seconds)


def build_rhubarb_cues(
    motion: LipMotion, *, duration: float | None = None, min_seconds: float = MIN_CUE_SECONDS
) -> list[Segment]:
    """Describe a speech as Rhubarb's `MOUTHS`; see `build_mouth_cues`."""
    return build_mouth_cues(motion, RHUBARB_SHAPES, duration=duration, min_seconds=min_seconds)


def build_mouth_cues(
    motion: LipMotion, shapes: MouthShapeSet, *, duration: float | None = None, min_seconds: float = MIN_CUE_SECONDS
) -> list[Segment]:
    """Describe a speech as mouth shapes over time.

    A closure is never lost: it is lengthened instead.

    Args:
        motion: The lip motion.
        shapes: The set of mouth shapes.
        duration: Length of the speech in seconds; by default that of its phones.
        min_seconds: Shortest cue in seconds. Only a shape between two closures may be shorter.

    Returns:
        Cues that are contiguous from zero, with different neighbours, at whole hundredths of a second.
    """
    count = len(motion.times) if duration is None else min(len(motion.times), max(int(duration * FRAME_RATE + 1e-6), 1))
    labels = _label_frames(motion, shapes)[:count]
    return enforce_min_duration(labels, shapes, min_seconds)


def clip_cues(cues: Sequence[Segment], start: float, end: float) -> list[Segment]:
    """Return the parts of the cues between two times, in their own times."""
    return [Segment(max(a, start), min(b, end), label) for a, b, label in cues if b > start and a < end]


def _label_frames(motion: LipMotion, shapes: MouthShapeSet) -> list[str]:
    """Return the shape of each frame."""
    frames = len(motion.times)
    is_closed = _find_closed_frames(motion, motion.column("closure") >= _SHUT)
    labels = [shapes.rest] * frames
    pending: list[int] = []  # frames of p, b and m, whose shape is that of the next phone where the lips are open
    for start, end, phone in motion.phones:
        span = range(round(start * FRAME_RATE), min(round(end * FRAME_RATE), frames))
        if phone in BILABIALS:
            pending += span
            continue
        label = _choose_shape(motion, shapes, phone, span, is_closed)
        for i in (*span, *pending):
            labels[i] = label
        pending = []
    for i in pending:
        labels[i] = labels[pending[0] - 1] if pending[0] else shapes.rest
    return [shapes.closed if is_closed[i] else label for i, label in enumerate(labels)]


def _choose_shape(motion: LipMotion, shapes: MouthShapeSet, phone: str, span: range, is_closed: Mask) -> str:
    """Choose the shape of a phone that looks most like the motion over its frames."""
    choices = shapes.choices[phone]
    if len(choices) == 1 or not span:
        return choices[0]
    free = [i for i in span if not is_closed[i]] or list(span)
    opening: F32 = motion.column("opening")[free]
    look = Look(float(np.percentile(opening, _OPENING_PERCENTILE)), float(motion.column("rounding")[free].mean()))
    return min(choices, key=lambda name: _measure_distance(look, shapes.looks[name]))


def _find_closed_frames(motion: LipMotion, is_shut: Mask) -> Mask:
    """Find the frames with closed lips.

    Args:
        motion: The lip motion.
        is_shut: (frames,) bool, where the motion shuts the lips.

    Returns:
        (frames,) bool. If the motion does not shut the lips for a p, b or m, that phone itself is closed.
    """
    is_closed = is_shut.copy()
    for start, end, phone in motion.phones:
        if phone in BILABIALS:
            a, b = round(start * FRAME_RATE), round(end * FRAME_RATE)
            if not is_shut[max(a - _CLOSURE_FRAMES, 0) : b].any():
                is_closed[a:b] = True
    return is_closed


def _measure_distance(a: Look, b: Look) -> float:
    return (a.opening - b.opening) ** 2 + (a.rounding - b.rounding) ** 2


@dataclass
class _Span:
    """A shape over frames start to end - 1."""

    start: int
    end: int
    label: str

    def __len__(self) -> int:
        return self.end - self.start


def _group_labels(labels: Sequence[str]) -> list[_Span]:
    """Group equal neighbours."""
    spans: list[_Span] = []
    for i, label in enumerate(labels):
        if spans and spans[-1].label == label:
            spans[-1].end = i + 1
        else:
            spans.append(_Span(i, i + 1, label))
    return spans


def enforce_min_duration(
    labels: Sequence[str], shapes: MouthShapeSet, min_seconds: float = MIN_CUE_SECONDS
) -> list[Segment]:
    """Turn labels of frames into cues that are long enough to be seen.

    A shape that lacks little time borrows it from longer neighbours; other short shapes are merged into the neighbour
    that looks more like them. A protected shape (closed lips, teeth on lip) grows into its neighbours instead. A shape
    between two protected ones stays, if only for half the shortest duration, so that they remain two.

    Args:
        labels: Shapes of frames at 100 per second.
        shapes: The set of mouth shapes.
        min_seconds: Shortest cue in seconds.
    """
    shortest = max(round(min_seconds * FRAME_RATE), 1)
    row = _group_labels(labels)
    while (
        _grow_span(row, shapes, shortest, protected=False)
        or _merge_span(row, shapes, shortest)
        or _grow_span(row, shapes, shortest, protected=True)
    ):
        pass
    return [Segment(span.start / FRAME_RATE, span.end / FRAME_RATE, span.label) for span in row]


def _merge_span(row: list[_Span], shapes: MouthShapeSet, shortest: int) -> bool:
    """Merge the shortest span that is too short into a neighbour, in place.

    Returns:
        Whether there was one.
    """
    is_protected = [span.label in shapes.protected for span in row]
    short = [
        i
        for i, span in enumerate(row)
        if len(span) < shortest and not is_protected[i] and not _is_between_protected(i, is_protected)
    ]
    if not short or len(row) < 2:
        return False
    i = min(short, key=lambda i: len(row[i]))
    look = shapes.looks[row[i].label]
    neighbours = [k for k in (i - 1, i + 1) if 0 <= k < len(row)]
    heir = min(
        neighbours,
        key=lambda k: (is_protected[k], _measure_distance(look, shapes.looks[row[k].label]), -len(row[k])),
    )
    row[heir].start = min(row[heir].start, row[i].start)
    row[heir].end = max(row[heir].end, row[i].end)
    del row[i]
    if 0 < i < len(row) and row[i - 1].label == row[i].label:
        row[i - 1].end = row[i].end
        del row[i]
    return True


def _grow_span(row: list[_Span], shapes: MouthShapeSet, shortest: int, *, protected: bool) -> bool:
    """Lengthen the first span that is too short by time its neighbours can spare, in place.

    Args:
        row: The spans.
        shapes: The set of mouth shapes.
        shortest: Frames of the shortest span.
        protected: Lengthen protected spans, even if a neighbour becomes too short by it. Otherwise lengthen spans
            that lack little time or separate two protected ones.

    Returns:
        Whether a span was lengthened.
    """
    is_protected = [span.label in shapes.protected for span in row]
    half = max(shortest // 2, 1)
    for i, span in enumerate(row):
        separates = _is_between_protected(i, is_protected)
        # a span between two protected ones must be visible, but not at their cost
        missing = (half if separates and not is_protected[i] else shortest) - len(span)
        if is_protected[i] != protected or missing <= 0:
            continue
        before, after = (
            max(len(row[k]) - (half if protected and not is_protected[k] else shortest), 0) if 0 <= k < len(row) else 0
            for k in (i - 1, i + 1)
        )
        if not before + after:
            continue
        if not protected and not separates and (missing > shortest // _BORROW_PARTS or before + after < missing):
            continue
        # from both sides alike; the other side gives what one side lacks
        early = min(before, max(-(-missing // 2), missing - after))
        late = min(after, missing - early)
        span.start -= early
        span.end += late
        if early:
            row[i - 1].end = span.start
        if late:
            row[i + 1].start = span.end
        return True
    return False


def _is_between_protected(i: int, is_protected: Sequence[bool]) -> bool:
    """Return whether span i stands between two protected ones."""
    return 0 < i < len(is_protected) - 1 and is_protected[i - 1] and is_protected[i + 1]
