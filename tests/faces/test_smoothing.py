"""Smoothing without lag."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.faces import smoothing
from tests.properties import repeatable


def test_smoothing_has_no_lag_and_short_runs_are_left() -> None:
    ramp = np.arange(50, dtype=float)[:, None] * [1.0, -2.0]
    assert np.allclose(smoothing.savgol_filter(ramp, 7), ramp)
    assert np.array_equal(smoothing.savgol_filter(ramp[:2], 7), ramp[:2])


@repeatable
@given(n=st.integers(1, 30), window=st.integers(0, 8), scale=st.floats(-10, 10))
def test_parabolas_of_any_length_stay(n: int, window: int, scale: float) -> None:
    t = np.arange(n, dtype=float)
    parabola = np.stack([scale * t**2 - t, np.full(n, scale)], 1)
    assert np.allclose(smoothing.savgol_filter(parabola, 2 * window + 1), parabola, atol=1e-6)


@repeatable
@given(st.lists(st.booleans(), max_size=40))
def test_runs_are_the_true_entries_apart_from_each_other(valid: list[bool]) -> None:
    runs = smoothing.find_runs(np.array(valid, bool))
    assert [i for a, b in runs for i in range(a, b)] == [i for i, v in enumerate(valid) if v]
    assert all(b < c for (_, b), (c, _) in itertools.pairwise(runs))


def test_windows_are_odd_and_intervals_are_the_usual_ones() -> None:
    assert smoothing.count_window_frames(0.2, 0.04) == 5
    assert smoothing.count_window_frames(0.2, 1.0) == 1
    assert smoothing.estimate_frame_interval(np.array([0, 0.1, 0.2, 0.9])) == pytest.approx(0.1)
    assert smoothing.estimate_frame_interval(np.array([3.0])) == 0.04


@pytest.mark.slow
def test_smoothing_is_scipys() -> None:
    from scipy.signal import savgol_filter

    values = np.random.default_rng(0).normal(size=(40, 3, 2))
    for window, order in ((5, 2), (7, 2), (9, 3), (5, 1)):
        expected = savgol_filter(values, window, order, axis=0)
        assert np.allclose(smoothing.savgol_filter(values, window, order), expected)
    short = values[:4].astype(np.float32)
    assert smoothing.savgol_filter(short, 9).dtype == np.float32
    assert np.allclose(smoothing.savgol_filter(short, 9), savgol_filter(short, 3, 2, axis=0), atol=1e-6)


def test_gaussian_mean_is_scipys() -> None:
    from scipy.ndimage import gaussian_filter1d

    values = np.random.default_rng(0).normal(size=(60, 5, 3))
    for sigma in (1.0, 4.5, 30.0):
        assert np.allclose(
            smoothing.gaussian_filter(values, sigma),
            gaussian_filter1d(values, sigma, axis=0, mode="nearest", truncate=3.0),
            atol=5e-3,
        )
    assert np.allclose(smoothing.gaussian_filter(np.ones((3, 2)), 10.0), 1)
