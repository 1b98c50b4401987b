"""Square crops of a whole face whose lower half is exactly the crop of `lowerface`: what the generators of paper 003 redraw
and its AVSyncNet looks at. They follow the head and not the jaw, so the crop does not tell how far the mouth is open.

Boxes around all landmarks grow with the jaw, and five-point alignment moves with the corners of the mouth; both would tell.
"""

from __future__ import annotations

import numpy as np

from . import lowerface

SIDE = lowerface.WIDTH  # of the square, in distances between the eyes


def placements(points: np.ndarray, interval: float) -> np.ndarray:
    """Middle (x, y), pixels per distance between the eyes, and roll in radians of the crops of one track: float64 (n, 4).

    points, interval: as in `lowerface.placements`. ValueError when the face is never seen.
    """
    found = lowerface.placements(points, interval)
    up = found[:, 2] * (SIDE - lowerface.HEIGHT) / 2
    found[:, 0] += up * np.sin(found[:, 3])
    found[:, 1] -= up * np.cos(found[:, 3])
    return found


def crop(image: np.ndarray, placement: np.ndarray, pixels: int, zoom: float = 1.0) -> np.ndarray:
    """The crop (pixels, pixels, ...) of a frame (h, w, ...); beyond the frame its edge is repeated.

    zoom: how many times as much as the square is to be seen.
    """
    return lowerface.crop(image, placement, pixels, pixels, zoom)


def to_crop(points: np.ndarray, placements: np.ndarray, pixels: int, zoom: float = 1.0) -> np.ndarray:
    """Points (n, p, 2 or 3) of frames as they lie in their crops (n, p, 2); whole numbers are the middles of pixels."""
    x, y, scale, roll = placements.T[:, :, None]
    step = scale * SIDE * zoom / pixels
    dx, dy = points[..., 0] - x, points[..., 1] - y
    cos, sin = np.cos(roll), np.sin(roll)
    return np.stack([cos * dx + sin * dy, cos * dy - sin * dx], -1) / step[..., None] + (pixels - 1) / 2
