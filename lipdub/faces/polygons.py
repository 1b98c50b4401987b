"""Polygons drawn with sub-pixel corners."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import I32, U8, Array

# Fraction bits of OpenCV's fixed-point coordinates.
SUBPIXEL_BITS = 4


def to_fixed_point(points: Array) -> I32:
    """Convert pixels (..., 2) to OpenCV's fixed-point coordinates."""
    corners: I32 = np.round(points * (1 << SUBPIXEL_BITS)).astype(np.int32)
    return corners


def fill_polygon(picture: U8, points: Array, value: int) -> None:
    """Fill a polygon with corners (n, 2) in pixels of a picture (h, w) uint8, in place."""
    cv2.fillPoly(picture, [to_fixed_point(points)], value, shift=SUBPIXEL_BITS)


def fill_hull(picture: U8, points: Array, value: int) -> None:
    """Fill the convex hull of points (n, 2) float32 in pixels of a picture (h, w) uint8, in place."""
    cv2.fillConvexPoly(picture, to_fixed_point(cv2.convexHull(points)), value, shift=SUBPIXEL_BITS)
