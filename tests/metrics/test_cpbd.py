"""Sharpness by the edges at which blur is noticed."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from lipdub.metrics import cpbd
from tests.networks import parity


def test_values_are_those_of_the_common_implementation() -> None:
    facts, _ = parity.fixture("preprocess")
    for row in facts["g_cpbd"]["values"]:
        picture = cv2.imread(str(parity.locate(row["file"])), cv2.IMREAD_GRAYSCALE)
        assert cpbd.cpbd(picture) == pytest.approx(row["cpbd"], abs=facts["g_cpbd"]["tolerance"])
        widths = cpbd.measure_edge_widths(picture.astype(np.float32))
        # these are exact, so the tolerance is needed for neither
        assert cpbd.find_upright_edges(picture.astype(np.float32)).sum() == row["sobel_edge_pixels"]
        assert (widths > 0).sum() == row["measured_edges"]
        assert widths[widths > 0].mean() == pytest.approx(row["mean_edge_width"], abs=1e-9)


def _ramps(width: int, low: int = 20, high: int = 220) -> np.ndarray:
    """Two blocks with a dark bar whose edges are `width` pixels wide, steepest in their middles."""
    wave = (1 - np.cos(np.pi * np.arange(width + 1) / width)) / 2
    row = np.full(128, high, np.float32)
    row[30 : 31 + width] = high + (low - high) * wave
    row[31 + width : 90] = low
    row[90 : 91 + width] = low + (high - low) * wave
    return np.tile(row, (64, 1))


@pytest.mark.parametrize("width", [2, 4, 8])
def test_edges_are_as_wide_as_drawn(width: int) -> None:
    widths = cpbd.measure_edge_widths(_ramps(width))
    assert set(np.unique(widths)) == {0, width}
    assert set(np.nonzero(widths)[1]) == {30 + width // 2, 90 + width // 2}
    assert (widths[1:-1] > 0).any(1).all() and not widths[[0, -1]].any()


def test_blur_is_noticed_at_other_widths_when_contrast_is_low() -> None:
    assert cpbd.cpbd(_ramps(2)) == 1 and cpbd.cpbd(_ramps(8)) == 0
    assert cpbd.cpbd(_ramps(4)) == 0 and cpbd.cpbd(_ramps(4, 100, 150)) == 1


def test_blur_lowers_it() -> None:
    noise = np.random.default_rng(0).standard_normal((192, 256)).astype(np.float32)
    blobs = np.where(cv2.GaussianBlur(noise, (0, 0), 6) > 0, np.float32(220), np.float32(40))
    found = [cpbd.cpbd(cv2.GaussianBlur(blobs, (0, 0), sigma)) for sigma in (0.4, 0.5, 0.8)]
    assert found[0] > 0.9 > found[1] > 0.5 and found[2] < 0.1


def test_where_there_is_no_edge_there_is_no_value() -> None:
    assert math.isnan(cpbd.cpbd(np.full((128, 128), 90, np.uint8)))
    assert math.isnan(cpbd.cpbd(np.zeros((63, 500), np.uint8)))
    with pytest.raises(ValueError, match="one channel"):
        cpbd.cpbd(np.zeros((128, 128, 3)))


def test_cpbd_of_a_part_is_that_of_its_grey_picture() -> None:
    rng = np.random.default_rng(0)
    blobs = cv2.GaussianBlur(rng.standard_normal((256, 320)).astype(np.float32), (0, 0), 6) > 0
    picture = np.repeat(np.where(blobs, 220, 40).astype(np.uint8)[..., None], 3, 2)
    assert cpbd.cpbd_of_rgb(picture) == cpbd.cpbd(picture[..., 0])
    assert cpbd.cpbd_of_rgb(picture, (32, 16, 224, 208)) == cpbd.cpbd(picture[16:208, 32:224, 0])
    assert cpbd.cpbd_of_rgb(picture.astype(np.uint16) * 257) == cpbd.cpbd(picture[..., 0])
    assert math.isnan(cpbd.cpbd_of_rgb(picture, (0, 0, 60, 200)))
    assert math.isnan(cpbd.cpbd_of_rgb(picture, (-80, 0, -10, 200)))
