"""Ranges of motion."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lipdub.metrics import opening_range


def test_articulation_is_a_ratio_of_ranges() -> None:
    full = np.linspace(0, 1, 101)
    assert opening_range.motion_range(full) == pytest.approx(0.9)
    assert opening_range.range_ratio(0.3 + full / 4, full) == pytest.approx(0.25)
    spike = np.where(np.arange(101) == 50, 9.0, full)
    assert opening_range.motion_range(spike) == pytest.approx(0.9, abs=0.02)
    assert opening_range.motion_range(np.array([np.nan, 1, 1])) == 0
    assert math.isnan(opening_range.range_ratio(full, np.ones(5)))
    assert math.isnan(opening_range.motion_range(np.full(3, np.nan)))
