"""Mouth shapes of speech: weights of the phone-shape morphs from phones with their times.

Each phone pulls each morph towards its target; the pulls are blended by dominance, as in Cohen and Massaro's model
(Modeling Coarticulation in Synthetic Visual Speech, Computer Animation 1993). Then the lips are shut for p, b and m and
brought to the teeth for f and v: for long enough that a frame shows it.

The targets are mixtures of the thirteen phone shapes. The shapes alone spread and round less than people do, and some
narrow the mouth where people spread it (`Ax_E`, `KG`). So the mixtures aim at the openings and widths of
`speech.viseme_targets`, with what each shape does as MediaPipe measured it on five heads.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.speech.coarticulation import apply_kernel, make_gaussian_kernel
from lipdub.speech.phones import BILABIALS, LABIODENTALS, PHONE_INDEX, PHONES, SILENCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lipdub.arrays import F64, Array

SHAPES = (
    "AE_AA",
    "AO_a",
    "Ax_E",
    "TD_I",
    "UH_OO",
    "UW_U",
    "H_EST",
    "FV",
    "S",
    "SH_CH",
    "MPB",
    "KG",
    "OutMiddle_tg",
    "Up_tg",
)
"""Morphs that speech moves. `MPB` stands for `MPB_Up` and `MPB_Down`; the last two move the tongue."""

RATE = 200
"""Steps a second."""

# phone: dominance, and targets by shape
# fmt: off
TARGETS: dict[str, tuple[float, dict[str, float]]] = {
    "sil": (0.75, {}),
    "iy": (0.95, {"TD_I": 0.60, "H_EST": 0.50}),
    "ih": (0.65, {"TD_I": 0.35, "H_EST": 0.35, "AE_AA": 0.10}),
    "ey": (0.90, {"H_EST": 0.65, "TD_I": 0.15, "AE_AA": 0.15}),
    "eh": (0.95, {"H_EST": 0.50, "AE_AA": 0.35}),
    "ae": (1.10, {"H_EST": 0.45, "AE_AA": 0.55}),
    "a": (1.20, {"AE_AA": 0.75, "H_EST": 0.15}),
    "aa": (1.20, {"AE_AA": 0.70, "AO_a": 0.10}),
    "ao": (1.10, {"UH_OO": 0.60, "AO_a": 0.40}),
    "ow": (1.15, {"UH_OO": 0.75, "UW_U": 0.35}),
    "uh": (0.95, {"UH_OO": 0.55, "UW_U": 0.25}),
    "uw": (1.35, {"UW_U": 0.95, "UH_OO": 0.15}),
    "y": (1.30, {"UW_U": 0.85, "TD_I": 0.15}),
    "oe": (1.10, {"UH_OO": 0.55, "UW_U": 0.35}),
    "ax": (0.45, {"Ax_E": 0.25, "AE_AA": 0.18, "H_EST": 0.20}),
    "ah": (0.90, {"AE_AA": 0.45, "Ax_E": 0.20}),
    "er": (0.85, {"UH_OO": 0.35, "SH_CH": 0.40}),
    "p": (0.80, {}), "b": (0.80, {}), "m": (0.80, {}),
    "f": (1.20, {"H_EST": 0.15}), "v": (1.10, {"H_EST": 0.15}),
    "th": (0.75, {"TD_I": 0.45, "AE_AA": 0.12, "OutMiddle_tg": 0.50}),
    "dh": (0.60, {"TD_I": 0.45, "AE_AA": 0.12, "OutMiddle_tg": 0.40}),
    "t": (0.50, {"TD_I": 0.50, "S": 0.25, "Up_tg": 0.40}), "d": (0.50, {"TD_I": 0.50, "S": 0.25, "Up_tg": 0.40}),
    "n": (0.50, {"TD_I": 0.50, "S": 0.20, "Up_tg": 0.45}),
    "s": (0.85, {"S": 0.80, "TD_I": 0.20, "H_EST": 0.10}), "z": (0.85, {"S": 0.80, "TD_I": 0.20, "H_EST": 0.10}),
    "sh": (1.15, {"SH_CH": 1.05}), "zh": (1.15, {"SH_CH": 1.05}),
    "ch": (1.05, {"SH_CH": 0.95}), "jh": (1.05, {"SH_CH": 0.95}),
    "l": (0.50, {"TD_I": 0.35, "AE_AA": 0.20, "Up_tg": 0.60}),
    "r": (0.95, {"SH_CH": 0.45, "UH_OO": 0.30, "UW_U": 0.15}),
    "rr": (0.45, {"TD_I": 0.30, "AE_AA": 0.15, "Up_tg": 0.40}),
    "k": (0.40, {"TD_I": 0.30, "KG": 0.25, "AE_AA": 0.15}), "g": (0.40, {"TD_I": 0.30, "KG": 0.25, "AE_AA": 0.15}),
    "ng": (0.40, {"TD_I": 0.30, "KG": 0.25, "AE_AA": 0.15}),
    "h": (0.20, {"AE_AA": 0.25, "Ax_E": 0.15}),
    "w": (1.50, {"UW_U": 1.05}),
    "j": (0.75, {"TD_I": 0.65, "H_EST": 0.20}),
    "x": (0.50, {"KG": 0.35, "AE_AA": 0.15, "TD_I": 0.15}),
}
# fmt: on

_REACH = {"UW_U": 0.065, "UH_OO": 0.060, "SH_CH": 0.060, "H_EST": 0.055, "TD_I": 0.050, "OutMiddle_tg": 0.025}
_USUAL_REACH = 0.045  # standard deviation in seconds over which a phone pulls a shape
_LEAD = {"UW_U": 0.040, "UH_OO": 0.040, "SH_CH": 0.035}
_USUAL_LEAD = 0.025  # how far a shape runs ahead of the sound, seconds
_SPREAD, _ROUNDED = ("H_EST", "TD_I", "S"), ("UW_U", "UH_OO", "SH_CH")
_CLOSED_AHEAD, _CLOSED_LEAST, _CLOSING = 0.015, 0.075, 0.060  # seconds: before the sound, at least, and to shut
_PRESS = 0.8  # weight of MPB: at 1 the lips roll in and hardly show
_FV_LEAST, _FV_CLOSING, _FV_OPEN = 0.050, 0.060, 0.12  # seconds, and share of the opening that stays
_OPEN_BEFORE, _OPEN_AFTER, _OPEN_PAUSE = 0.35, 0.25, 0.22  # seconds about speech, weight of Ax_E and AE_AA


@dataclass(frozen=True)
class Style:
    """How a person moves the mouth.

    Attributes:
        opening: factor on all shapes but closures.
        spreading: factor on the shapes that widen the mouth.
        rounding: factor on the shapes that round it.
        jaw: weight of `MouthOpen` that goes with an open vowel.
        pace: factor on the time over which a phone pulls.
        skew: -1 to 1: how much farther one side opens.
    """

    opening: float = 1.0
    spreading: float = 1.0
    rounding: float = 1.0
    jaw: float = 0.1
    pace: float = 1.0
    skew: float = 0.0


def draw_style(rng: np.random.Generator) -> Style:
    """Draw a person's style."""
    return Style(
        opening=float(rng.uniform(0.68, 1.22)),
        spreading=float(rng.uniform(0.75, 1.35)),
        rounding=float(rng.uniform(0.8, 1.2)),
        jaw=float(rng.uniform(0.0, 0.3)),
        pace=float(rng.uniform(0.8, 1.25)),
        skew=float(np.clip(rng.normal(0, 0.3), -1, 1)),
    )


