"""Mouth shapes: what is measured on a face, and how a talker's face follows them.

Measures are in canonical units (distance of the eye centres = 1). The response model is linear: a talker's
canonical landmarks are ``base + gain @ (measures - rest)`` and what is left over (a smile, a crooked lip, the
identity's drift), fitted by ridge regression that leans towards a response learned elsewhere where this talker shows
too little of his own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces import mesh

if TYPE_CHECKING:
    from collections.abc import Mapping

MEASURES = ("opening", "width")


def measure(canonical: np.ndarray) -> np.ndarray:
    """Mouth measures of canonical faces (n, 478, 3): (n, 2) inner-lip opening and corner distance."""
    upper, lower = canonical[:, mesh.INNER_UPPER[4]], canonical[:, mesh.INNER_LOWER[4]]
    opening = np.linalg.norm(lower - upper, axis=1) * np.sign(lower[:, 1] - upper[:, 1])
    width = np.linalg.norm(canonical[:, 291, :2] - canonical[:, 61, :2], axis=1)
    return np.stack([opening, width], 1)


def measure_lip_heights(canonical: np.ndarray) -> np.ndarray:
    """How much of the upper and the lower lip shows, (n, 2), on canonical faces (n, 478, 3): lips rolled in show little."""
    upper = canonical[:, mesh.INNER_UPPER[4]] - canonical[:, mesh.LIPS_OUTER[5]]
    lower = canonical[:, mesh.LIPS_OUTER[15]] - canonical[:, mesh.INNER_LOWER[4]]
    return np.stack([np.linalg.norm(upper, axis=1), np.linalg.norm(lower, axis=1)], 1)


def predict_lip_heights(response: MouthResponse, measures: np.ndarray) -> np.ndarray:
    """`lip_heights` of the talker's face at measures (n, m), worked out in blocks: no memory of whole faces for a whole
    film.
    """
    blocks = [measure_lip_heights(response.shape(measures[i : i + 256])) for i in range(0, len(measures), 256)]
    return np.concatenate(blocks) if blocks else np.zeros((0, 2))


@dataclass(frozen=True)
class MouthResponse:
    """A talker's mean face (478, 3) at mean measures (m,), and its gain (m, 478, 3) per unit of each measure."""

    base: np.ndarray
    mean: np.ndarray
    gain: np.ndarray

    def shape(self, measures: np.ndarray) -> np.ndarray:
        """Canonical faces (n, 478, 3) at measures (n, m)."""
        return self.base + np.einsum("nm,mpc->npc", measures - self.mean, self.gain)


PRIOR_WEIGHTS = "mouth-response.safetensors"


@dataclass(frozen=True)
class MouthPrior:
    """What faces do in speech, learned on GRID (`lipdub train mouth-response`).

    gain (m, 478, 3) canonical units per unit of measure; low, rest, high (m,) usual measures of speech.
    skin_vertices (v,) and skin_triangles (t, 3): topology of the skin mesh (`lipdub.faces.mouth_rendering.build_skin_topology`).
    """

    gain: np.ndarray
    low: np.ndarray
    rest: np.ndarray
    high: np.ndarray
    skin_vertices: np.ndarray
    skin_triangles: np.ndarray


def load_prior() -> MouthPrior:
    """The shipped prior. Raises WeightsError."""
    from safetensors.numpy import load_file

    from lipdub.weights import verify_shipped

    data = load_file(verify_shipped(PRIOR_WEIGHTS))
    gain, low, rest, high = (data[k].astype(np.float64) for k in ("gain", "low", "rest", "high"))
    return MouthPrior(gain, low, rest, high, data["skin_vertices"], data["skin_triangles"])


# How many frames of ordinary speech the prior counts as against a talker's own frames.
PRIOR_FRAMES = 40.0


class ResponseFit:
    """Ridge regression of canonical landmarks on measures, shrunk towards the prior's gain, from frames in pieces."""

    def __init__(self, measures: int) -> None:
        self._n = 0
        self._m = np.zeros(measures)
        self._mm = np.zeros((measures, measures))
        self._x = np.zeros((478, 3))
        self._mx = np.zeros((measures, 478 * 3))

    def add(self, canonical: np.ndarray, measures: np.ndarray) -> None:
        """Takes in canonical faces (n, 478, 3) and their measures (n, m)."""
        self._n += len(measures)
        self._m += measures.sum(0)
        self._mm += measures.T @ measures
        self._x += canonical.sum(0)
        self._mx += measures.T @ canonical.reshape(len(canonical), -1)

    def solve(self, canonical: np.ndarray, prior: MouthPrior) -> MouthResponse:
        """The response; of a talker never seen frontal, `canonical` (478, 3) with the prior's gain."""
        if self._n == 0:
            return MouthResponse(canonical, measure(canonical[None])[0], prior.gain)
        mean, base = self._m / self._n, self._x / self._n
        xx = self._mm - self._n * np.outer(mean, mean)
        xy = self._mx - self._n * np.outer(mean, base.ravel())
        ordinary = np.diag(((prior.high - prior.low) / 4) ** 2) * PRIOR_FRAMES
        gain = np.linalg.solve(xx + ordinary, xy + ordinary @ prior.gain.reshape(len(mean), -1))
        return MouthResponse(base, mean, gain.reshape(prior.gain.shape))


