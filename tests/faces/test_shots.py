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


def blank(level: float) -> np.ndarray:
    return np.full((36, 64, 3), (0, 0, level), np.uint8)


def striped(*, turned: bool = False, gain: float = 1.0) -> np.ndarray:
    """A thumbnail of grey stripes, upright or turned, in a light that clips."""
    y, x = np.mgrid[:360, :640]
    grey = 90 + 70 * np.sin((y if turned else x) / 40)
    return shots.make_thumbnail(np.repeat(np.clip(grey * gain, 0, 255).astype(np.uint8)[..., None], 3, 2))


@pytest.mark.parametrize("gain", [0.1, 0.4, 2.5, 4.0])
def test_another_light_is_no_cut_and_another_view_is(gain: float) -> None:
    assert shots.measure_view_change(striped(), striped(gain=gain)) < shots.CUT_THRESHOLD
    assert shots.measure_view_change(striped(gain=gain), striped()) < shots.CUT_THRESHOLD
    assert shots.measure_change(striped(), striped(gain=0.1)) > shots.CUT_THRESHOLD
    dark = striped(turned=True, gain=0.1)
    assert shots.measure_view_change(striped(), dark) == shots.measure_change(striped(), dark) > shots.CUT_THRESHOLD


@pytest.mark.parametrize(
    ("views", "cuts"),
    [
        ("aaaaawaaaaa", []),
        ("aaaaawwwwaaaaa", []),
        ("aaaaawbbbbb", [6]),
        ("aaaaawwwwwwbbbbb", [11]),
        ("wwwwaaaa", [4]),
        ("aaaaabbbbb", [5]),
        ("aaaaaggggg", [5]),
    ],
)
def test_a_flash_belongs_to_its_view(views: str, cuts: list[int]) -> None:
    pictures = {"a": striped(), "b": striped(turned=True, gain=0.1), "w": blank(255), "g": blank(220)}
    view = shots.ViewChanges()
    assert shots.find_cuts(np.array([view.add(pictures[letter]) for letter in views])) == cuts


@repeatable
@given(st.lists(st.floats(0, 255), max_size=60))
def test_shots_cover_every_frame_once(changes: list[float]) -> None:
    spans = shots.find_shots(np.array([0.0, *changes]))
    assert [frame for a, b in spans for frame in range(a, b)] == list(range(len(changes) + 1))
