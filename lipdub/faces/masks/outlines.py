"""Outlines of the face and its lower part, drawn from the mesh: they follow the jaw and turn with the head."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import mesh
from lipdub.faces.polygons import fill_hull

if TYPE_CHECKING:
    from lipdub.arrays import U8, Array


def draw_lower_face(landmarks: Array, height: int, width: int, reach: float = 1.0) -> U8:
    """Draw the lower face: the jaw, closed above by a line from ear to ear over the bridge of the nose.

    Args:
        landmarks: (478, 2 or 3) pixels of the mask.
        height: of the mask in pixels.
        width: of the mask in pixels.
        reach: distance of the outline from the mouth's centre, as a multiple of the jaw's own.

    Returns:
        (height, width) uint8, 1 inside.
    """
    points = np.asarray(landmarks, np.float64)[:, :2]
    centre = points[list(mesh.LIPS_INNER)].mean(0)
    jaw = centre + (points[list(mesh.JAW)] - centre) * reach
    ears = centre + (points[[mesh.EAR_LEFT, mesh.EAR_RIGHT]] - centre) * reach
    outline = np.concatenate([jaw, ears[:1], points[[mesh.NOSE_BRIDGE]], ears[1:]])
    return draw_hull(outline.astype(np.float32), height, width)


def draw_face(landmarks: Array, height: int, width: int) -> U8:
    """Draw the whole face inside its oval.

    Args:
        landmarks: (478, 2 or 3) pixels of the mask.
        height: of the mask in pixels.
        width: of the mask in pixels.

    Returns:
        (height, width) uint8, 1 inside.
    """
    return draw_hull(np.asarray(landmarks, np.float32)[list(mesh.OVAL), :2], height, width)


def draw_hull(outline: Array, height: int, width: int) -> U8:
    """Draw the convex hull of an outline (n, 2) float32 pixels: (height, width) uint8, 1 inside.

    The outline itself need not be convex, and beyond 60 degrees of yaw it crosses itself. Its hull is the area of the
    head.
    """
    mask = np.zeros((height, width), np.uint8)
    fill_hull(mask, outline, 1)
    return mask
