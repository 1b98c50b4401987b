"""Tremble of a motion."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.metrics.jitter import jitter


def test_jitter_of_straight_and_trembling_motion() -> None:
    assert jitter(np.linspace(0, 1, 30)) == pytest.approx(0, abs=1e-12)
    assert jitter(np.array([0.0, 1, 0, 1, 0])) == pytest.approx(2.0)
    assert jitter(np.zeros(2)) == 0.0