def move_mouth(phones: Sequence[tuple[float, float, str]], times: Array, style: Style) -> tuple[dict[str, F64], F64]:
    """Move the mouth through phones.

    Args:
        phones: start and end in seconds, and phone of `speech.phones.PHONES`, in order.
        times: (n,) seconds at which the mouth is wanted.
        style: how the person moves the mouth.

    Returns:
        weights of morphs (n,) by name, and how far the lips are shut for p, b and m, (n,) in 0..1.
    """
    steps = int(np.ceil((max(times[-1], phones[-1][1] if phones else 0) + 0.5) * RATE))
    pull = _mark_phones(phones, steps)
    weights = _blend_shapes(pull, style)
    shut = _hold([(a - _CLOSED_AHEAD, b) for a, b, p in phones if p in BILABIALS], steps, _CLOSED_LEAST, _CLOSING)
    tucked = _hold([(a, b) for a, b, p in phones if p in LABIODENTALS], steps, _FV_LEAST, _FV_CLOSING) * (1 - shut)
    at = np.clip(np.round(times * RATE).astype(int), 0, steps - 1)
    open_share = (1 - shut) * (1 - (1 - _FV_OPEN) * tucked)
    moved = {name: (course * open_share)[at] for name, course in weights.items()}
    moved["FV"] = tucked[at]
    for name in ("MPB_Up", "MPB_Down", "MPB"):
        moved[name] = _PRESS * shut[at]
    moved["MouthOpen"] = style.jaw * (moved["AE_AA"] + moved["AO_a"])
    aside = style.skew * (0.25 * moved["AE_AA"] + 0.2 * moved["H_EST"])
    moved["RlipDown"], moved["LlipDown"] = np.maximum(aside, 0), np.maximum(-aside, 0)
    return moved, shut[at]


