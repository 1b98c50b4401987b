"""Blending and colour match."""

from __future__ import annotations

import numpy as np

from lipdub.blending import colour_match, feather, laplacian


def disc(size: int = 128, radius: int = 40) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size / 2
    return (np.hypot(x, y) < radius).astype(np.float32)


def test_equal_pictures_come_back_exactly() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (101, 93, 3), dtype=np.uint8)
    mask = disc(101)[:, :93]
    assert np.array_equal(laplacian.blend_laplacian(picture, picture, mask), picture.astype(np.float32))
    assert np.array_equal(feather.blend_feathered(picture, picture, mask), picture.astype(np.float32))
    assert np.array_equal(colour_match.match_colour(picture, picture, mask, 255.0), picture.astype(np.float32))


def test_full_and_empty_masks() -> None:
    rng = np.random.default_rng(1)
    a, b = rng.uniform(0, 255, (2, 96, 80, 3)).astype(np.float32)
    assert np.allclose(laplacian.blend_laplacian(a, b, np.ones((96, 80), np.float32)), b, atol=1e-2)
    assert np.array_equal(laplacian.blend_laplacian(a, b, np.zeros((96, 80), np.float32)), a)


def test_a_colour_step_is_spread_over_more_pixels_than_detail() -> None:
    a, b = np.zeros((128, 128, 3), np.float32), np.full((128, 128, 3), 60, np.float32)
    out = laplacian.blend_laplacian(a, b, disc())[64, :, 0]
    assert np.abs(np.diff(out)).max() < 20 and out[64] > 45
    stripes = np.zeros_like(a)
    stripes[:, ::2] = 40
    fine = laplacian.blend_laplacian(a, stripes, disc())
    assert np.ptp(fine[64, 60:68, 0]) > 30 and np.ptp(fine[64, :10, 0]) < 4


def test_feathered_mask_is_zero_beyond_its_width() -> None:
    soft = feather.feather_mask(disc(), 10)
    y, x = np.mgrid[:128, :128] - 64
    distance = np.hypot(x, y)
    assert (soft[distance > 40 + 16] == 0).all() and np.allclose(soft[distance < 25], 1, atol=1e-5)
    assert np.array_equal(feather.feather_mask(disc(), 0), disc())


def test_colour_match_takes_out_a_cast_up_to_its_limit() -> None:
    a = np.full((128, 128, 3), 120, np.float32)
    assert np.allclose(colour_match.match_colour(a, a + (5, -8, 12), disc(), 255.0), a, atol=0.5)
    wild = colour_match.match_colour(a, a + 100, disc(), 255.0)
    assert np.allclose(wild, a + 100 - colour_match.MAX_SHIFT * 255, atol=0.5)
