"""Colour match along the mask's edge."""

from __future__ import annotations

import numpy as np

from lipdub.blending import colour_match
from tests.blending.test_feather import disc


def test_equal_pictures_come_back_exactly() -> None:
    picture = np.random.default_rng(0).integers(0, 256, (101, 93, 3), dtype=np.uint8)
    mask = disc(101)[:, :93]
    assert np.array_equal(colour_match.match_colour(picture, picture, mask, 255.0), picture.astype(np.float32))


def test_it_takes_out_a_cast_up_to_its_limit() -> None:
    a = np.full((128, 128, 3), 120, np.float32)
    assert np.allclose(colour_match.match_colour(a, a + np.array([5, -8, 12]), disc(), 255.0), a, atol=0.5)
    wild = colour_match.match_colour(a, a + 100, disc(), 255.0)
    assert np.allclose(wild, a + 100 - colour_match.MAX_SHIFT * 255, atol=0.5)


def test_a_mask_without_an_edge_tells_nothing() -> None:
    a = np.full((32, 32, 3), 120, np.uint8)
    assert np.array_equal(
        colour_match.match_colour(a, a + 10, np.zeros((32, 32), np.float32), 255.0), a + np.float32(10)
    )
