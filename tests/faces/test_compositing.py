"""Generated faces brought back to their frame."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces import compositing, landmarks

SIZE = 64
PLACEMENT = np.array([100.0, 100.0, 50.0, 0.0])


@pytest.fixture(params=[np.uint8, np.uint16])
def crop(request: pytest.FixtureRequest) -> np.ndarray:
    """A lower-face crop (120, 100, 3)."""
    top = np.iinfo(request.param).max
    y, x = np.mgrid[:120, :100]
    return (np.stack([x, y, x + y], 2) * (top // 255)).astype(request.param)


@pytest.fixture
def points() -> np.ndarray:
    """Landmarks (478, 2) that fill the crop."""
    face = landmarks.load_neutral_face()[:, :2]
    return (face - face.min(0)) / np.ptp(face, 0) * [96, 116] + [2, 2]


def test_only_the_mask_of_the_lower_face_is_set(crop: np.ndarray, points: np.ndarray) -> None:
    top = np.iinfo(crop.dtype).max
    out = compositing.composite_lower_face(crop, np.ones((96, 96, 3), np.float32), points, 1.0)
    assert out.dtype == crop.dtype
    assert set(np.unique(out[..., 3])) == {0, top}
    assert (out[..., :3] == top).all()
    mask = out[..., 3]
    assert mask[60:110, 30:70].mean() > 0.78 * top
    assert not mask[:60].any()
    assert not mask[-2:].any()
    assert not mask[:, [0, 1, -2, -1]].any()


def test_opacity_mixes_the_crop_and_the_face(crop: np.ndarray, points: np.ndarray) -> None:
    none = compositing.composite_lower_face(crop, np.zeros((96, 96, 3), np.float32), points, 0.0)
    assert np.array_equal(none[..., :3], crop)
    half = compositing.composite_lower_face(crop, np.zeros((96, 96, 3), np.float32), points, 0.5)
    assert np.abs(half[..., :3].astype(int) * 2 - crop).max() <= 1


def test_an_upper_half_is_kept_and_masked_with_the_rest_of_the_face(crop: np.ndarray, points: np.ndarray) -> None:
    face = np.ones((96, 96, 3), np.float32)
    out = compositing.composite_lower_face(crop, face, points, 1.0, upper=crop)
    assert np.array_equal(out[:60, :, :3], crop[:60])
    assert out[40, 50, 3]
    assert not out[:2, :, 3].any()


def test_a_faces_own_mask_bounds_the_lower_face(crop: np.ndarray, points: np.ndarray) -> None:
    face = np.ones((*crop.shape[:2], 4), np.float32)
    face[..., 3] = 0.5
    mask = compositing.composite_lower_face(crop, face, points, 1.0)[..., 3]
    assert set(np.unique(mask)) == {0, round(np.iinfo(crop.dtype).max / 2)}


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_an_unchanged_crop_keeps_the_pictures_detail(dtype: type) -> None:
    top = np.iinfo(dtype).max
    picture = np.random.default_rng(0).integers(0, top, (200, 200, 3), dtype, endpoint=True)
    before = compositing.crop_at(picture, PLACEMENT, SIZE)
    assert before.dtype == np.uint8
    assert before.shape == (SIZE, SIZE, 3)
    back = compositing.composite_crop(picture, before, before.astype(np.float32) / 255, PLACEMENT)
    assert back.dtype == np.float32
    inside = back[..., 3] > 0.5
    assert inside.any()
    np.testing.assert_allclose(back[inside][:, :3], picture[inside] / top, atol=3e-3)


def test_a_changed_lower_half_replaces_the_picture() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (200, 200, 3), np.uint8)
    before = compositing.crop_at(picture, PLACEMENT, SIZE)
    painted = before.astype(np.float32) / 255
    painted[SIZE // 2 :] = (1.0, 0.0, 0.0)
    back = compositing.composite_crop(picture, before, painted, PLACEMENT)
    covered = back[..., 3] > 0.99
    assert covered.any()
    assert np.abs(back[covered][:, :3] - (1, 0, 0)).mean() < 0.15
    assert (back[..., 3] == 0).any()


def test_given_pixels_stay_outside_the_mask_and_fade_to_drawn_ones_inside() -> None:
    crop, drawn = np.full((64, 64, 3), 51, np.uint8), np.full((64, 64, 3), 0.8, np.float32)
    mask = np.zeros((64, 64), np.uint8)
    mask[30:60, 10:50] = 1
    mixed = compositing.mix_inside(crop, drawn, mask)
    np.testing.assert_allclose(mixed[mask == 0], 0.2, atol=1e-6)
    np.testing.assert_allclose(mixed[45, 30], 0.8, atol=1e-6)
    assert 0.2 < mixed[30, 30, 0] < 0.8 and (np.diff(mixed[28:36, 30, 0]) >= 0).all()
    to_the_border = compositing.mix_inside(crop, drawn, np.ones((64, 64), np.uint8))
    assert to_the_border[0, 30, 0] < 0.8 and to_the_border[32, 32, 0] == pytest.approx(0.8)
