"""Inter-frame consistency."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lipdub.metrics import ifc


def test_ifc_by_hand() -> None:
    still, changed = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 6, np.uint8)
    assert ifc.frame_distance(still, changed) == 6
    half = still.copy()
    half[0] = 6
    assert ifc.frame_distance(still, half) == pytest.approx(6 / math.sqrt(2))
    # the second pair is a cut
    assert ifc.ifc(np.array([1.0, np.nan, 4.0]), np.array([2.0, 5.0, 1.0])) == pytest.approx(2.0)
    assert math.isnan(ifc.ifc(np.zeros(0), np.zeros(0)))
    with pytest.raises(ValueError, match="two equal series"):
        ifc.ifc(np.zeros(2), np.zeros(3))
