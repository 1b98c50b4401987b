"""Correlation of motions on a grid."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.metrics.correlation import correlation, resample_to_grid


def _walk(count: int, seed: int = 0) -> np.ndarray:
    steps = np.random.default_rng(seed).normal(size=count + 20)
    return np.convolve(steps, np.hanning(9), "same")[:count]


def test_a_delayed_copy_is_found_at_its_lag() -> None:
    a = _walk(200)
    for delay in (-7, 0, 4):
        b = np.roll(a, delay)
        values = {lag: correlation(a, b, lag) for lag in range(-10, 11)}
        assert max(values, key=values.__getitem__) == delay
        assert values[delay] > 0.98


def test_correlation_reads_the_second_later() -> None:
    a = _walk(100)
    assert correlation(a[:-3], a, 0) == pytest.approx(1.0)
    assert correlation(a[5:], a, 5) == pytest.approx(1.0)


@pytest.mark.parametrize("still", [np.zeros(50), np.full(50, 3.0), np.zeros(2)])
def test_nothing_correlates_with_no_motion(still: np.ndarray) -> None:
    assert correlation(still, _walk(50)) == 0.0
    assert correlation(_walk(50), still) == 0.0


def test_grid_bridges_missing_faces_and_uneven_times() -> None:
    times = np.array([0.0, 0.05, 0.08, 0.2, 0.24])
    values = np.stack([times * 2, [0, np.nan, np.nan, np.nan, 0], np.full(5, np.nan)], 1)
    grid = resample_to_grid(times, values)
    assert grid.shape == (6, 3)
    assert grid[:, 0] == pytest.approx(np.arange(6) * 0.08)
    assert not grid[:, 1:].any()
    assert len(resample_to_grid(np.zeros(0), np.zeros(0))) == 0
