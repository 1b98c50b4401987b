"""The mask `box`: the lower half of the face's bounding box, as Wav2Lip hides it.

Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild" (ACM Multimedia 2020).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import mesh
from lipdub.faces.masks.shape import MaskShape

if TYPE_CHECKING:
    from lipdub.arrays import U8, Array


def draw_box(landmarks: Array, height: int, width: int) -> U8:
    """Draw the lower half of the bounding box of a face (478, 2 or 3) in pixels: (height, width) uint8, 1 inside."""
    oval = np.asarray(landmarks, np.float64)[list(mesh.OVAL), :2]
    (left, top), (right, bottom) = oval.min(0), oval.max(0)
    middle = (top + bottom) / 2
    limits = np.array([height, height, width, width])
    first_row, end_row, first_column, end_column = np.clip(
        [round(middle), round(bottom) + 1, round(left), round(right) + 1], 0, limits
    )
    mask = np.zeros((height, width), np.uint8)
    mask[first_row:end_row, first_column:end_column] = 1
    return mask


MASK = MaskShape("box", "The lower half of the face's bounding box, as in Wav2Lip.", draw_box)
