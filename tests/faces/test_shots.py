"""Shot detection."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.faces import shots
from tests.properties import repeatable


def test_cuts_are_found_and_motion_and_flicker_are_none() -> None:
    calm = np.full(60, 2.0)
    calm[[20, 45]] = 60, 40
    assert shots.find_cuts(calm) == [20, 45]
    assert shots.find_shots(calm) == [(0, 20), (20, 45), (45, 60)]
    assert shots.find_cuts(np.full(60, 35.0)) == []


def test_change_is_the_mean_over_the_channels() -> None:
    black, grey = np.zeros((36, 64, 3), np.uint8), np.full((36, 64, 3), 90, np.uint8)
    assert shots.measure_change(shots.make_thumbnail(black), shots.make_thumbnail(black)) == 0
    assert shots.measure_change(shots.make_thumbnail(black), shots.make_thumbnail(grey)) == pytest.approx(30, abs=1)


@repeatable
@given(st.lists(st.floats(0, 255), max_size=60))
def test_shots_cover_every_frame_once(changes: list[float]) -> None:
    spans = shots.find_shots(np.array([0.0, *changes]))
    assert [frame for a, b in spans for frame in range(a, b)] == list(range(len(changes) + 1))
