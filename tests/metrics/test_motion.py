"""Correlation with lags, jitter, silence, and the mouth measured in pictures."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lipdub.metrics.correlation import correlation, on_grid
from lipdub.metrics.jitter import jitter
from lipdub.metrics.mouth import measure_mouth_shape
from lipdub.metrics.silence import find_pauses
from lipdub.metrics.silence_motion import pause_deviation


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
    grid = on_grid(times, values)
    assert grid.shape == (6, 3)
    assert grid[:, 0] == pytest.approx(np.arange(6) * 0.08)
    assert not grid[:, 1:].any()
    assert len(on_grid(np.zeros(0), np.zeros(0))) == 0


def test_jitter_of_straight_and_trembling_motion() -> None:
    assert jitter(np.linspace(0, 1, 30)) == pytest.approx(0, abs=1e-12)
    assert jitter(np.array([0.0, 1, 0, 1, 0])) == pytest.approx(2.0)
    assert jitter(np.zeros(2)) == 0.0


def _speech(rate: int = 16000) -> np.ndarray:
    """One second of sound, half a second of nothing, one of sound."""
    tone = 0.3 * np.sin(2 * np.pi * 180 * np.arange(rate) / rate)
    return np.concatenate([tone, np.zeros(rate // 2), tone]).astype(np.float32)


def test_pauses_are_found() -> None:
    assert find_pauses(_speech(), 16000) == [pytest.approx((1.0, 1.5), abs=0.021)]


def test_digital_silence_is_one_pause() -> None:
    assert find_pauses(np.zeros(32000, np.float32), 16000) == [(0.0, 2.0)]
    assert find_pauses(np.zeros(0, np.float32), 16000) == []


def test_room_noise_counts_as_silence() -> None:
    sound = _speech() + np.random.default_rng(1).normal(0, 1e-4, 40000).astype(np.float32)
    assert len(find_pauses(sound, 16000)) == 1


def test_stillness_looks_only_inside_the_pause() -> None:
    times = np.arange(50) * 0.04
    opening = np.where((times > 1.1) & (times < 1.4), 0.02, 0.5)
    opening[30] = np.nan
    spread, frames = pause_deviation(times, opening, [(1.0, 1.5)])
    assert spread == pytest.approx(0, abs=1e-9)
    assert frames == 6
    assert math.isnan(pause_deviation(times, opening, [])[0])


def test_mouth_shape_is_in_distances_between_the_eyes() -> None:
    points = np.zeros((478, 3), np.float32)
    points[[33, 133]] = (100, 100, 0)
    points[[263, 362]] = (160, 100, 0)
    points[[13, 14], 1] = 180, 186
    points[[78, 308], 0] = 110, 150
    points[[0, 17], 1] = 170, 194
    assert measure_mouth_shape(points) == pytest.approx((0.1, 40 / 60, 0.4))
    assert all(math.isnan(v) for v in measure_mouth_shape(np.zeros((478, 3))))
