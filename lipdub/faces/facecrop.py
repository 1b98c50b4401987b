"""Square crops of a face that follow the head and not the mouth: what generators are trained on and draw into.

The square reaches from the forehead to below a dropped jaw and is placed as the crops of `lowerface`, level with the eyes
and steered by the points that speech leaves where they are. So the picture that a network judging lower half faces is given
(paper 003, section 3.4) lies at the same place in every square (`LOWER`), and no crop tells by where it lies whether the
mouth is open. Boxes around all landmarks grow with the jaw, and five-point alignment moves with the corners of the mouth;
both would tell.
"""

from __future__ import annotations

import numpy as np

from . import lowerface

SIDE = 3.0  # of the square, in distances between the eyes
ABOVE = 0.55  # how far its middle lies above that of the lower half face's crop; a jaw may drop by 0.3 before it leaves
# Left, top, right, bottom of the lower half face's crop, in parts of the square's side.
LOWER = (
    0.5 - lowerface.WIDTH / SIDE / 2,
    0.5 + (ABOVE - lowerface.HEIGHT / 2) / SIDE,
    0.5 + lowerface.WIDTH / SIDE / 2,
    0.5 + (ABOVE + lowerface.HEIGHT / 2) / SIDE,
)


def placements(points: np.ndarray, interval: float) -> np.ndarray:
    """Middle (x, y), pixels per distance between the eyes, and roll in radians of the squares of one track: float64
    (n, 4). Arguments and errors as of `lowerface.placements`."""
    out = lowerface.placements(points, interval)
    up = ABOVE * out[:, 2]
    out[:, 0] += np.sin(out[:, 3]) * up
    out[:, 1] -= np.cos(out[:, 3]) * up
    return out


def crop(image: np.ndarray, placement: np.ndarray, side: int, zoom: float = 1.0) -> np.ndarray:
    """The square (side, side, ...) of a frame (h, w, ...) at a placement (4,); beyond the frame its edge is repeated.

    zoom: how many times as much as the square is to be seen.
    """
    return lowerface.crop(image, placement, side, side, zoom * SIDE / lowerface.WIDTH)


def to_crop(points: np.ndarray, placement: np.ndarray, side: int, zoom: float = 1.0) -> np.ndarray:
    """Points (p, 2 or 3) of the frame as they lie in that crop, float64; a third coordinate is scaled alike."""
    x, y, scale, roll = placement
    step = scale * SIDE * zoom / side  # frame pixels a crop pixel
    out = np.array(points, np.float64) / step
    away = out[:, :2] - np.array([x, y]) / step
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
    out[:, :2] = away @ turn.T + (side - 1) / 2
    return out
