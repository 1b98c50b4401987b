"""Round trips of all alignments: points and pixels go to the crop and come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lipdub.faces import landmarks
from lipdub.faces.alignment import fan, ffhq, five_point, full_face, head, lower_face, three_dmm
from lipdub.faces.alignment.five_point import FACEXLIB_TEMPLATE, GPEN_TEMPLATE, select_five_points

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64
    from lipdub.faces.alignment.base import Alignment

WIDTH, HEIGHT = 400, 300  # of the frame


def ramp() -> F32:
    """A frame (h, w, 3) whose pixels say where they are: red is x / 2, green is y / 2, 0 to 200."""
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    return np.stack([columns / 2, rows / 2, np.zeros_like(rows)], 2).astype(np.float32)


def pose_face(x: float, y: float, scale: float, roll: float) -> F64:
    """The iBUG points (68, 2) of the neutral face, `scale` pixels between its eyes."""
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    points: F64 = landmarks.to_ibug(scale * landmarks.load_neutral_face() @ turn.T + [x, y, 0])[:, :2]
    return points


def align_lower_face(x: float, y: float, scale: float, roll: float) -> Alignment:
    return lower_face.align(np.array([x, y, scale, roll]), 96, 48, lower_face.MARGIN)


def align_full_face(x: float, y: float, scale: float, roll: float) -> Alignment:
    return full_face.align(np.array([x, y, scale, roll]), 128)


def align_head(x: float, y: float, scale: float, roll: float) -> Alignment:
    return head.align(head.fit_boxes(head.fit_squares(pose_face(x, y, scale, roll)[None]), 1.0)[0])


def align_fan(x: float, y: float, scale: float, roll: float) -> Alignment:
    return fan.align(fan.fit_boxes(pose_face(x, y, scale, roll)[None])[0])


def align_ffhq(x: float, y: float, scale: float, roll: float) -> Alignment:
    return ffhq.align(pose_face(x, y, scale, roll))


def align_gpen(x: float, y: float, scale: float, roll: float) -> Alignment:
    return five_point.align(select_five_points(pose_face(x, y, scale, roll)), GPEN_TEMPLATE)


def align_facexlib(x: float, y: float, scale: float, roll: float) -> Alignment:
    return five_point.align(select_five_points(pose_face(x, y, scale, roll)), FACEXLIB_TEMPLATE, 256)


def align_three_dmm(x: float, y: float, scale: float, roll: float) -> Alignment:
    return three_dmm.align(select_five_points(pose_face(x, y, scale, roll)), WIDTH, HEIGHT)


ALIGNMENTS = [
    align_lower_face,
    align_full_face,
    align_head,
    align_fan,
    align_ffhq,
    align_gpen,
    align_facexlib,
    align_three_dmm,
]
Align = "Callable[[float, float, float, float], Alignment]"
MIDDLES = {"x": st.floats(120, 280), "y": st.floats(100, 200)}
SCALES = st.floats(12, 60)
ROLLS = st.floats(-0.6, 0.6)


@pytest.mark.parametrize("align", ALIGNMENTS)
@settings(max_examples=25, deadline=None)
@given(**MIDDLES, scale=SCALES, roll=ROLLS)
def test_points_come_back(align: Align, x: float, y: float, scale: float, roll: float) -> None:
    alignment = align(x, y, scale, roll)
    points = np.array([[0.0, 0.0], [x, y], [WIDTH, 0.0], [-3.5, HEIGHT + 7.25]])
    there = alignment.to_crop(points)
    assert there.shape == points.shape
    np.testing.assert_allclose(alignment.to_frame(there), points, atol=1e-8)


@pytest.mark.parametrize("align", ALIGNMENTS)
@settings(max_examples=25, deadline=None)
@given(**MIDDLES, scale=SCALES, roll=ROLLS)
def test_the_matrix_says_the_same(align: Align, x: float, y: float, scale: float, roll: float) -> None:
    alignment = align(x, y, scale, roll)
    points = np.array([[0.0, 0.0], [x, y], [WIDTH, 3.0]])
    for matrix, mapped in ((alignment.matrix, alignment.to_crop), (alignment.inverse, alignment.to_frame)):
        assert matrix.shape == (2, 3)
        np.testing.assert_allclose(points @ matrix[:, :2].T + matrix[:, 2], mapped(points), atol=1e-8)


@pytest.mark.parametrize("align", ALIGNMENTS)
@settings(max_examples=8, deadline=None)
@given(**MIDDLES, scale=SCALES, roll=ROLLS)
def test_a_crop_shows_what_lies_there(align: Align, x: float, y: float, scale: float, roll: float) -> None:
    """Each pixel of a crop of the ramp tells its own place in the frame."""
    alignment = align(x, y, scale, roll)
    frame = ramp().round().astype(np.uint8)
    crop = np.asarray(alignment.crop(frame), np.float64)
    width, height = alignment.size
    assert crop.shape == (height, width, 3)
    rows, columns = np.mgrid[:height, :width]
    places = alignment.to_frame(np.stack([columns, rows], 2))
    is_inside = ((places > 4) & (places < [WIDTH - 5, HEIGHT - 5])).all(2)
    assert is_inside.any()
    step = 1 / np.sqrt(abs(np.linalg.det(alignment.matrix[:, :2])))
    assert np.abs(crop[..., :2] * 2 - places)[is_inside].max() < 2.5 + step


@pytest.mark.parametrize("align", ALIGNMENTS)
@settings(max_examples=8, deadline=None)
@given(**MIDDLES, scale=SCALES, roll=ROLLS)
def test_a_pasted_crop_lies_where_it_was_cut(align: Align, x: float, y: float, scale: float, roll: float) -> None:
    alignment = align(x, y, scale, roll)
    width, height = alignment.size
    rows, columns = np.mgrid[:height, :width]
    crop = np.stack([columns, rows], 2).astype(np.float32)
    back = alignment.paste(crop, HEIGHT, WIDTH)
    assert back.shape == (HEIGHT, WIDTH, 2)
    assert back.dtype == np.float32
    rows, columns = np.mgrid[:HEIGHT, :WIDTH]
    places = alignment.to_crop(np.stack([columns, rows], 2))
    is_inside = ((places > 2) & (places < [width - 3, height - 3])).all(2)
    assert is_inside.any()
    # OpenCV rounds positions to a 32nd of a pixel.
    assert np.abs(back - places)[is_inside].max() < 0.1
