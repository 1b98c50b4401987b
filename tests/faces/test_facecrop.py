"""Squares of whole faces: their lower half is the lower face's crop, and landmarks go along."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces import landmarks
from lipdub.faces.alignment import full_face, lower_face


def posed(scale: float, roll: float) -> np.ndarray:
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return scale * landmarks.load_neutral_face() @ turn.T + [400.0, 300.0, 0.0]


def picture() -> np.ndarray:
    rows, columns = np.mgrid[:600, :800]
    return np.stack([columns, rows], 2).astype(np.float32)  # each pixel says where it is


@pytest.mark.parametrize("roll", [0.0, 0.4])
@pytest.mark.parametrize("scale", [30.0, 90.0])
def test_the_lower_half_is_the_lower_faces_crop(scale: float, roll: float) -> None:
    points = np.stack([posed(scale, roll)] * 5)
    square = full_face.crop(picture(), full_face.fit_placements(points, 0.04)[2], 96)
    lower = lower_face.crop(picture(), lower_face.fit_placements(points, 0.04)[2], 48, 96)
    np.testing.assert_allclose(square[48:], lower, atol=0.06)


@pytest.mark.parametrize("zoom", [1.0, 4 / 3])
def test_points_lie_in_the_crop_where_they_are_seen(zoom: float) -> None:
    points = np.stack([posed(60.0, 0.3)] * 5)
    places = full_face.fit_placements(points, 0.04)
    seen = full_face.crop(picture(), places[2], 128, zoom)
    inside = full_face.to_crop(points, places, 128, zoom)[2]
    assert inside.shape == (478, 2)
    for index in (33, 263, 13, 61, 152, 4):
        x, y = np.round(inside[index]).astype(int)
        step = 60.0 * full_face.SIDE * zoom / 128
        assert np.hypot(*(seen[y, x] - points[2, index, :2])) < step  # within the rounding to a pixel
