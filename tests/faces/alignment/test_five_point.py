"""Crops by five landmarks."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from lipdub.faces.alignment import five_point
from tests.networks import parity


def test_templates_and_matrices_are_the_published_ones() -> None:
    facts, data = parity.fixture("preprocess")
    tolerance = facts["tolerances"]["quad.*, croper.*, five.* geometry"]
    assert np.abs(five_point.GPEN_TEMPLATE - data["five.gpen_reference_512"]).max() <= tolerance
    assert np.abs(five_point.FACEXLIB_TEMPLATE - data["five.facexlib_template_512"]).max() <= tolerance
    # Not within the fixture's 1e-6 but 4e-5 pixels off: its values look like those of float32 on the way.
    matrix = five_point.fit_similarity(data["five.landmarks"], five_point.GPEN_TEMPLATE)
    assert np.abs(matrix - data["five.gpen_similarity"]).max() <= 1e-4
    assert np.abs(cv2.invertAffineTransform(matrix) - data["five.gpen_inverse"]).max() <= 1e-4


def test_the_crop_is_the_published_one() -> None:
    _, data = parity.fixture("preprocess")
    alignment = five_point.align(data["five.landmarks"], five_point.GPEN_TEMPLATE)
    found = alignment.crop(data["quad.frame"])[::4, ::4].astype(int)
    gap = np.abs(found - data["five.gpen_crop_s4"])
    assert gap.max() <= 1 and gap.any(-1).mean() <= 0.01


WANTED = np.array([[0.3, -0.4, 120.0], [0.4, 0.3, -15.0]])
MOVED = np.column_stack([five_point.GPEN_TEMPLATE, np.ones(5)]) @ WANTED.T


def test_a_similarity_is_found_again() -> None:
    assert np.allclose(five_point.fit_similarity(five_point.GPEN_TEMPLATE, MOVED), WANTED)
    with pytest.raises(ValueError, match="one place"):
        five_point.fit_similarity(np.ones((5, 2)), MOVED)


def test_a_similarity_never_mirrors() -> None:
    found = five_point.fit_similarity(five_point.GPEN_TEMPLATE, five_point.GPEN_TEMPLATE * [-1, 1])
    assert found[0, 0] == found[1, 1] and found[0, 1] == -found[1, 0] and np.linalg.det(found[:, :2]) > 0


def test_a_crop_has_the_points_in_their_places() -> None:
    frame = np.zeros((300, 400, 3), np.uint8)
    points = five_point.FACEXLIB_TEMPLATE / 4 + [100, 50]
    for x, y in np.round(points).astype(int):
        frame[y - 1 : y + 2, x - 1 : x + 2] = 255
    crop = five_point.align(points, five_point.FACEXLIB_TEMPLATE, border=(1, 2, 3)).crop(frame)
    assert crop.shape == (512, 512, 3) and crop.dtype == np.uint8
    for x, y in np.round(five_point.FACEXLIB_TEMPLATE).astype(int):
        assert crop[y, x].min() > 200
    outside = five_point.align(points - 200, five_point.FACEXLIB_TEMPLATE, border=(1, 2, 3)).crop(frame)
    assert outside[0, 0].tolist() == [1, 2, 3]
