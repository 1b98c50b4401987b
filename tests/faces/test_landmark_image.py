"""Landmark images of the neutral face."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces import landmarks, mesh
from lipdub.faces.landmark_animation import animate_neutral_face
from lipdub.faces.landmark_image import INSIDE, LIPS, OUTLINE, draw_landmarks

SIDE = 120


def face(opening: float) -> np.ndarray:
    """The neutral face with an open mouth, in pixels of a picture of `SIDE`."""
    shape = animate_neutral_face(np.array([opening]), np.zeros(1))[0]
    return shape * 30 + [SIDE / 2, 40, 0]


def test_lips_and_what_is_between_them_are_told_apart() -> None:
    points = face(0.8)
    picture = draw_landmarks(points, SIDE, SIDE)
    assert set(np.unique(picture)) == {0, OUTLINE, LIPS, INSIDE}
    x, y = points[list(mesh.LIPS_INNER), :2].mean(0).round().astype(int)
    assert picture[y, x] == INSIDE
    upper = points[[mesh.LIPS_OUTER[mesh.UPPER_MIDDLE], mesh.LIPS_INNER[mesh.UPPER_MIDDLE]], :2].mean(0)
    assert picture[tuple(upper.round().astype(int)[::-1])] == LIPS
    chin = points[mesh.CHIN, :2].round().astype(int)
    assert picture[chin[1], chin[0]] == OUTLINE
    assert not picture[:30].any(), "nothing of the upper face"


def test_the_wider_the_mouth_the_more_is_inside() -> None:
    inside = [(draw_landmarks(face(opening), SIDE, SIDE) == INSIDE).sum() for opening in (0.2, 0.5, 0.9)]
    assert inside[0] < inside[1] < inside[2]


def test_lips_that_cross_are_shut() -> None:
    points = face(0.0)
    for k in range(mesh.UPPER_MIDDLE - 3, mesh.UPPER_MIDDLE + 4):
        points[mesh.LIPS_INNER[k], 1] += 3  # the upper lip below the lower one
    assert not (draw_landmarks(points, SIDE, SIDE) == INSIDE).any()


@pytest.mark.parametrize("shape", [(40, 60), (1, 1)])
def test_pictures_of_any_size_even_without_a_face(shape: tuple[int, int]) -> None:
    assert draw_landmarks(face(0.5), *shape).shape == shape
    assert not draw_landmarks(np.full((mesh.VERTICES, 3), np.nan), *shape).any()
    assert landmarks.load_neutral_face().shape == (mesh.VERTICES, 3)
