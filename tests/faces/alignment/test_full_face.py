"""Squares of whole faces: their lower half is the lower face's crop, and landmarks go along."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lipdub.faces import landmarks
from lipdub.faces.alignment import fan, full_face, head, lower_face
from lipdub.media.pixels import to_eight_bits


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
    square = full_face.align(full_face.fit_placements(points, 0.04)[2], 96).crop(picture())
    lower = lower_face.align(lower_face.fit_placements(points, 0.04)[2], 96, 48).crop(picture())
    np.testing.assert_allclose(square[48:], lower, atol=0.06)


@pytest.mark.parametrize("zoom", [1.0, 4 / 3])
def test_points_lie_in_the_crop_where_they_are_seen(zoom: float) -> None:
    points = np.stack([posed(60.0, 0.3)] * 5)
    places = full_face.fit_placements(points, 0.04)
    seen = full_face.align(places[2], 128, zoom).crop(picture())
    inside = full_face.map_to_crops(points, places, 128, zoom)[2]
    assert inside.shape == (478, 2)
    for index in (33, 263, 13, 61, 152, 4):
        x, y = np.round(inside[index]).astype(int)
        step = 60.0 * full_face.SIDE * zoom / 128
        assert np.hypot(*(seen[y, x] - points[2, index, :2])) < step  # within the rounding to a pixel


class Sixteen:
    """A picture of 16 bits, of one grey."""

    width, height = 80, 60

    def rgb(self, box: tuple[int, int, int, int]) -> np.ndarray:
        left, top, right, bottom = box
        return np.full((bottom - top, right - left, 3), 0x12FF, np.uint16)


def test_all_crops_see_the_same_eight_bits_of_sixteen() -> None:
    """Of a value between two of 8 bits, all take the lower one, as the built-in recipe does."""
    picture: Any = Sixteen()
    box = np.array([20, 15, 60, 55], np.int32)
    crops = (
        full_face.align(np.array([40.0, 30.0, 12.0, 0.0]), 32).crop_picture(picture),
        head.align(box).crop_picture(picture),
        fan.align(box).crop_picture(picture),
        to_eight_bits(picture.rgb((0, 0, 4, 4))),
    )
    assert [np.unique(crop).tolist() for crop in crops] == [[0x12]] * 4
