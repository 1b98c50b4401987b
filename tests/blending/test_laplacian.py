"""Laplacian blending: its octaves, and the published implementation.

The published one blends both pictures' bands, ours blends the bands of their difference. The published count of levels
includes the coarsest, ours does not.
"""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.blending import laplacian
from tests.blending.test_feather import disc
from tests.networks import parity


def test_a_colour_step_is_spread_over_more_pixels_than_detail() -> None:
    a, b = np.zeros((128, 128, 3), np.float32), np.full((128, 128, 3), 60, np.float32)
    out = laplacian.blend_octaves(a, b, disc())[64, :, 0]
    assert np.abs(np.diff(out)).max() < 20
    assert out[64] > 45
    stripes = np.zeros_like(a)
    stripes[:, ::2] = 40
    fine = laplacian.blend_octaves(a, stripes, disc())
    assert np.ptp(fine[64, 60:68, 0]) > 30
    assert np.ptp(fine[64, :10, 0]) < 4


@pytest.mark.parametrize(
    ("size", "levels"), [((8, 8), 1), ((16, 200), 1), ((32, 40), 2), ((512, 600), 6), ((4000, 4000), 6)]
)
def test_the_coarsest_level_keeps_eight_pixels(size: tuple[int, int], levels: int) -> None:
    assert laplacian.count_levels(*size) == levels


def test_the_patch_is_bounded_by_the_masks_foot() -> None:
    a, b = np.zeros((128, 128, 3), np.float32), np.full((128, 128, 3), 60, np.float32)
    mask = disc() * np.float32(0.1)
    assert np.allclose(laplacian.BLENDER.blend(a, b, mask).weight, disc() * 0.4)


def _blended(data: dict[str, np.ndarray], published_levels: int) -> np.ndarray:
    pictures = data["blend.image_b"], data["blend.image_a"]
    return laplacian.blend_octaves(*pictures, data["blend.mask"], published_levels - 1)


def test_it_is_the_published_blend_in_float() -> None:
    facts, data = parity.fixture("preprocess")
    gap = np.abs(_blended(data, 6) - data["blend.result_f32_levels6"])
    assert gap.max() <= facts["tolerances"]["blend.*"]


@pytest.mark.parametrize("levels", [6, 8])
def test_the_published_rounding_at_every_level_is_all_that_is_left_out(levels: int) -> None:
    _, data = parity.fixture("preprocess")
    gap = np.abs(_blended(data, levels) - data[f"blend.result_u8_levels{levels}"])
    assert gap.max() < 0.5
    assert gap.mean() < 0.05
