"""Landmark formats: MediaPipe's mesh, the 68 points of iBUG (300-W) in it, and the shipped neutral face."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import mesh

if TYPE_CHECKING:
    from lipdub.arrays import F64, Array

# Mesh vertices of iBUG's points, part by part in iBUG's order: 0-16, 17-21, 22-26, 27-30, 31-35, 36-41, 42-47, 48-59,
# 60-67. "Left" and "right" are the picture's. Jaw, brows and nose run from left to right; eyes and lips run from their
# left corner along the upper side and back along the lower one.
IBUG_PARTS = {
    "jaw": (127, 234, 93, 132, 58, 172, 150, 176, 152, 400, 379, 397, 288, 361, 323, 454, 356),
    "left brow": (70, 63, 105, 66, 107),
    "right brow": (336, 296, 334, 293, 300),
    "nose bridge": (168, 197, 5, 4),
    "nose base": (98, 97, 2, 326, 327),
    "left eye": (33, 160, 158, 133, 153, 144),
    "right eye": (362, 385, 387, 263, 373, 380),
    "outer lips": (61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91),
    "inner lips": (78, 81, 13, 311, 308, 402, 14, 178),
}
IBUG = tuple(vertex for part in IBUG_PARTS.values() for vertex in part)
IBUG_POINTS = len(IBUG)
POINT_COUNTS = (IBUG_POINTS, mesh.VERTICES)

NEUTRAL_FACE_WEIGHTS = "neutral-face.safetensors"
NEUTRAL_FACE_ARRAY = "face"  # its name in the file


def to_ibug(points: Array) -> Array:
    """Select the 68 points (..., 68, c) of meshes (..., 478, c); return points that are iBUG's already."""
    return points if points.shape[-2] == IBUG_POINTS else points[..., list(IBUG), :]


def to_point_count(points: Array, count: int) -> Array:
    """Convert meshes (..., 478, c) to a number of points: 68 (iBUG) or 478 (the mesh).

    Raises:
        ValueError: there is no format with this number of points.
    """
    if count not in POINT_COUNTS:
        raise ValueError(f"there are {' or '.join(map(str, POINT_COUNTS))} landmarks, not {count}")
    return points if count == mesh.VERTICES else to_ibug(points)


def load_neutral_face() -> F64:
    """Load the shipped neutral face: (478, 3) float64, canonical, symmetric, lips closed.

    Raises:
        WeightsError: the file is missing or damaged.
    """
    from safetensors.numpy import load_file

    from lipdub.weights import verify_shipped

    return load_file(verify_shipped(NEUTRAL_FACE_WEIGHTS))[NEUTRAL_FACE_ARRAY].astype(np.float64)
