"""The colours of rendered people."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.training.rendered import looks


@pytest.fixture
def landmarks() -> np.ndarray:
    """A made-up face map: all that a look needs is that the eyes lie apart."""
    points = np.random.default_rng(0).uniform(0.3, 0.7, (478, 2))
    points[33], points[263] = (0.35, 0.4), (0.65, 0.4)
    return points


def test_skin_lips_and_teeth_vary_but_are_never_green(landmarks: np.ndarray) -> None:
    tints, lips = [], []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        tints.append(looks._draw_tint(rng))
        lips.append(looks._draw_lip_colour(rng))
    for colours in (np.array(tints), np.array(lips)):
        assert (colours[:, 1] <= colours[:, 0] + 1e-9).all()
        assert (colours.std(0) > 0.05).all()
    skin = np.array([0.75, 0.55, 0.45])
    for seed in range(4):
        look = looks.draw_look(landmarks, np.random.default_rng(seed), skin=skin, is_woman=seed % 2 == 0)
        red, green, blue = look.surface.teeth
        assert red >= green >= blue > 0
        assert (look.surface.beard_length > 0) <= bool(look.roots[..., 3].any())


def test_dark_skin_has_no_blond_hair() -> None:
    hair = {
        is_dark: np.array([looks._draw_hair_colour(np.random.default_rng(i), is_dark=is_dark) for i in range(300)])
        for is_dark in (True, False)
    }
    fair = {dark: ((c[:, 0] > 0.36) & (np.ptp(c, 1) > 0.1)).mean() for dark, c in hair.items()}
    assert fair[True] == 0 and 0.1 < fair[False] < 0.35
