"""Crops of a whole face that are higher than wide, as the generator of G4G sees them.

Zhang et al., "G4G: A Generic Framework for High Fidelity Talking Face Generation with Fine-grained Intra-modal
Alignment" (2024), section 4.4.1: 416 by 320 pixels with a mouth region of 256 by 256. Here they are the middle columns
of a larger `full_face` crop.
"""

from __future__ import annotations

ZOOM = 39 / 32
"""Height of the crop in sides of the square of `full_face`, which has the same middle: 156 pixels for 128."""

_HEIGHT, _WIDTH = 13, 10  # proportions of the crop


def cut_columns(height: int) -> slice:
    """Return the columns that the crop has of a square of its height, in pixels."""
    breadth = round(height * _WIDTH / _HEIGHT)
    left = (height - breadth) // 2
    return slice(left, left + breadth)
