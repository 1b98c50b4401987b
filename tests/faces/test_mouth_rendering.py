"""Mouth rendering: the skin is warped where it moves, and the mouth layer shows no teeth between closed lips."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lipdub.faces import mesh, mouth_rendering, mouth_shapes
from lipdub.faces.mouth_rendering import LIPS_INNER, LIPS_NEAR, LIPS_OUTER, MARGIN_RING, MOUTH_POINTS, MouthUnit
from tests.faces.made_faces import make_face, make_grid, with_lips

CENTRE = (80, 60)
LIP, TEETH = 120, 250


def mouth(gap: float, centre: tuple[float, float] = CENTRE) -> np.ndarray:
    """Mouth points (100, 2) of lips on ellipses, with about that gap in pixels."""
    points = np.zeros((mesh.VERTICES, 2))
    angle = np.linspace(np.pi, -np.pi, mesh.LIP_RING_SIZE + 1)[:-1]
    for r, ring in enumerate(mesh.LIP_RINGS):
        wide, tall = 40 - 5 * r, 14 - 4 * r + gap / 2
        points[list(ring)] = np.stack([centre[0] + wide * np.cos(angle), centre[1] - tall * np.sin(angle)], 1)
    return mouth_rendering.extract_mouth_points(points)


def closed_mouth() -> np.ndarray:
    """Mouth points (100, 2) whose inner lips meet."""
    points = mouth(0)
    points[LIPS_INNER, 1] = CENTRE[1]
    return points


def toothy(points: np.ndarray) -> np.ndarray:
    """A picture (120, 160, 3) of an open mouth: teeth fill the inner ring, and lip colour is everywhere else."""
    import cv2

    image = np.full((120, 160, 3), LIP, np.uint8)
    cv2.fillPoly(image, [np.round(points[LIPS_INNER]).astype(np.int32)], (TEETH,) * 3)
    return image


def test_the_rings_of_the_mouth_layer_are_named() -> None:
    points = mouth(12)
    assert points.shape == (MOUTH_POINTS, 2)
    widths = [np.ptp(points[ring, 0]) for ring in (MARGIN_RING, LIPS_OUTER, LIPS_NEAR, LIPS_INNER)]
    assert widths == sorted(widths, reverse=True)
    assert mouth_rendering.measure_gap_px(points) == pytest.approx(2 * (14 - 12 + 6))


def test_a_mouth_composited_over_itself_changes_nothing() -> None:
    y, x = np.mgrid[:120, :160]
    image = np.stack([128 + 60 * np.sin(x / 9), 128 + 60 * np.cos(y / 7), 100 + x / 2 + y / 3], -1).astype(np.uint8)
    points = mouth(12)
    out = image.copy()
    mask, painted = mouth_rendering.composite_mouth(out, points, [MouthUnit(image, points, 1.0)])
    assert painted == 0
    assert mask.max() > 0.99
    assert np.abs(out.astype(int) - image).max() <= 2


def test_only_the_mouth_is_changed_and_an_unseen_interior_is_painted_dark() -> None:
    image = np.full((120, 160, 3), 170, np.uint8)
    closed, wide = mouth(0.5), mouth(24)
    out = image.copy()
    mask, painted = mouth_rendering.composite_mouth(out, wide, [MouthUnit(image, closed, 1.0)])
    x0, y0, x1, y1 = mouth_rendering.compute_mouth_box(wide, 120, 160)
    assert painted == 1.0
    assert mask.shape == (y1 - y0, x1 - x0)
    assert out[68, 80].mean() < 120
    outside = np.ones((120, 160), bool)
    outside[y0:y1, x0:x1] = mask <= 0
    assert (out[outside] == 170).all()


def test_closed_lips_show_no_teeth_of_an_open_unit() -> None:
    unit, target = mouth(12), closed_mouth()
    out = np.full((120, 160, 3), LIP, np.uint8)
    mouth_rendering.composite_mouth(out, target, [MouthUnit(toothy(unit), unit, 1.0)])
    line = out[CENTRE[1] - 1 : CENTRE[1] + 2, 65:96].astype(int)
    assert np.abs(line - LIP).max() < 15


def test_the_inner_ring_of_a_closing_unit_is_drawn_back_into_the_lips() -> None:
    unit, target = mouth(12), closed_mouth()
    retracted = mouth_rendering._retract_inner_rings(unit, target, 1.0)
    way = unit[LIPS_NEAR] - unit[LIPS_INNER]
    share = ((retracted - unit)[LIPS_INNER] * way).sum(1) / (way**2).sum(1)
    # The unit is open wider than three lines, so its ring moves the furthest.
    assert np.allclose(share, 0.85)
    assert np.array_equal(retracted[: LIPS_INNER.start], unit[: LIPS_INNER.start])


def test_a_unit_that_is_nearly_closed_is_drawn_back_less() -> None:
    unit, target = mouth(12), closed_mouth()
    ajar = unit.copy()
    ajar[LIPS_INNER, 1] = CENTRE[1] + (unit[LIPS_INNER, 1] - CENTRE[1]) * 2 / mouth_rendering.measure_gap_px(unit)
    retracted = mouth_rendering._retract_inner_rings(ajar, target, 1.0)
    way = ajar[LIPS_NEAR] - ajar[LIPS_INNER]
    share = ((retracted - ajar)[LIPS_INNER] * way).sum(1) / (way**2).sum(1)
    assert np.allclose(share, 0.45 + 0.4 / 3)


def test_open_targets_leave_the_inner_ring_where_it_is() -> None:
    unit = mouth(12)
    assert mouth_rendering._retract_inner_rings(unit, mouth(11), 1.0) is unit


def test_teeth_keep_their_proportions_in_a_narrower_mouth() -> None:
    unit, narrow = mouth(12), mouth(12)
    narrow[:, 0] = 80 + (narrow[:, 0] - 80) * 0.6
    ring = mouth_rendering._compute_interior_source_ring(unit, narrow, 1.0)
    assert np.isclose(np.ptp(ring[:, 0]), np.ptp(narrow[LIPS_INNER, 0]), rtol=1e-6)
    assert np.allclose(mouth_rendering._compute_interior_source_ring(narrow, unit, 1.0), narrow[LIPS_INNER])


def test_skin_is_warped_where_it_moves_and_is_the_same_object_elsewhere() -> None:
    points = make_grid(25, 100) + 40
    skin = mouth_rendering.SkinMesh(
        np.arange(len(points)), np.zeros((0, 3)), mesh.triangulate(points), np.ones(len(points))
    )
    image = np.random.default_rng(0).integers(0, 256, (200, 180, 3), dtype=np.uint8)
    none, still = mouth_rendering.warp_skin(image, skin, points, points, np.zeros((0, 2)))
    assert none is image
    assert (still == 0).all()
    target = points.copy()
    middle = np.flatnonzero((points == 90).all(1))[0]
    target[middle] += (0, 8)
    warped, moved = mouth_rendering.warp_skin(image, skin, points, target, np.zeros((0, 2)), step=1)
    assert abs(moved[98, 90] - 8) < 0.6
    assert (moved[:60] == 0).all()
    assert (moved[:, :60] == 0).all()
    assert np.array_equal(warped[moved == 0], image[moved == 0])
    assert (warped[98, 90] != image[98, 90]).any()


def test_target_shapes_have_the_target_opening_and_width_and_lips_never_cross() -> None:
    still = make_face(np.random.default_rng(3))
    shape = np.stack([with_lips(still, o, w) for o, w in ((0.0, 0.8), (0.3, 0.8), (0.1, 0.6))])
    target = np.array([[0.25, 0.7], [0.0, 0.9], [0.1, 0.6]])
    widened = mouth_rendering.set_width(shape, target[:, mouth_shapes.WIDTH])
    result = mouth_rendering.set_opening(widened, target[:, mouth_shapes.OPENING])
    assert np.allclose(mouth_shapes.measure(result), target, atol=1e-9)
    gap = result[:, mesh.INNER_LOWER, 1] - result[:, mesh.INNER_UPPER, 1]
    assert (gap >= -1e-9).all()


def _lit(picture: np.ndarray, factor: tuple[float, ...] = (1.0, 1.0, 1.0), white: float = 0.0) -> np.ndarray:
    """A picture in other light: each channel times a factor, then faded towards white."""
    lit = picture / 255 * np.array(factor) * (1 - white) + white
    return np.round(lit * 255).clip(0, 255).astype(np.uint8)


def _face_with_teeth(points: np.ndarray) -> np.ndarray:
    """A picture (120, 160, 3) of skin, lips and an open mouth with teeth and dark."""
    import cv2

    image = np.full((120, 160, 3), (190, 150, 130), np.uint8)
    for ring, colour in ((LIPS_OUTER, (150, 80, 80)), (LIPS_INNER, (60, 25, 25))):
        cv2.fillPoly(image, [np.round(points[ring]).astype(np.int32)], colour)
    image[56:60, 60:100] = (235, 230, 215)
    return cv2.GaussianBlur(image, (0, 0), 1)


@pytest.mark.parametrize(
    ("frame", "unit"),
    [
        ({"factor": (0.4, 0.4, 0.4)}, {}),
        ({"factor": (0.1, 0.1, 0.1)}, {}),
        ({"factor": (0.5, 0.35, 0.25)}, {}),
        ({"white": 0.7}, {}),
        ({}, {"factor": (0.4, 0.4, 0.4)}),
        ({}, {"white": 0.6}),
    ],
    ids=["dim", "nearly black", "warm lamp", "fade to white", "unit of a dim frame", "unit of a white frame"],
)
def test_a_borrowed_mouth_takes_the_light_of_its_frame(frame: dict[str, Any], unit: dict[str, Any]) -> None:
    points = mouth(12)
    plain = _face_with_teeth(points)
    expected = _lit(plain, **frame)
    out = expected.copy()
    mouth_rendering.composite_mouth(out, points, [MouthUnit(_lit(plain, **unit), points, 1.0)])
    x0, y0, x1, y1 = mouth_rendering.compute_mouth_box(points, 120, 160)
    error = np.abs(out.astype(int) - expected)[y0:y1, x0:x1]
    assert error.mean() < 1 and np.percentile(error, 99) <= 4


def test_over_a_small_step_of_light_a_borrowed_mouth_is_shifted() -> None:
    points = mouth(12)
    plain = _face_with_teeth(points)
    frame = _lit(plain, (0.9, 0.9, 0.9))
    out = frame.copy()
    mask, _ = mouth_rendering.composite_mouth(out, points, [MouthUnit(plain, points, 1.0)])
    x0, y0, x1, y1 = mouth_rendering.compute_mouth_box(points, 120, 160)
    whole = mask > 0.999
    shift = out[y0:y1, x0:x1][whole].astype(int) - plain[y0:y1, x0:x1][whole]
    assert whole.sum() > 500 and np.ptp(shift, axis=0).max() <= 1
