"""Faces as input of the published generators."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.arrays import F32, Array


def to_network_input(faces: Sequence[Array], size: int) -> F32:
    """Resize faces and bring them to a network's range and order.

    Args:
        faces: n of (h, w, 3) uint8 or uint16 RGB.
        size: side of the input in pixels.

    Returns:
        (n, 3, size, size) float32 0..1 BGR.
    """
    import cv2

    pictures = [cv2.resize(face, (size, size)).astype(np.float32) / np.iinfo(face.dtype).max for face in faces]
    return np.ascontiguousarray(np.stack(pictures)[..., ::-1].transpose(0, 3, 1, 2))
