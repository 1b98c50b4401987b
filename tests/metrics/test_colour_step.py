"""Steps of colour by hand: pictures whose colours are known."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from lipdub.metrics import colour_step
from lipdub.metrics.mask_edge import SECTORS
from tests.metrics.drawn_faces import SIZE, draw_disc, find_edge


def _lab(picture: np.ndarray) -> np.ndarray:
    return cv2.cvtColor(picture.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


def test_a_step_of_colour_is_the_difference_in_lab(face: np.ndarray) -> None:
    edge = find_edge(face, draw_disc())
    plain = np.full((SIZE, SIZE, 3), (180, 140, 120), np.uint8)
    changed = plain.copy()
    changed[draw_disc()] = (195, 135, 110)
    apart = _lab(changed)[SIZE // 2, SIZE // 2] - _lab(plain)[0, 0]
    bands, source = colour_step.measure_bands(changed, edge), colour_step.measure_bands(plain, edge)
    assert colour_step.colour_step(bands, source) == pytest.approx(np.linalg.norm(apart), rel=1e-3)
    assert colour_step.colour_step(bands) == pytest.approx(np.linalg.norm(apart[1:]), rel=1e-3)  # its chroma
    assert colour_step.colour_step(source) == pytest.approx(0, abs=1e-3) == colour_step.colour_step(bands, bands)


def test_a_trend_of_colour_is_no_step(face: np.ndarray) -> None:
    edge = find_edge(face, draw_disc())
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    away = np.hypot(x - SIZE / 2, y - SIZE / 2) / 5
    picture = np.stack([200 - away, 130 + away / 4, 110 + away / 2], -1).astype(np.uint8)
    near = colour_step.measure_bands(picture, edge)
    wide = np.median(near[0, :, 1:] / near[0, :, :1] - near[2, :, 1:] / near[2, :, :1], 0)
    assert colour_step.colour_step(near) < 0.5 * np.linalg.norm(wide[1:])  # what the bands themselves differ by
    assert colour_step.colour_step(near, near) == 0


def test_a_patch_in_one_place_is_no_step(face: np.ndarray) -> None:
    picture = np.full((SIZE, SIZE, 3), (180, 140, 120), np.uint8)
    spot = picture.copy()
    spot[: SIZE // 2, SIZE // 2 :] = (20, 200, 20)  # hair over a quarter of it
    edge = find_edge(face, draw_disc())
    assert colour_step.colour_step(colour_step.measure_bands(spot, edge)) < 0.1
    assert math.isnan(colour_step.colour_step(np.zeros((4, SECTORS, 4))))
