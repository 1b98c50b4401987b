"""The shape of a mouth."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lipdub.metrics.mouth_motion import measure_mouth_shape


def test_mouth_shape_is_in_distances_between_the_eyes() -> None:
    points = np.zeros((478, 3), np.float32)
    points[[33, 133]] = (100, 100, 0)
    points[[263, 362]] = (160, 100, 0)
    points[[13, 14], 1] = 180, 186
    points[[78, 308], 0] = 110, 150
    points[[0, 17], 1] = 170, 194
    assert measure_mouth_shape(points) == pytest.approx((0.1, 40 / 60, 0.4))
    assert all(math.isnan(v) for v in measure_mouth_shape(np.zeros((478, 3))))
