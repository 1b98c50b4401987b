"""Smoothing of a track's landmarks: jitter goes, lips that move fast stay where they were seen."""

from __future__ import annotations

import numpy as np

from lipdub.faces import landmarks, mesh
from lipdub.faces.track_landmarks import _smooth_points

PIXELS = 100.0  # between the eye centres


def faces(opening: np.ndarray, jitter: float = 0.0) -> np.ndarray:
    """Neutral faces (n, 478, 3), in pixels, with the lips moved apart by `opening`, in eye distances."""
    points = np.repeat(landmarks.load_neutral_face()[None], len(opening), 0)
    points[:, list(mesh.INNER_LOWER), 1] += opening[:, None]
    noise = np.random.default_rng(0).normal(0, jitter, points.shape)
    return PIXELS * points + noise


def gap(points: np.ndarray) -> np.ndarray:
    return (points[:, 14, 1] - points[:, 13, 1]) / PIXELS


def test_a_mouth_that_opens_at_once_is_not_smeared() -> None:
    opening = np.where(np.arange(30) < 15, 0.0, 0.2)
    opening[22] = 0.0  # shut for one frame
    points = faces(opening, jitter=0.2)
    found = gap(_smooth_points(points, 5)) - gap(faces(np.zeros(1)))[0]
    assert np.abs(found - opening).max() < 0.02


def test_jitter_of_still_lips_is_smoothed() -> None:
    points = faces(np.zeros(60), jitter=0.3)
    found = _smooth_points(points, 5)
    assert gap(found).std() < 0.75 * gap(points).std()
    assert np.abs(np.diff(found, axis=0)).mean() < 0.6 * np.abs(np.diff(points, axis=0)).mean()
