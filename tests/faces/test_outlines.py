"""Masks of the face and its lower part."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lipdub.faces import landmarks, mesh
from lipdub.faces.masks import outlines
from tests.properties import repeatable


def head(yaw: float) -> np.ndarray:
    """A jaw on an ellipse about (100, 110), nose bridge at y = 60, mouth at y = 120, turned by squeezing one side."""
    points = np.zeros((478, 3))
    angle = np.linspace(0, np.pi, len(mesh.JAW))
    x, y = 50 * np.cos(angle), 60 + 90 * np.sin(angle)
    x = np.where(x > 0, x * (1 - yaw), x)
    points[list(mesh.JAW)] = np.stack([100 + x, y, np.zeros_like(x)], 1)
    points[6, :2] = 100, 60
    points[list(mesh.LIPS_INNER), :2] = 100, 120
    return points


def test_it_is_the_jaw_and_not_a_rectangle() -> None:
    mask = outlines.draw_lower_face(head(0), 200, 200)
    assert mask[120, 100] and mask[140, 100] and not mask[40, 100] and not mask[160, 100]
    assert not mask[140, 55] and mask[70, 55]


def test_it_turns_with_the_head_and_reaches_as_far_as_asked() -> None:
    front, turned = outlines.draw_lower_face(head(0), 200, 200), outlines.draw_lower_face(head(0.7), 200, 200)
    assert front[90, 140] and not turned[90, 140]
    wider = outlines.draw_lower_face(head(0), 200, 200, reach=1.4)
    assert wider[155, 100] and (wider >= front).all()


def test_the_whole_face_reaches_over_the_brows() -> None:
    points = head(0)
    angle = np.linspace(0, 2 * np.pi, len(mesh.OVAL), endpoint=False)
    points[list(mesh.OVAL), :2] = np.stack([100 + 50 * np.cos(angle), 90 + 70 * np.sin(angle)], 1)
    mask = outlines.draw_face(points, 200, 200)
    assert mask[30, 100] and mask[150, 100] and not mask[10, 100] and not mask[30, 60] and mask.dtype == np.uint8


@repeatable
@given(dx=st.integers(-60, 60), dy=st.integers(-60, 60))
def test_masks_move_with_the_face(dx: int, dy: int) -> None:
    points = landmarks.load_neutral_face()[:, :2] * 40 + 150
    for draw in (outlines.draw_lower_face, outlines.draw_face):
        still, moved = draw(points, 300, 300), draw(points + np.array([dx, dy]), 300, 300)
        assert set(np.unique(still)) == {0, 1}
        assert np.array_equal(np.roll(still, (dy, dx), (0, 1)), moved)


@repeatable
@given(scale=st.floats(1, 500), x=st.floats(-300, 300), y=st.floats(-300, 300))
def test_the_lower_face_grows_with_its_reach_and_stays_inside_the_picture(scale: float, x: float, y: float) -> None:
    points = landmarks.load_neutral_face()[:, :2] * scale + np.array([x, y])
    narrow, wide = (outlines.draw_lower_face(points, 60, 90, reach) for reach in (1.0, 1.3))
    assert narrow.shape == (60, 90)
    assert (wide >= narrow).all()
