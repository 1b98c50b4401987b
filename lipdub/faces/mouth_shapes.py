"""Mouth shapes: the measures of a face, how a talker's face follows them, and the range that a talker uses.

Measures are in canonical units (the distance of the eye centres is 1). The response model is linear: a talker's
canonical landmarks are `base + gain @ (measures - mean)` plus a residual (a smile, a crooked lip, the identity's
drift). It is fitted by ridge regression, which leans towards a shipped prior where the talker shows too little motion.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces import mesh

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lipdub.arrays import F64, I32, I64, Array

MEASURES = ("opening", "width")
OPENING, WIDTH = range(len(MEASURES))
# Opening in eye distances below which a mouth counts as closed.
CLOSED_MOUTH_OPENING = 0.03

# Vertices at the middle of the lips.
_OUTER_UPPER = mesh.LIPS_OUTER[mesh.UPPER_MIDDLE]
_OUTER_LOWER = mesh.LIPS_OUTER[mesh.LOWER_MIDDLE]
_INNER_UPPER = mesh.LIPS_INNER[mesh.UPPER_MIDDLE]
_INNER_LOWER = mesh.LIPS_INNER[mesh.LOWER_MIDDLE]

# Frames whose lip heights are predicted together: bounds the memory of a long video.
_BLOCK_FRAMES = 256

PRIOR_WEIGHTS = "mouth-response.safetensors"
# A talker whose own range of openings is trusted less than this hardly moves the mouth in the footage.
WEAK_TRUST = 0.35
# Frames of ordinary speech that the prior counts as, against a talker's own frames.
PRIOR_FRAMES = 40.0

# Share of the measured slope that is the talker's own. The rest comes from the sounds (an "ee" is wide and open).
SLOPE_SHARE = 0.7
SLOPE_LIMITS = (-0.2, 0.5)
# Percentiles of a talker's measures that count as the least, the usual and the largest.
RANGE_PERCENTILES = (5, 50, 96)
# Spread of a talker's opening, as a share of ordinary speech's, from which the own range counts, and the further share
# after which it counts fully.
TRUST_FROM = 0.2
TRUST_RAMP = 0.45
# Frames below this percentile of the opening, and those with a closed mouth, show the width at rest.
REST_PERCENTILE = 20
# Least width in eye distances that a talker's range has on each side of rest.
MIN_WIDTH_RANGE = 0.02

# The extremes of speech (the 95th percentile of their size) are scaled to this share of the talker's range.
EXTREME_SHARE = 0.92
EXTREME_PERCENTILE = 95
# Lip motion smaller than this is rest, and fewer moving frames than this do not count.
MIN_MOTION = 0.05
MIN_MOVING_FRAMES = 5
OPENING_GAIN_LIMITS = (0.8, 1.5)
WIDTH_GAIN_LIMITS = (1.0, 2.2)
# Seconds of speech after which the gain counts half.
GAIN_SECONDS = 1.5


def measure(canonical: F64) -> F64:
    """Measure mouths.

    Args:
        canonical: (n, 478, 3) canonical faces.

    Returns:
        (n, 2) opening between the inner lips, negative where they cross, and distance of the mouth's corners.
    """
    upper, lower = canonical[:, _INNER_UPPER], canonical[:, _INNER_LOWER]
    opening = np.linalg.norm(lower - upper, axis=1) * np.sign(lower[:, 1] - upper[:, 1])
    width = np.linalg.norm(canonical[:, mesh.MOUTH_RIGHT, :2] - canonical[:, mesh.MOUTH_LEFT, :2], axis=1)
    return np.stack([opening, width], 1)


def measure_lip_heights(canonical: F64) -> F64:
    """Measure how much of the lips shows; lips that are rolled in show little.

    Args:
        canonical: (n, 478, 3) canonical faces.

    Returns:
        (n, 2) heights of the upper and the lower lip.
    """
    upper = canonical[:, _INNER_UPPER] - canonical[:, _OUTER_UPPER]
    lower = canonical[:, _OUTER_LOWER] - canonical[:, _INNER_LOWER]
    return np.stack([np.linalg.norm(upper, axis=1), np.linalg.norm(lower, axis=1)], 1)


def predict_lip_heights(response: MouthResponse, measures: F64) -> F64:
    """Predict the lip heights (n, 2) of a talker's face at measures (n, 2), in blocks that bound the memory."""
    blocks = [
        measure_lip_heights(response.shape(measures[i : i + _BLOCK_FRAMES]))
        for i in range(0, len(measures), _BLOCK_FRAMES)
    ]
    return np.concatenate(blocks) if blocks else np.zeros((0, 2))


