"""Coarticulation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lipdub.speech import viseme_targets
from lipdub.speech.phone_features import (
    FRAME_RATE,
)
from lipdub.speech.phone_network import convolve_time
from lipdub.speech.phones import BILABIALS, PHONE_INDEX

COEFFICIENTS = ("opening", "width", "rounding", "jaw", "closure", "lower_lip")
"""opening: gap between the lips, 0 rest .. 1 wide open speech of this talker (a shout may pass 1); width: -1
.. 1 about rest, spread positive, rounded negative; rounding: lips rounded and put forward, 0 .. 1; jaw:
lowered, 0 rest .. 1; closure: 1 = lips pressed together (p b m), 0 = not; lower_lip: 1 = lower lip tucked
under the upper teeth (f v)."""


CONTEXT_SHAPES = ("opening", "width", "jaw")
"""Shapes that a learnt context may change (`LipModel.context`)."""


_MIN_PROBABILITY = 0.02  # posteriors under this count as nothing


_KERNEL_SIGMAS = 3.0  # bells are cut off at so many standard deviations


@dataclass(frozen=True)
class LipModel:
    """Numbers of the dominance model; times in seconds.

    targets, dominance: (phones, shapes) as in `speech.table`; reach, ahead: (shapes,). closure_full:
    probability of a bilabial, averaged over its bell of closure_reach, at which the lips are shut;
    closure_early: how long before a bilabial that follows a silence they are; posture: opening held in a
    short silence, risen to over posture_before ahead of speech and given up over posture_after behind it.
    context: what neighbouring phones change beyond that, as the three layers of `context_shapes`, or none.
    """

    targets: np.ndarray
    dominance: np.ndarray
    reach: np.ndarray
    ahead: np.ndarray
    closure_reach: float = 0.018
    closure_ahead: float = 0.03
    closure_full: float = 0.50
    closure_early: float = 0.09
    posture: float = 0.30
    posture_before: float = 0.40
    posture_after: float = 0.20
    context: tuple[np.ndarray, ...] = ()

    @staticmethod
    def phonetic() -> LipModel:
        """The table as written, nothing fitted."""
        return LipModel(
            viseme_targets.build_target_matrix(),
            viseme_targets.build_dominance_matrix(),
            np.array([viseme_targets.REACH_SECONDS[s] for s in viseme_targets.SHAPES]),
            np.array([viseme_targets.LEAD_SECONDS[s] for s in viseme_targets.SHAPES]),
        )


def make_gaussian_kernel(reach: float, ahead: float, *, rate: float = FRAME_RATE) -> tuple[np.ndarray, int]:
    """Weights of a bell over frames and the offset of its first one: value[t] = sum_k w[k] p[t + first +
    k].
    """
    wide = int(np.ceil(_KERNEL_SIGMAS * reach * rate))
    centre = ahead * rate
    first = int(np.floor(centre)) - wide
    offsets = np.arange(first, int(np.ceil(centre)) + wide + 1)
    weights = np.exp(-0.5 * ((offsets - centre) / (reach * rate)) ** 2)
    return weights / weights.sum(), first


def apply_kernel(x: np.ndarray, weights: np.ndarray, first: int) -> np.ndarray:
    """What a bell makes of a course: sum_k weights[k] x[t + first + k], the ends held. x (T,) or (T, n)."""
    last = first + len(weights) - 1
    before, after = max(-first, 0), max(last, 0)
    padded = np.pad(x, [(before, after)] + [(0, 0)] * (x.ndim - 1), mode="edge")
    out = np.zeros(x.shape, np.float64)
    for k, w in enumerate(weights):
        start = before + first + k
        out += w * padded[start : start + len(x)]
    return out


def _ramp_maximum(x: np.ndarray, before: float, after: float) -> np.ndarray:
    """Largest of x (T,) near each frame, falling off in a straight line to nothing `before` seconds ahead of
    it and `after` seconds behind it.
    """
    out = x.copy()
    for span, sign in ((before, 1), (after, -1)):
        frames = int(span * FRAME_RATE)
        for d in range(1, min(frames, len(x) - 1) + 1):
            fall = 1 - d / (frames + 1)
            if sign > 0:
                np.maximum(out[:-d], x[d:] * fall, out=out[:-d])
            else:
                np.maximum(out[d:], x[:-d] * fall, out=out[d:])
    return out


def suppress_unlikely(posteriors: np.ndarray) -> np.ndarray:
    """Posteriors without their small change, float64, rows sum to one: so that silence is exactly silence."""
    p = np.where(posteriors < _MIN_PROBABILITY, 0.0, posteriors).astype(np.float64)
    return p / p.sum(1, keepdims=True)


def compute_pause_opening(p: np.ndarray, model: LipModel) -> np.ndarray:
    """Opening that silent frames aim at, (frames,): a talker opens the lips some time before the first sound,
    and does not shut them in a short pause. p: from `certain`.
    """
    silence = p[:, PHONE_INDEX["sil"]]
    return model.posture * silence * _ramp_maximum(1 - silence, model.posture_before, model.posture_after)


def compute_lip_closure(p: np.ndarray, model: LipModel) -> np.ndarray:
    """How far the lips are shut for p b m, 0 to 1, (frames,). p: from `certain`."""
    bilabial = p[:, [PHONE_INDEX[x] for x in BILABIALS]].sum(1)
    # after silence the lips are shut before p b m can be heard
    bilabial = np.maximum(bilabial, p[:, PHONE_INDEX["sil"]] * _ramp_maximum(bilabial, model.closure_early, 0.0))
    share = np.clip(
        apply_kernel(bilabial, *make_gaussian_kernel(model.closure_reach, model.closure_ahead)) / model.closure_full,
        0.0,
        1.0,
    )
    return share**2 * (3 - 2 * share)


def compute_context_offsets(p: np.ndarray, layers: tuple[np.ndarray, ...]) -> np.ndarray:
    """What the phones' neighbours change in the lips beyond the blend, float64 (frames, len(CONTEXT_SHAPES)).

    p: from `certain`; layers: weights (out, in, taps) of three convolutions along time without biases, rectified,
    the second with dilation 2 and its input added. Silence gives no input, so it gives exactly nothing.
    """
    x = np.delete(p, PHONE_INDEX["sil"], 1)
    first, second, last = layers
    x = np.maximum(convolve_time(x, first, np.zeros(len(first))), 0)
    x = x + np.maximum(convolve_time(x, second, np.zeros(len(second)), dilation=2), 0)
    return convolve_time(x, last, np.zeros(len(last)))


def blend_lip_shapes(posteriors: np.ndarray, model: LipModel) -> np.ndarray:
    """Lip coefficients, float32 (frames, len(COEFFICIENTS)), of phone probabilities (frames, len(PHONES))."""
    if not len(posteriors):
        return np.zeros((0, len(COEFFICIENTS)), np.float32)
    p = suppress_unlikely(posteriors)
    held = compute_pause_opening(p, model)
    shapes = {}
    for i, name in enumerate(viseme_targets.SHAPES):
        pull = model.dominance[:, i].astype(np.float64)
        wanted = p @ (pull * model.targets[:, i])
        if name in ("opening", "jaw"):
            wanted = wanted + held * pull[PHONE_INDEX["sil"]]
        both = apply_kernel(
            np.stack([wanted, p @ pull], 1), *make_gaussian_kernel(float(model.reach[i]), float(model.ahead[i]))
        )
        shapes[name] = both[:, 0] / both[:, 1]
    if model.context:
        for name, change in zip(CONTEXT_SHAPES, compute_context_offsets(p, model.context).T, strict=True):
            shapes[name] = shapes[name] + change
    shut = compute_lip_closure(p, model)
    columns = {
        "opening": np.maximum(shapes["opening"], 0.0) * (1 - shut),
        "width": np.clip(shapes["width"], -1, 1),
        "rounding": np.clip(shapes["rounding"], 0, 1),
        "jaw": np.clip(shapes["jaw"], 0, None),
        "closure": shut,
        "lower_lip": np.clip(shapes["lower_lip"], 0, 1),
    }
    return np.stack([columns[name] for name in COEFFICIENTS], 1).astype(np.float32)
