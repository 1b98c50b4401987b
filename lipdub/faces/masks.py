"""Masks of the face and its lower part, from the mesh: they follow the jaw's outline and turn with the head."""

from __future__ import annotations

import cv2
import numpy as np

from lipdub.faces import mesh

# Line over the nose that closes the lower face above, from one ear to the other.
BRIDGE = (234, 6, 454)


def draw_lower_face(landmarks: np.ndarray, height: int, width: int, reach: float = 1.0) -> np.ndarray:
    """The lower face as a mask: uint8 (height, width), 1 inside.

    Args:
        landmarks: (478, 2 or 3) pixels of the picture the mask is for.
        reach: 1 is the jaw's own outline; more goes beyond it, as a multiple of the distance from the mouth's middle.
    """
    points = np.asarray(landmarks, np.float64)[:, :2]
    middle = points[list(mesh.LIPS_INNER)].mean(0)
    jaw = middle + (points[list(mesh.JAW)] - middle) * reach
    ears = middle + (points[[BRIDGE[0], BRIDGE[2]]] - middle) * reach
    outline = np.concatenate([jaw, ears[:1], points[[BRIDGE[1]]], ears[1:]])
    mask = np.zeros((height, width), np.uint8)
    # The outline need not be convex, and beyond 60 degrees of yaw it crosses itself: its hull is what the head covers.
    cv2.fillConvexPoly(mask, np.round(cv2.convexHull(outline.astype(np.float32)) * 16).astype(np.int32), 1, shift=4)
    return mask


def draw_face(landmarks: np.ndarray, height: int, width: int) -> np.ndarray:
    """The whole face inside its oval as a mask: uint8 (height, width), 1 inside.

    landmarks: (478, 2 or 3) pixels of the picture the mask is for.
    """
    outline = cv2.convexHull(np.asarray(landmarks, np.float32)[list(mesh.OVAL), :2])
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, np.round(outline * 16).astype(np.int32), 1, shift=4)
    return mask