@dataclass(frozen=True)
class MouthResponse:
    """How a talker's face follows the measures.

    Attributes:
        base: (478, 3) canonical mean face.
        mean: (m,) mean measures.
        gain: (m, 478, 3) motion of each vertex per unit of each measure.
    """

    base: F64
    mean: F64
    gain: F64

    def shape(self, measures: F64) -> F64:
        """Compute canonical faces (n, 478, 3) at measures (n, m)."""
        faces: F64 = self.base + np.einsum("nm,mpc->npc", measures - self.mean, self.gain)
        return faces


@dataclass(frozen=True)
class MouthPrior:
    """How faces move in speech, learned on the GRID corpus by `lipdub train mouth-response`.

    Attributes:
        gain: (m, 478, 3) motion of each vertex per unit of each measure.
        low: (m,) least measures of ordinary speech.
        rest: (m,) measures at rest.
        high: (m,) largest measures of ordinary speech.
        skin_vertices: (v,) int vertices of the skin mesh (`lipdub.faces.mouth_rendering.build_skin_topology`).
        skin_triangles: (t, 3) int triangles of the skin mesh.
    """

    gain: F64
    low: F64
    rest: F64
    high: F64
    skin_vertices: I64
    skin_triangles: I32


def load_prior() -> MouthPrior:
    """Load the shipped prior.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    from safetensors.numpy import load_file

    from lipdub.weights import verify_shipped

    data = load_file(verify_shipped(PRIOR_WEIGHTS))
    gain, low, rest, high = (data[k].astype(np.float64) for k in ("gain", "low", "rest", "high"))
    return MouthPrior(gain, low, rest, high, data["skin_vertices"], data["skin_triangles"])


class ResponseFit:
    """Ridge regression of canonical landmarks on measures, which shrinks towards the prior's gain.

    Frames come in pieces, so that memory does not grow with the video.
    """

    def __init__(self, measures: int) -> None:
        """Start with no frames; `measures` is their number per frame."""
        self._n = 0
        self._m = np.zeros(measures)
        self._mm = np.zeros((measures, measures))
        self._x = np.zeros((mesh.VERTICES, 3))
        self._mx = np.zeros((measures, mesh.VERTICES * 3))

    def add(self, canonical: F64, measures: F64) -> None:
        """Add canonical faces (n, 478, 3) and their measures (n, m)."""
        self._n += len(measures)
        self._m += measures.sum(0)
        self._mm += measures.T @ measures
        self._x += canonical.sum(0)
        self._mx += measures.T @ canonical.reshape(len(canonical), -1)

    def solve(self, canonical: F64, prior: MouthPrior) -> MouthResponse:
        """Solve for the response; without any frame it is the mean face `canonical` (478, 3) with the prior's gain."""
        if self._n == 0:
            return MouthResponse(canonical, measure(canonical[None])[0], prior.gain)
        mean, base = self._m / self._n, self._x / self._n
        xx = self._mm - self._n * np.outer(mean, mean)
        xy = self._mx - self._n * np.outer(mean, base.ravel())
        ridge = np.diag(((prior.high - prior.low) / 4) ** 2) * PRIOR_FRAMES
        gain = np.linalg.solve(xx + ridge, xy + ridge @ prior.gain.reshape(len(mean), -1))
        return MouthResponse(base, mean, gain.reshape(prior.gain.shape))


@dataclass(frozen=True)
class SpeechRange:
    """The range of measures that a talker's speech uses.

    Attributes:
        low: (m,) least measures.
        rest: (m,) measures at rest.
        high: (m,) largest measures.
        trust: 0..1 how much of the range is the talker's own; 0 for a mouth that hardly moves, which gets the prior's.
        slope: how much wider the mouth gets per opening; a talker who smiles opens wide, not round.
    """

    low: F64
    rest: F64
    high: F64
    trust: float
    slope: float = 0.0