@dataclass(frozen=True)
class SpeechRange:
    """A talker's measures (m,) at the mouth's rest, and the ends of what his speech uses; trust 0..1 says how much
    of it is his own (0: he hardly moves, the range is the prior's); slope: how much wider his mouth gets per opening
    (one who smiles when he speaks opens wide, not round).
    """

    low: np.ndarray
    rest: np.ndarray
    high: np.ndarray
    trust: float
    slope: float = 0.0


def unpack_talker(face: np.ndarray, facts: Mapping[str, Any]) -> tuple[np.ndarray, MouthResponse, SpeechRange]:
    """A talker's canonical face (478, 3), response and range, from what `neutralize` keeps of him: the array `face-ID`
    (4, 478, 3) and the facts `track-ID`.
    """
    low, rest, high = (np.array(facts[key]) for key in ("low", "rest", "high"))
    response = MouthResponse(face[1], np.array(facts["mean"]), face[2:])
    return face[0], response, SpeechRange(low, rest, high, facts["trust"], facts["slope"])


# Part of the slope is what the sounds themselves do (an "ee" is wide and open), and comes with the speech.
SLOPE_SHARE = 0.7
SLOPE_LIMITS = (-0.2, 0.5)


def estimate_speech_range(measures: np.ndarray, prior: MouthPrior) -> SpeechRange:
    """This talker's range from the measures (n, 2) of his frames; NaN rows are left out."""
    seen = measures[np.isfinite(measures[:, 0])]
    p5, p50, p96 = np.percentile(seen, [5, 50, 96], axis=0)
    # Own motion counts from a fifth of ordinary speech's spread on, fully from two thirds on.
    spread = seen[:, 0].std() / ((prior.high[0] - prior.rest[0]) / 2)
    trust = float(np.clip((spread - 0.2) / 0.45, 0, 1))
    shut = seen[seen[:, 0] < max(np.percentile(seen[:, 0], 20), 0.03)]
    rest_width = float(np.median(shut[:, 1])) if len(shut) else float(p50[1])
    # A mouth at rest is shut, also that of a talker who is never seen with it shut.
    rest = np.array([0.0, trust * rest_width + (1 - trust) * p50[1]])
    general = rest[1] / prior.rest[1]
    high = np.array(
        [
            trust * p96[0] + (1 - trust) * prior.high[0],
            rest[1] + trust * max(p96[1] - rest[1], 0.02) + (1 - trust) * (prior.high[1] - prior.rest[1]) * general,
        ]
    )
    low = np.array(
        [rest[0], rest[1] - trust * max(rest[1] - p5[1], 0.02) - (1 - trust) * (prior.rest[1] - prior.low[1]) * general]
    )
    about = seen - seen.mean(0)
    slope = float((about[:, 0] @ about[:, 1]) / max(about[:, 0] @ about[:, 0], 1e-9))
    return SpeechRange(low, rest, high, trust, float(np.clip(SLOPE_SHARE * trust * slope, *SLOPE_LIMITS)))


def map_motion_to_range(opening: np.ndarray, width: np.ndarray, span: SpeechRange) -> np.ndarray:
    """Measures (n, 2) for lip motion of opening 0..1 and width -1..1 in a talker's range."""
    o = span.rest[0] + opening * (span.high[0] - span.rest[0])
    w = span.rest[1] + np.where(width > 0, width * (span.high[1] - span.rest[1]), width * (span.rest[1] - span.low[1]))
    return np.stack([np.maximum(o, 0), w + span.slope * (o - span.rest[0])], 1)


# Speech's extremes (the 95th percentile of their size) are brought to this share of the talker's own.
EXTREME_SHARE = 0.92
OPENING_GAIN_LIMITS = (0.8, 1.5)
WIDTH_GAIN_LIMITS = (1.0, 2.2)


def estimate_motion_gain(values: np.ndarray, seconds: float, limits: tuple[float, float]) -> float:
    """Factor that fits a speech's motion (n,), of size 0..1, to the talker's range: a mumbled and a shouted take both
    use it.

    Short speech says little about its extremes, so there the factor stays near 1.
    """
    moved = np.abs(values)[np.abs(values) > 0.05]
    if len(moved) < 5:
        return 1.0
    gain = EXTREME_SHARE / max(float(np.percentile(moved, 95)), 1e-3)
    return float(np.clip(gain, *limits) ** (seconds / (seconds + 1.5)))
