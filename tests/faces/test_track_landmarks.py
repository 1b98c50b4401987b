"""A track's landmarks: read in pieces, and smoothed, but not where lips move fast."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.faces import landmarks, mesh
from lipdub.faces.track_landmarks import _smooth_points
from tests.faces.made_faces import open_track
from tests.properties import repeatable

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


def track(frames: int = 60) -> np.ndarray:
    """Landmarks (frames, 478, 3) of a talking, jittering face that is missing in some frames."""
    points = faces(0.1 + 0.1 * np.sin(np.arange(frames) / 3), jitter=0.3)
    points[[10, 11]] = np.nan
    points[30:40] = np.nan
    return points


@pytest.mark.slow
@repeatable
@given(cuts=st.lists(st.integers(0, 60), max_size=6))
def test_pieces_are_the_whole(cuts: list[int]) -> None:
    view = open_track(track())
    whole = view.read(0, 60)
    edges = sorted({0, 60, *cuts})
    pieces = [view.read(a, b) for a, b in pairwise(edges)]
    np.testing.assert_array_equal(np.concatenate(pieces), whole)


def test_short_gaps_are_filled_and_long_ones_are_not() -> None:
    whole = open_track(track()).read(0, 60)
    assert np.isfinite(whole[:30]).all()
    assert np.isnan(whole[30:40]).all()
    assert np.isfinite(whole[40:]).all()


def test_frames_outside_the_track_are_nan() -> None:
    view = open_track(track(), first=5)
    assert np.isnan(view.read(0, 5)).all()
    assert np.isnan(view.read(-3, 7)[:8]).all()
    assert np.isfinite(view.read(-3, 7)[8:]).all()
    assert view.read(100, 105).shape == (5, 478, 3)
    assert np.isnan(view.read(55, 65)[5:]).all()


def test_other_tracks_are_left_out() -> None:
    view = open_track(track())
    assert np.isnan(replace(view, id=2).read(0, 60)).all()
