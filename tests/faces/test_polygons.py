"""Polygons with sub-pixel corners."""

from __future__ import annotations

import numpy as np

from lipdub.faces import polygons

SQUARE = np.array([[2, 3], [7, 3], [7, 8], [2, 8]], np.float32)


def test_polygons_are_filled_to_their_edges() -> None:
    picture = np.zeros((12, 12), np.uint8)
    polygons.fill_polygon(picture, SQUARE, 9)
    expected = np.zeros_like(picture)
    expected[3:9, 2:8] = 9
    assert np.array_equal(picture, expected)


def test_a_hull_covers_what_its_outline_leaves_out() -> None:
    notched = np.insert(SQUARE, 2, (4, 5), axis=0)
    picture, hull = np.zeros((12, 12), np.uint8), np.zeros((12, 12), np.uint8)
    polygons.fill_polygon(picture, notched, 1)
    polygons.fill_hull(hull, notched, 1)
    assert picture.sum() < hull.sum() == 36


def test_coordinates_keep_sixteenths_of_a_pixel() -> None:
    assert polygons.to_fixed_point(np.array([[0.5, 1 / 16]])).tolist() == [[8, 1]]
