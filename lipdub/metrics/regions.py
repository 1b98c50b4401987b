"""Parts of a face that metrics look at, cut out by the points of its mesh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.faces import mesh

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, Array, Mask

LEFT_EYE = (33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246)
RIGHT_EYE = (263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466)
# under the eyes, above the part that speech moves
LEFT_CHEEK = (116, 117, 118, 119, 100, 101, 50, 123)
RIGHT_CHEEK = (345, 346, 347, 348, 329, 330, 280, 352)
FOREHEAD = (151, 9, 108, 337, 107, 336)
# inside the lower face, where speech changes little
NOSE_TIP = (4, 5, 45, 275, 1, 44, 274)
LEFT_SIDE = (50, 101, 36, 205, 187, 123)
RIGHT_SIDE = (280, 330, 266, 425, 411, 352)

Box = tuple[int, int, int, int]  # x0, y0, x1, y1; x1 and y1 are exclusive


@dataclass(frozen=True)
class FacePart:
    """A piece of a frame.

    Attributes:
        rgb: (h, w, 3).
        landmarks: (478, 2) float64 pixels of the piece.
    """

    rgb: Array
    landmarks: F64


def measure_eye_distance(landmarks: Array) -> float:
    """Return the pixels between the middles of the eyes' corners, from mesh points (478, 2 or 3)."""
    points = np.asarray(landmarks, np.float64)[:, :2]
    return float(np.linalg.norm(points[list(mesh.EYE_LEFT)].mean(0) - points[list(mesh.EYE_RIGHT)].mean(0)))


def grow_box(points: Array, margin: float, height: int, width: int) -> Box:
    """Return the box of some points with a margin, inside a picture; empty if they lie outside it.

    Args:
        points: (n, 2 or 3) pixels.
        margin: pixels.
        height: of the picture.
        width: of the picture.
    """
    xy = np.asarray(points, np.float64)[:, :2]
    low = np.clip(np.floor(xy.min(0) - margin), 0, [width, height]).astype(int)
    high = np.clip(np.ceil(xy.max(0) + margin) + 1, 0, [width, height]).astype(int)
    return int(low[0]), int(low[1]), int(max(low[0], high[0])), int(max(low[1], high[1]))


def crop_face(rgb: Array, landmarks: Array, margin: float = 0.1) -> FacePart:
    """Cut the face out of a frame.

    Args:
        rgb: (h, w, 3).
        landmarks: (478, 2 or 3) pixels.
        margin: eye distances.
    """
    box = grow_box(landmarks, margin * measure_eye_distance(landmarks), *rgb.shape[:2])
    x0, y0, x1, y1 = box
    return FacePart(rgb[y0:y1, x0:x1], np.asarray(landmarks, np.float64)[:, :2] - [x0, y0])


def fill_hull(points: Array, height: int, width: int, scale: float = 1.0) -> Mask:
    """Fill the convex hull of some points.

    Args:
        points: (n, 2) pixels.
        height: of the mask.
        width: of the mask.
        scale: factor by which the hull is grown about its middle.

    Returns:
        (height, width) bool.
    """
    xy = np.asarray(points, np.float64)[:, :2]
    middle = xy.mean(0)
    grown = (middle + (xy - middle) * scale).astype(np.float32)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, np.round(cv2.convexHull(grown) * 16).astype(np.int32), 1, shift=4)
    return mask.astype(bool)


def to_luma(rgb: Array) -> F32:
    """Convert RGB (h, w, 3), uint8 or uint16, to grey (h, w) float32 in 0..255."""
    grey: F32 = cv2.cvtColor(rgb, cv2.COLOR_RGB2GRAY).astype(np.float32)
    return grey if rgb.dtype == np.uint8 else grey * np.float32(255 / 65535)