def unpack_talker(face: F64, facts: Mapping[str, Any]) -> tuple[F64, MouthResponse, SpeechRange]:
    """Unpack a talker's data from the neutralize store.

    Args:
        face: (4, 478, 3) array `face-ID`: mean face, response base, response gains.
        facts: JSON `track-ID`.

    Returns:
        (478, 3) canonical mean face; response; range.
    """
    low, rest, high = (np.array(facts[key]) for key in ("low", "rest", "high"))
    response = MouthResponse(face[1], np.array(facts["mean"]), face[2:])
    return face[0], response, SpeechRange(low, rest, high, facts["trust"], facts["slope"])


def estimate_speech_range(measures: F64, prior: MouthPrior) -> SpeechRange:
    """Estimate a talker's range.

    Args:
        measures: (n, 2) measures of the talker's frames; NaN rows are left out.
        prior: range of a talker who hardly moves.
    """
    visible = measures[np.isfinite(measures[:, OPENING])]
    low, median, high = np.percentile(visible, RANGE_PERCENTILES, axis=0)
    spread = visible[:, OPENING].std() / ((prior.high[OPENING] - prior.rest[OPENING]) / 2)
    trust = float(np.clip((spread - TRUST_FROM) / TRUST_RAMP, 0, 1))
    limit = max(np.percentile(visible[:, OPENING], REST_PERCENTILE), CLOSED_MOUTH_OPENING)
    at_rest = visible[visible[:, OPENING] < limit]
    rest_width = float(np.median(at_rest[:, WIDTH])) if len(at_rest) else float(median[WIDTH])
    # A mouth at rest is closed, even of a talker who is never seen with it closed.
    rest = np.array([0.0, trust * rest_width + (1 - trust) * median[WIDTH]])
    size = rest[WIDTH] / prior.rest[WIDTH]
    own_wider, own_narrower = (max(d, MIN_WIDTH_RANGE) for d in (high[WIDTH] - rest[WIDTH], rest[WIDTH] - low[WIDTH]))
    prior_wider, prior_narrower = prior.high[WIDTH] - prior.rest[WIDTH], prior.rest[WIDTH] - prior.low[WIDTH]
    highest = np.array(
        [
            trust * high[OPENING] + (1 - trust) * prior.high[OPENING],
            rest[WIDTH] + trust * own_wider + (1 - trust) * prior_wider * size,
        ]
    )
    lowest = np.array([rest[OPENING], rest[WIDTH] - trust * own_narrower - (1 - trust) * prior_narrower * size])
    deviation = visible - visible.mean(0)
    slope = float(
        (deviation[:, OPENING] @ deviation[:, WIDTH]) / max(deviation[:, OPENING] @ deviation[:, OPENING], 1e-9)
    )
    return SpeechRange(lowest, rest, highest, trust, float(np.clip(SLOPE_SHARE * trust * slope, *SLOPE_LIMITS)))


def map_motion_to_range(opening: Array, width: Array, span: SpeechRange) -> F64:
    """Map lip motion to a talker's range.

    Args:
        opening: (n,) 0..1.
        width: (n,) -1..1.
        span: the talker's range.

    Returns:
        (n, 2) measures in eye distances.
    """
    o = span.rest[OPENING] + opening * (span.high[OPENING] - span.rest[OPENING])
    wider, narrower = span.high[WIDTH] - span.rest[WIDTH], span.rest[WIDTH] - span.low[WIDTH]
    w = span.rest[WIDTH] + np.where(width > 0, width * wider, width * narrower)
    return np.stack([np.maximum(o, 0), w + span.slope * (o - span.rest[OPENING])], 1)


def estimate_motion_gain(values: Array, seconds: float, limits: tuple[float, float]) -> float:
    """Estimate the factor that scales a speech's lip motion to the talker's range, for a mumbled as for a shouted take.

    Short speech hardly shows its extremes, so its factor stays near 1.

    Args:
        values: (n,) lip motion of size 0..1.
        seconds: duration of the speech.
        limits: least and largest factor.
    """
    motion = np.abs(values)[np.abs(values) > MIN_MOTION]
    if len(motion) < MIN_MOVING_FRAMES:
        return 1.0
    gain = EXTREME_SHARE / max(float(np.percentile(motion, EXTREME_PERCENTILE)), 1e-3)
    return float(np.clip(gain, *limits) ** (seconds / (seconds + GAIN_SECONDS)))
