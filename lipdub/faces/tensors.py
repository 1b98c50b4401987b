"""Tensors."""

from __future__ import annotations

import numpy as np


def to_network_input(faces: list[np.ndarray], size: int) -> np.ndarray:
    """Faces (h, w, 3), uint8 or uint16, as a network takes them: float32 (n, 3, size, size) 0..1, channels reversed."""
    import cv2

    resized = [cv2.resize(face, (size, size)).astype(np.float32) / np.iinfo(face.dtype).max for face in faces]
    return np.ascontiguousarray(np.stack(resized)[..., ::-1].transpose(0, 3, 1, 2))
