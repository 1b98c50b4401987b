"""Crops of the lower half face: where they lie, that they follow the head, and that the mouth does not move them."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces import landmarks, mesh
from lipdub.faces.alignment import lower_face


def posed(scale: float = 60.0, roll: float = 0.0, at: tuple[float, float] = (200.0, 150.0)) -> np.ndarray:
    turn = np.array([[np.cos(roll), -np.sin(roll), 0], [np.sin(roll), np.cos(roll), 0], [0, 0, 1]])
    return scale * landmarks.load_neutral_face() @ turn.T + [*at, 0]


def test_placements_know_size_roll_and_place() -> None:
    points = np.stack([posed(60, 0.2)] * 9)
    x, y, scale, roll = lower_face.fit_placements(points, 0.04)[4]
    assert scale == pytest.approx(60, abs=0.1) and roll == pytest.approx(0.2, abs=1e-3)
    lip = points[0, 13, :2]
    assert np.hypot(*(lip - (x, y))) < 0.1 * 60


def test_a_dropping_jaw_does_not_move_the_crop() -> None:
    still = np.stack([posed()] * 9)
    talking = still.copy()
    jaw = list({*mesh.JAW, *mesh.INNER_LOWER} - set(mesh.RIGID))
    talking[::2, jaw, 1] += 12  # the upper lip stays
    np.testing.assert_allclose(
        lower_face.fit_placements(talking, 0.04), lower_face.fit_placements(still, 0.04), atol=1e-6
    )


def test_frames_without_the_face_take_their_neighbours_place() -> None:
    points = np.stack([posed(at=(200.0 + 2 * i, 150.0)) for i in range(11)])
    gap = points.copy()
    gap[4:6] = np.nan
    np.testing.assert_allclose(lower_face.fit_placements(gap, 0.04), lower_face.fit_placements(points, 0.04), atol=0.05)
    with pytest.raises(ValueError, match="no frame"):
        lower_face.fit_placements(np.full((3, 478, 3), np.nan), 0.04)


@pytest.mark.parametrize("roll", [0.0, 0.3, -0.3])
@pytest.mark.parametrize("scale", [30.0, 120.0])
def test_the_crop_shows_the_face_level(roll: float, scale: float) -> None:
    points = posed(scale, roll, (400.0, 300.0))
    place = lower_face.fit_placements(points[None], 0.04)[0]
    rows, columns = np.mgrid[:800, :800]
    image = np.stack([columns, rows], 2).astype(np.float32)  # each pixel says where it is
    seen = lower_face.align(place, 96, 48).crop(image)
    step = scale * lower_face.WIDTH / 96
    along = np.array([np.cos(roll), np.sin(roll)]) * step
    middle = seen[23:25, 47:49].mean((0, 1))
    np.testing.assert_allclose(middle, place[:2], atol=0.1 * step)
    np.testing.assert_allclose(seen[24, 60] - seen[24, 50], 10 * along, atol=0.3 * step)
    np.testing.assert_allclose(seen[40, 50] - seen[20, 50], 20 * along[::-1] * [-1, 1], atol=0.3 * step)


def test_the_margin_adds_what_lies_around() -> None:
    rng = np.random.default_rng(0)
    image = rng.integers(0, 255, (400, 600), np.uint8)
    place = np.array([300.0, 200.0, 96 / lower_face.WIDTH, 0.0])  # one pixel of the crop is one of the frame
    high, wide = lower_face.add_margin(48), lower_face.add_margin(96)
    margined = lower_face.align(place, wide, high, lower_face.MARGIN).crop(image)
    plain = lower_face.align(place, 96, 48).crop(image)
    assert margined.shape == (64, 128)
    assert np.abs(margined[8:-8, 16:-16].astype(int) - plain).max() <= 1
