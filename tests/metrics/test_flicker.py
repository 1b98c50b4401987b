"""Flicker of the lower face."""

from __future__ import annotations

import math

import numpy as np
import pytest

from lipdub.metrics import flicker
from tests.metrics.drawn_faces import SIZE, to_grey


def test_flicker_by_hand() -> None:
    series = np.full((40, 4), 100.0)
    series[:, :3] += 2.0 * (-1) ** np.arange(40)[:, None]
    assert flicker.flicker(series) == pytest.approx(8 / math.sqrt(6))  # second differences of 8
    series[:, 3] += 2.0 * (-1) ** np.arange(40)
    assert flicker.flicker(series) == pytest.approx(0, abs=1e-9)  # light that flickers everywhere is the scene's
    noise = np.random.default_rng(0).normal(0, 1.5, (4000, 4))
    noise[:, 3] = 0
    assert flicker.flicker(noise) == pytest.approx(1.5, rel=0.05)
    slow = np.linspace(0, 200, 40)[:, None] * [1, 1, 1, 0]
    assert flicker.flicker(slow) == pytest.approx(0, abs=1e-9)


def test_a_cut_is_no_flicker() -> None:
    series = np.concatenate([np.full((5, 4), 50.0), np.full((1, 4), np.nan), np.full((5, 4), 200.0) - [0, 0, 0, 99]])
    assert flicker.flicker(series) == 0
    assert math.isnan(flicker.flicker(series[4:7]))


def test_patches_are_means_of_brightness(face: np.ndarray) -> None:
    x = np.mgrid[0:SIZE, 0:SIZE][1]
    found = flicker.measure_patches(to_grey(x / 2), face)
    middles = [face[list(vertices), 0].mean() / 2 for vertices in flicker.PATCHES]
    assert found == pytest.approx(middles, abs=3) and found[1] < found[0] < found[2]
