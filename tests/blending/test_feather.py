"""Feathered masks."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from lipdub.blending import feather
from tests.properties import repeatable


def disc(size: int = 128, radius: float = 40) -> np.ndarray:
    y, x = np.mgrid[:size, :size] - size / 2
    return (np.hypot(x, y) < radius).astype(np.float32)


def test_a_feathered_mask_is_zero_beyond_its_width() -> None:
    soft = feather.feather_mask(disc(), 10)
    y, x = np.mgrid[:128, :128] - 64
    distance = np.hypot(x, y)
    assert (soft[distance > 40 + 16] == 0).all()
    assert np.allclose(soft[distance < 25], 1, atol=1e-5)
    assert np.array_equal(feather.feather_mask(disc(), 0), disc())


def test_masks_of_bytes_are_those_of_floats_but_for_rounding() -> None:
    as_bytes = (disc() * 255).astype(np.uint8)
    assert np.abs(feather.feather_mask(as_bytes, 10) - feather.feather_mask(disc(), 10)).max() < 0.01


@repeatable
@given(width=st.floats(0, 40), radius=st.floats(1, 60))
def test_weights_stay_in_range_and_fall_outwards(width: float, radius: float) -> None:
    soft = feather.feather_mask(disc(radius=radius), width)
    assert soft.dtype == np.float32
    assert soft.min() >= 0
    assert soft.max() <= 1
    row = soft[64, 64:]
    assert (np.diff(row) <= 1e-6).all()
