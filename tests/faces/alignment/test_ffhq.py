"""FFHQ crops and their way back."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces.alignment import ffhq
from tests.networks import parity

GEOMETRY = "quad.*, croper.*, five.* geometry"


def _few(found: np.ndarray, wanted: np.ndarray) -> None:
    """The fixture's rule for pictures; fractions are cut off as the published code does."""
    gap = np.abs(np.floor(found) - wanted)
    assert gap.max() <= 1 and gap.any(-1).mean() <= 0.01


def test_they_are_the_published_crops() -> None:
    facts, data = parity.fixture("preprocess")
    tolerance = facts["tolerances"][GEOMETRY]
    corners = ffhq.fit_corners(data["quad.landmarks_68"])
    assert np.abs(corners - data["quad.corners"]).max() <= tolerance
    assert np.abs(ffhq.fit_projection(corners) - data["quad.inverse_coefficients"]).max() <= tolerance
    _few(ffhq.FFHQAlignment(corners).crop(data["quad.frame"]), data["quad.crop256"])
    _few(ffhq.FFHQAlignment(corners).paste_over(data["quad.frame"], data["quad.crop256"]), data["quad.pasted"])


def test_the_static_crop_is_the_published_one() -> None:
    _, data = parity.fixture("preprocess")
    frame = data["quad.frame"]
    corners = ffhq.fit_corners(data["quad.landmarks_68"])
    outer = ffhq.compute_padded_bounds(corners, frame.shape[1], frame.shape[0])
    assert outer == tuple(data["croper.outer_crop"])


Point = tuple[float, float]


def _landmarks(left: Point, right: Point, mouth: Point) -> np.ndarray:
    points = np.zeros((68, 2))
    points[36:42], points[42:48], points[[48, 54]] = left, right, mouth
    return points


def test_corners_by_hand() -> None:
    # eyes 100 apart, mouth 100 under them: half the side is 2 * 100, the middle 10 under the eyes
    found = ffhq.fit_corners(_landmarks((100, 100), (200, 100), (150, 200)))
    assert np.allclose(found, [(-50, -90), (-50, 310), (350, 310), (350, -90)])
    assert ffhq.measure_side(found) == 400
    # a long face is measured by its mouth's distance: half the side is 1.8 * 200
    long = ffhq.fit_corners(_landmarks((100, 100), (200, 100), (150, 300)))
    assert ffhq.measure_side(long) == pytest.approx(720)
    # a quarter turn to the right turns the corners with it
    turned = ffhq.fit_corners(_landmarks((100, 100), (100, 200), (0, 150)))
    assert np.allclose(turned[0], (290, -50)) and np.allclose(turned[1], (-110, -50))
    with pytest.raises(ValueError, match="one place"):
        ffhq.fit_corners(np.zeros((68, 2)))


def test_bounds_and_box_stay_in_the_frame() -> None:
    corners = np.array([(10.2, 20.0), (10.2, 60.0), (50.2, 60.0), (50.2, 20.0)])
    assert ffhq.compute_padded_bounds(corners, 200, 100) == (6, 16, 55, 64)
    assert ffhq.compute_padded_bounds(corners, 40, 30) == (6, 16, 40, 30)


def _frame(height: int = 120, width: int = 160) -> np.ndarray:
    y, x = np.mgrid[:height, :width]
    return np.stack([x, y, np.full_like(x, 40)], -1).astype(np.uint8)


def test_a_crop_shows_the_places_it_covers() -> None:
    corners = np.array([(40.0, 30.0), (30.0, 70.0), (70.0, 80.0), (80.0, 40.0)])
    found = ffhq.FFHQAlignment(corners, 40).crop(_frame())
    assert found.shape == (40, 40, 3)
    # its first pixel's middle is half a step from the first corner along both sides
    step = np.array([(corners[3] - corners[0]), (corners[1] - corners[0])]) / 40
    assert np.allclose(found[0, 0, :2], corners[0] + step.sum(0) / 2, atol=1e-3)
    assert np.allclose(found[10, 30, :2], corners[0] + 30.5 * step[0] + 10.5 * step[1], atol=1e-3)


def test_a_crop_goes_back_where_it_came_from() -> None:
    corners = np.array([(40.0, 30.0), (30.0, 70.0), (70.0, 80.0), (80.0, 40.0)])
    frame = _frame()
    alignment = ffhq.FFHQAlignment(corners, 64)
    back = alignment.paste_over(frame, alignment.crop(frame))
    assert np.abs(back - frame).max() < 0.7
    marked = alignment.paste_over(frame, np.full((64, 64, 3), 200, np.uint8))
    changed = (marked != frame).any(-1)
    assert changed[55, 55] and not changed[30, 30]
    assert changed.sum() == pytest.approx(ffhq.measure_side(corners) ** 2, rel=0.02)


def test_a_large_square_is_reduced_first() -> None:
    corners = np.array([(20.0, 20.0), (20.0, 220.0), (220.0, 220.0), (220.0, 20.0)])
    noise = np.random.default_rng(0).integers(0, 256, (240, 240, 3), dtype=np.uint8)
    reduced, sampled = (ffhq.FFHQAlignment(corners, size).crop(noise).std() for size in (40, 60))
    # noise is averaged over what a pixel covers, and does not come through as it is
    assert reduced < 0.4 * noise.std() < sampled
    ramp = ffhq.FFHQAlignment(corners, 40).crop(_frame(240, 240))
    assert np.allclose(ramp[20, :, 0], 20 + 5 * (np.arange(40) + 0.5), atol=1)
    assert np.allclose(ramp[:, 20, 1], 20 + 5 * (np.arange(40) + 0.5), atol=1)


def test_beyond_the_frame_is_black() -> None:
    away = np.array([(-60.0, -60.0), (-60.0, -20.0), (-20.0, -20.0), (-20.0, -60.0)])
    alignment = ffhq.FFHQAlignment(away, 16)
    assert not alignment.crop(_frame()).any()
    assert np.array_equal(alignment.paste_over(_frame(), np.full((16, 16, 3), 9, np.uint8)), _frame())
    half = ffhq.FFHQAlignment(away + 50, 16).crop(_frame())
    assert not half[:, :4].any() and (half[8:, 8:, 2] == 40).all()
