"""Landmark images: a face's lower outline, its nose's base and its lips as a picture of one channel.

Zhang et al., "G4G: A Generic Framework for High Fidelity Talking Face Generation with Fine-grained Intra-modal
Alignment" (2024), section 3.1: the prior landmarks of a face, as a picture as large as the face's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.faces import mesh
from lipdub.faces.polygons import SUBPIXEL_BITS, fill_polygon, to_fixed_point

if TYPE_CHECKING:
    from lipdub.arrays import U8, Array

OUTLINE, LIPS, INSIDE = 85, 170, 255
"""Values of the jaw's and the nose's lines, of the lips, and of what is between them; 0 elsewhere."""

_NOSE = (98, 97, mesh.NOSE_BASE, 326, 327)  # the base of the nose, from wing to wing


def draw_landmarks(landmarks: Array, height: int, width: int) -> U8:
    """Draw the landmark image of a face.

    Args:
        landmarks: (478, 2 or 3) pixels of the picture; NaN where the face is not seen.
        height: of the picture.
        width: of the picture.

    Returns:
        (height, width) uint8, empty where the face is not seen.
    """
    picture = np.zeros((height, width), np.uint8)
    points = np.asarray(landmarks, np.float64)[:, :2]
    if not np.isfinite(points).all():
        return picture
    for line in (mesh.JAW, _NOSE):
        corners = to_fixed_point(points[list(line)])
        cv2.polylines(picture, [corners], False, OUTLINE, 1, cv2.LINE_8, SUBPIXEL_BITS)
    fill_polygon(picture, points[list(mesh.LIPS_OUTER)], LIPS)
    if _is_open(points):
        fill_polygon(picture, points[list(mesh.LIPS_INNER)], INSIDE)
    return picture


def _is_open(points: Array) -> bool:
    """Tell whether the lower inner lip is below the upper one at the mouth's middle; lips that cross are shut."""
    upper, lower = (points[mesh.LIPS_INNER[k]] for k in (mesh.UPPER_MIDDLE, mesh.LOWER_MIDDLE))
    down = points[mesh.CHIN] - points[mesh.NOSE_BASE]
    return bool((lower - upper) @ down > 0)
