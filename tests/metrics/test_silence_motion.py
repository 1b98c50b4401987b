"""Motion of the mouth in pauses."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lipdub.metrics.silence_motion import pause_deviation, silence_motion_ratio

TIMES = np.arange(100) * 0.04


def test_stillness_looks_only_inside_the_pause() -> None:
    times = np.arange(50) * 0.04
    opening = np.where((times > 1.1) & (times < 1.4), 0.02, 0.5)
    opening[30] = np.nan
    spread, frames = pause_deviation(times, opening, [(1.0, 1.5)])
    assert spread == pytest.approx(0, abs=1e-9)
    assert frames == 6
    assert math.isnan(pause_deviation(times, opening, [])[0])


def test_leak_is_the_motion_left_under_silence() -> None:
    opening = 0.3 + 0.1 * np.sign(np.sin(np.arange(100) * 2.1))
    opening[50:] = 0.3 + (opening[50:] - 0.3) / 4
    assert silence_motion_ratio(TIMES, opening, [(2.0, 4.0)]) == pytest.approx(0.25, rel=0.05)
    opening[50:] = 0.1
    assert silence_motion_ratio(TIMES, opening, [(2.0, 4.0)]) == pytest.approx(0, abs=1e-9)
    assert math.isnan(silence_motion_ratio(TIMES, np.full(100, 0.2), [(2.0, 4.0)]))
    assert math.isnan(silence_motion_ratio(TIMES, opening, []))
