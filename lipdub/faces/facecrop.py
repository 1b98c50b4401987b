"""Square crops of a face that follow the head and not the mouth: what generators are trained on and draw into.

The lower half of the square is the crop of `lowerface`, as wide, level with the eyes and steered by the points that speech
leaves where they are. So a network that judges lower half faces (paper 003, section 3.4) sees of a generated square just
what it was trained on, and no crop tells by where it lies whether the mouth is open. Boxes around all landmarks grow with
a dropping jaw, and five-point alignment moves with the corners of the mouth; both would tell.
"""

from __future__ import annotations

import numpy as np

from . import lowerface

SIDE = lowerface.WIDTH  # of the square, in distances between the eyes


def placements(points: np.ndarray, interval: float) -> np.ndarray:
    """Middle (x, y), pixels per distance between the eyes, and roll in radians of the squares of one track: float64
    (n, 4). Arguments and errors as of `lowerface.placements`."""
    out = lowerface.placements(points, interval)
    up = (SIDE / 2 - lowerface.HEIGHT / 2) * out[:, 2]
    out[:, 0] += np.sin(out[:, 3]) * up
    out[:, 1] -= np.cos(out[:, 3]) * up
    return out


def crop(image: np.ndarray, placement: np.ndarray, side: int, zoom: float = 1.0) -> np.ndarray:
    """The square (side, side, ...) of a frame (h, w, ...) at a placement (4,); beyond the frame its edge is repeated.

    zoom: how many times as much as the square is to be seen.
    """
    return lowerface.crop(image, placement, side, side, zoom)


def to_crop(points: np.ndarray, placement: np.ndarray, side: int, zoom: float = 1.0) -> np.ndarray:
    """Points (p, 2 or 3) of the frame as they lie in that crop, float64; a third coordinate is scaled alike."""
    x, y, scale, roll = placement
    step = scale * SIDE * zoom / side  # frame pixels a crop pixel
    out = np.array(points, np.float64) / step
    away = out[:, :2] - np.array([x, y]) / step
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    out[:, :2] = away @ turn.T + (side - 1) / 2
    return out