def _mark_phones(phones: Sequence[tuple[float, float, str]], steps: int) -> F64:
    """Mark which phone sounds at each step, (steps, len(PHONES)) of zeros and ones."""
    marks = np.full(steps, PHONE_INDEX[SILENCE])
    for start, end, phone in phones:
        marks[round(start * RATE) : round(end * RATE)] = PHONE_INDEX[phone]
    pull: F64 = np.eye(len(PHONES))[marks]
    return pull


def _blend_shapes(pull: F64, style: Style) -> dict[str, F64]:
    """Blend the targets of all phones by their dominance."""
    dominance = np.array([TARGETS[phone][0] for phone in PHONES])
    pause = _open_in_pauses(pull[:, PHONE_INDEX[SILENCE]])
    weights = {}
    for shape in SHAPES:
        if shape in ("MPB", "FV"):
            continue
        targets = np.array([TARGETS[phone][1].get(shape, 0.0) for phone in PHONES])
        wanted = pull @ (dominance * targets)
        if shape in ("AE_AA", "H_EST"):
            wanted += pause * dominance[PHONE_INDEX[SILENCE]] * 0.5
        kernel = make_gaussian_kernel(
            _REACH.get(shape, _USUAL_REACH) * style.pace, _LEAD.get(shape, _USUAL_LEAD), rate=RATE
        )
        both = apply_kernel(np.stack([wanted, pull @ dominance], 1), *kernel)
        gain = style.opening
        gain *= style.spreading if shape in _SPREAD else style.rounding if shape in _ROUNDED else 1.0
        weights[shape] = gain * both[:, 0] / both[:, 1]
    return weights


def _open_in_pauses(silence: F64) -> F64:
    """Open the lips a little before speech, after it and in short pauses, (steps,)."""
    speech = np.flatnonzero(silence == 0)
    if not len(speech):
        return np.zeros(len(silence))
    steps = np.arange(len(silence))
    after = np.searchsorted(speech, steps)
    following = np.where(after < len(speech), speech[np.minimum(after, len(speech) - 1)] - steps, np.inf) / RATE
    previous = np.where(after > 0, steps - speech[np.maximum(after - 1, 0)], np.inf) / RATE
    near = np.maximum(1 - following / _OPEN_BEFORE, 1 - previous / _OPEN_AFTER)
    return _OPEN_PAUSE * np.clip(near, 0, 1) * silence


def _hold(spans: Sequence[tuple[float, float]], steps: int, least: float, closing: float) -> F64:
    """Hold a gesture over spans of time, with smooth ways to and from it, (steps,) in 0..1.

    Args:
        spans: start and end of each gesture, seconds.
        steps: steps of the result.
        least: seconds that a gesture is held, at least.
        closing: seconds of the way to it, and of the way back.
    """
    times = np.arange(steps) / RATE
    course = np.zeros(steps)
    for start, end in spans:
        middle, half = (start + end) / 2, max(end - start, least) / 2
        share = np.clip(1 - (np.abs(times - middle) - half) / closing, 0, 1)
        np.maximum(course, share * share * (3 - 2 * share), out=course)
    return course


def mix_shapes(courses: Mapping[str, Array], frame: int) -> dict[str, float]:
    """Give the weights of one frame that are not zero."""
    return {name: float(course[frame]) for name, course in courses.items() if abs(course[frame]) > 1e-3}
