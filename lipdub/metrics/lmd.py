"""Landmark distances: of the mouth (LMD) and of the whole face (F-LD), between a result and its ground truth.

LMD: Chen, Li, Maddox, Duan, Xu: "Lip Movements Generation at a Glance" (ECCV 2018), its landmark distance: the mean
points of both sets are brought together, then the Euclidean distances are averaged over points and frames. F-LD: the
same over all points, as tables of emotional talking faces give it (Su et al., "Audio-driven High-resolution Seamless
Talking Head Video Editing via StyleGAN", table I); there the mean points stay where they are.

The papers count pixels of their own crops, so their numbers depend on the size of the face. Both are given: pixels,
for crops of one size, and the distance between the truth's eye centres as the unit, for everything else.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lipdub.faces.landmarks import to_ibug

MOUTH = slice(48, 68)  # of iBUG's points: outer and inner lips
LEFT_EYE, RIGHT_EYE = slice(36, 42), slice(42, 48)


class LandmarkDistance(NamedTuple):
    """Mean distance of corresponding points, per frame; NaN where either face was not seen. Less is better."""

    pixels: np.ndarray
    eyes: np.ndarray
    """in distances between the truth's eye centres"""


def lmd(result: np.ndarray, truth: np.ndarray) -> LandmarkDistance:
    """Of the twenty mouth points, their means brought together; arrays of the leading shape.

    result, truth: (..., 478, 2 or 3) of MediaPipe's mesh or (..., 68, 2 or 3) of iBUG, pixels. Raises ValueError on
    other or different shapes.
    """
    return _distance(result, truth, MOUTH, centred=True)


def f_ld(result: np.ndarray, truth: np.ndarray) -> LandmarkDistance:
    """Of all 68 points where they are, so the pose counts; shapes and errors as in :func:`lmd`."""
    return _distance(result, truth, slice(0, 68), centred=False)


def _distance(result: np.ndarray, truth: np.ndarray, points: slice, centred: bool) -> LandmarkDistance:
    a, b = _points(result), _points(truth)
    if a.shape != b.shape:
        raise ValueError(f"landmarks of different shapes: {result.shape} and {truth.shape}")
    eyes = b[..., RIGHT_EYE, :].mean(-2) - b[..., LEFT_EYE, :].mean(-2)
    a, b = a[..., points, :], b[..., points, :]
    if centred:
        a, b = a - a.mean(-2, keepdims=True), b - b.mean(-2, keepdims=True)
    pixels = np.linalg.norm(a - b, axis=-1).mean(-1)
    return LandmarkDistance(pixels, pixels / np.linalg.norm(eyes, axis=-1))


def _points(landmarks: np.ndarray) -> np.ndarray:
    points = np.asarray(landmarks, np.float64)
    if points.ndim < 2 or points.shape[-2] not in (68, 478) or points.shape[-1] not in (2, 3):
        raise ValueError(f"68 or 478 points of a face are needed, not an array of shape {points.shape}")
    return (to_ibug(points) if points.shape[-2] == 478 else points)[..., :2]
