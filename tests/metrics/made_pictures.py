"""Pictures and faces of chance."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F64, U8


def make_pictures(count: int, seed: int, size: int = 72) -> U8:
    """Return pictures (count, size, size + 8, 3)."""
    return np.random.default_rng(seed).integers(0, 256, (count, size, size + 8, 3), dtype=np.uint8)


def make_face(seed: int = 0) -> F64:
    """Return a mesh (478, 3) of points anywhere, but with eyes."""
    points = np.random.default_rng(seed).uniform(50, 150, (478, 3))
    for vertices, x in (((33, 160, 158, 133, 153, 144), 80.0), ((362, 385, 387, 263, 373, 380), 120.0)):
        points[list(vertices), :2] = (x, 90.0)
    return points
