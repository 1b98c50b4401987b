"""Landmark distances between a result and its ground truth: of the mouth (LMD) and of the whole face (F-LMD).

LMD: Chen, Li, Maddox, Duan, Xu: "Lip Movements Generation at a Glance" (ECCV 2018), its landmark distance: the mean
points of both sets are brought together, then the Euclidean distances are averaged over points and frames. F-LMD: the
same over all points, as tables of emotional talking faces give it (Su et al., "Audio-driven High-resolution Seamless
Talking Head Video Editing via StyleGAN", table I, as F-LD); there the mean points stay where they are.

The papers count pixels of their own crops, so their numbers depend on the size of the face. Two units are given: pixels
for crops of one size, and distances between the truth's eye centres for everything else.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lipdub.faces.landmarks import POINT_COUNTS, to_ibug
from lipdub.metrics.evidence import Evidence, Feed, FramePair, PassSetup
from lipdub.metrics.metric import Measurement, Metric, Need, measure_series

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, Array

MOUTH = slice(48, 68)  # of iBUG's points: outer and inner lips
LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)


class LandmarkDistance(NamedTuple):
    """Mean distance of corresponding points, per frame; NaN if either frame shows no face. Less is better.

    Attributes:
        pixels: of the leading shape, float64.
        eyes: the same, in distances between the truth's eye centres.
    """

    pixels: F64
    eyes: F64


def lmd(result: Array, truth: Array) -> LandmarkDistance:
    """Measure the distance of the twenty mouth points, after their means are brought together.

    Args:
        result: (..., 478, 2 or 3) of MediaPipe's mesh or (..., 68, 2 or 3) of iBUG, pixels.
        truth: the same shape.

    Raises:
        ValueError: the shapes are wrong, or differ.
    """
    return _distance(result, truth, MOUTH, centred=True)


def f_lmd(result: Array, truth: Array) -> LandmarkDistance:
    """Measure the distance of all 68 points where they are, so that the pose counts.

    Args:
        result: as in `lmd`.
        truth: as in `lmd`.

    Raises:
        ValueError: the shapes are wrong, or differ.
    """
    return _distance(result, truth, slice(0, 68), centred=False)


def _distance(result: Array, truth: Array, points: slice, *, centred: bool) -> LandmarkDistance:
    a, b = _points(result), _points(truth)
    if a.shape != b.shape:
        raise ValueError(f"landmarks of different shapes: {result.shape} and {truth.shape}")
    eyes = b[..., RIGHT_EYE, :].mean(-2) - b[..., LEFT_EYE, :].mean(-2)
    a, b = a[..., points, :], b[..., points, :]
    if centred:
        a, b = a - a.mean(-2, keepdims=True), b - b.mean(-2, keepdims=True)
    pixels = np.linalg.norm(a - b, axis=-1).mean(-1)
    return LandmarkDistance(pixels, pixels / np.linalg.norm(eyes, axis=-1))


def _points(landmarks: Array) -> F64:
    points = np.asarray(landmarks, np.float64)
    if points.ndim < 2 or points.shape[-2] not in POINT_COUNTS or points.shape[-1] not in (2, 3):
        raise ValueError(f"68 or 478 points of a face are needed, not an array of shape {points.shape}")
    ibug: F64 = to_ibug(points)
    return ibug[..., :2]


class LandmarkPairs:
    """Observer that keeps the landmarks of result and ground truth.

    Args:
        setup: of the pass.
    """

    def __init__(self, setup: PassSetup) -> None:
        self.times: list[float] = []
        self._result: list[F32] = []
        self._truth: list[F32] = []

    def add(self, pair: FramePair, /) -> None:
        """Add a pair."""
        self.times.append(pair.time)
        self._result.append(pair.result_points)
        self._truth.append(pair.truth_points)

    def stack(self) -> tuple[F64, F64]:
        """Return the landmarks of result and ground truth: (n, 68, 2) float64 pixels, NaN without a face."""
        result, truth = (np.array(side, np.float64).reshape(-1, 68, 2) for side in (self._result, self._truth))
        return result, truth


def _measure(evidence: Evidence, *, mouth: bool, by_eyes: bool) -> Measurement:
    pairs = evidence.get_observer(Feed.GROUND_TRUTH, LandmarkPairs)
    result, truth = pairs.stack()
    distance = lmd(result, truth) if mouth else f_lmd(result, truth)
    note = f"{int(np.isfinite(distance.pixels).sum())} frames with both faces"
    return measure_series(pairs.times, distance.eyes if by_eyes else distance.pixels, evidence.windows, note)


MOUTH_METRIC = Metric(
    id="lmd",
    title="landmark distance of the mouth (LMD)",
    region="mouth",
    unit="pixels",
    better="lower",
    measure=lambda evidence: _measure(evidence, mouth=True, by_eyes=False),
    needs=(Need.GROUND_TRUTH,),
    observers={Feed.GROUND_TRUTH: LandmarkPairs},
    ideal=0.0,
)
MOUTH_EYES_METRIC = Metric(
    id="lmd_eyes",
    title="landmark distance of the mouth (LMD), in eye distances",
    region="mouth",
    unit="eye distances",
    better="lower",
    measure=lambda evidence: _measure(evidence, mouth=True, by_eyes=True),
    needs=(Need.GROUND_TRUTH,),
    observers={Feed.GROUND_TRUTH: LandmarkPairs},
    ideal=0.0,
)
FACE_METRIC = Metric(
    id="f_lmd",
    title="landmark distance of the face (F-LMD)",
    region="face",
    unit="pixels",
    better="lower",
    measure=lambda evidence: _measure(evidence, mouth=False, by_eyes=False),
    needs=(Need.GROUND_TRUTH,),
    observers={Feed.GROUND_TRUTH: LandmarkPairs},
    ideal=0.0,
)
FACE_EYES_METRIC = Metric(
    id="f_lmd_eyes",
    title="landmark distance of the face (F-LMD), in eye distances",
    region="face",
    unit="eye distances",
    better="lower",
    measure=lambda evidence: _measure(evidence, mouth=False, by_eyes=True),
    needs=(Need.GROUND_TRUTH,),
    observers={Feed.GROUND_TRUTH: LandmarkPairs},
    ideal=0.0,
)
