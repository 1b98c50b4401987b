"""The opening against its target."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.metrics.opening_target import find_misses
from lipdub.metrics.silence_motion import find_restless
from lipdub.scoring import moments


def test_a_mouth_that_opens_in_a_pause_and_one_that_misses() -> None:
    times = np.arange(0, 4, 0.04)
    opening = np.where((times > 2) & (times < 2.2), 0.2, 0.02)
    worst = moments.select_weakest(find_restless(times, opening, [(1.0, 3.0)]))
    assert worst[0].time == pytest.approx(2.1, abs=0.15) and worst[0].severity > 2
    assert not find_restless(times, opening, [])
    wanted = np.where((times > 2) & (times < 2.2), np.nan, 0.02)
    wanted[(times > 3) & (times < 3.25)] = 0.3
    found = moments.select_weakest(find_misses(times, wanted, opening))
    assert found[0].time == pytest.approx(3.1, abs=0.15) and found[0].severity > 2
