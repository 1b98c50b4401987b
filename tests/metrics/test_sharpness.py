"""Sharpness by hand: pictures whose detail is known."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from lipdub.faces.masks import outlines
from lipdub.metrics import flicker, sharpness
from tests.metrics.drawn_faces import SIZE, to_grey


def _textured(sigma: float = 0.0) -> np.ndarray:
    noise = np.random.default_rng(3).normal(0, 40, (SIZE, SIZE)).astype(np.float32)
    return to_grey(128 + (cv2.GaussianBlur(noise, (0, 0), sigma) * (1 + 2 * sigma) if sigma else noise))


def test_equal_detail_is_equally_sharp(face: np.ndarray) -> None:
    found = sharpness.sharpness(_textured(), face)
    assert abs(found.against_eyes) < 0.3 and abs(found.against_cheeks) < 0.3

    # differences of Gaussians of white noise: energies by Parseval, (1/(4 pi)) (1/a^2 + 1/b^2 - 4/(a^2 + b^2))
    def energy(a: float, b: float) -> float:
        return 1 / a**2 + 1 / b**2 - 4 / (a**2 + b**2)

    expected = math.log2(energy(0.6, 1.2) / energy(1.2, 2.4))
    assert found.mouth == pytest.approx(expected, abs=0.5)  # sigma 0.6 is coarsely sampled


def test_blur_of_the_mouth_shows_and_blur_of_everything_does_not(face: np.ndarray) -> None:
    sharp, soft = _textured(), _textured(2.0)
    both = np.where(outlines.draw_lower_face(face, SIZE, SIZE)[..., None] > 0, soft, sharp)
    found = sharpness.sharpness(both, face)
    assert found.against_eyes < -2
    assert abs(sharpness.sharpness(soft, face).against_eyes) < 0.3
    assert found.eyes == pytest.approx(sharpness.sharpness(sharp, face).eyes, abs=0.1)


def test_contrast_is_not_sharpness(face: np.ndarray) -> None:
    picture = _textured(1.0)
    low = to_grey(128 + (picture[..., 0].astype(float) - 128) / 3)
    # but for what rounding to whole levels adds
    assert sharpness.sharpness(low, face).mouth == pytest.approx(sharpness.sharpness(picture, face).mouth, abs=0.1)


def test_what_is_not_seen_is_not_measured(face: np.ndarray) -> None:
    picture = _textured()
    assert all(math.isnan(v) for v in sharpness.sharpness(picture, face * np.nan))
    assert all(math.isnan(v) for v in sharpness.sharpness(picture, face + 9000))
    assert np.isnan(flicker.measure_patches(picture, face * np.nan)).all()
    assert np.isnan(flicker.measure_patches(picture, face + 9000)).all()
