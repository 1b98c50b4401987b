"""Landmarks of faces whose lips say something else: the whole mesh, and the 68 points of iBUG (300-W) among
it.

Two geometries: a talker's own, in the pixels of his video (`driven`), and a neutral face, canonical
(`neutral`): distance of the eye centres = 1, origin between the eyes, x to the picture's right, y down, z
away from the camera.
"""

from __future__ import annotations

import numpy as np

# The 68 points of iBUG by the mesh vertex that lies there. "Left" and "right" are the picture's. Jaw, brows
# and nose run from the picture's left to its right; eyes and lips from their left corner along the upper side
# and back along the lower one.
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
"""Mesh vertices of iBUG's points, part by part in iBUG's order: 0-16, 17-21, 22-26, 27-30, 31-35, 36-41,
42-47, 48-59, 60-67."""
IBUG = tuple(vertex for part in IBUG_PARTS.values() for vertex in part)
POINT_COUNTS = (68, 478)

NEUTRAL_FACE_WEIGHTS = "neutral-face.safetensors"
NEUTRAL_FACE_ARRAY = "face"  # name of the array in it


def to_ibug(points: np.ndarray) -> np.ndarray:
    """The 68 points of meshes (..., 478, c): (..., 68, c)."""
    return points[..., list(IBUG), :]


def to_point_count(points: np.ndarray, count: int) -> np.ndarray:
    """Meshes (..., 478, c) as `count` points, of `COUNTS`. ValueError for another number."""
    if count not in POINT_COUNTS:
        raise ValueError(f"there are {' or '.join(map(str, POINT_COUNTS))} landmarks, not {count}")
    return points if count == 478 else to_ibug(points)


def load_neutral_face() -> np.ndarray:
    """The shipped neutral face, float64 (478, 3), canonical, symmetric, lips closed. Raises WeightsError."""
    from safetensors.numpy import load_file

    from lipdub.weights import verify_shipped

    return load_file(verify_shipped(NEUTRAL_FACE_WEIGHTS))[NEUTRAL_FACE_ARRAY].astype(np.float64)
