"""Square crops of a whole face whose lower half is exactly the crop of `lowerface`: what the generators of paper 003 redraw
and its AVSyncNet looks at. They follow the head and not the jaw, so the crop does not tell how far the mouth is open.

Boxes around all landmarks grow with the jaw, and five-point alignment moves with the corners of the mouth; both would tell.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces.alignment import lower_face
from lipdub.media.pixels import to_eight_bits

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.media.pixels import Picture

SIDE = lower_face.WIDTH  # of the square, in distances between the eyes


def fit_placements(points: np.ndarray, interval: float) -> np.ndarray:
    """Middle (x, y), pixels per distance between the eyes, and roll in radians of the crops of one track: float64 (n, 4).

    points, interval: as in `lowerface.placements`. ValueError when the face is never seen.
    """
    return fit_placements_blockwise(lambda start, stop: points[start:stop], len(points), interval)


def fit_placements_blockwise(read: Callable[[int, int], np.ndarray], count: int, interval: float) -> np.ndarray:
    """`placements` of a track of any length, as `lowerface.placements_of`."""
    found = lower_face.fit_placements_blockwise(read, count, interval)
    up = found[:, 2] * (SIDE - lower_face.HEIGHT) / 2
    found[:, 0] += up * np.sin(found[:, 3])
    found[:, 1] -= up * np.cos(found[:, 3])
    return found


def crop(image: np.ndarray, placement: np.ndarray, pixels: int, zoom: float = 1.0) -> np.ndarray:
    """The crop (pixels, pixels, ...) of a frame (h, w, ...); beyond the frame its edge is repeated.

    zoom: how many times as much as the square is to be seen.
    """
    return lower_face.crop(image, placement, pixels, pixels, zoom)


def crop_picture(picture: Picture, placement: np.ndarray, pixels: int, zoom: float = 1.0) -> np.ndarray:
    """The crop uint8 (pixels, pixels, 3) RGB of a decoded picture, of which only the part about it is made RGB."""
    x, y = placement[:2]
    around = measure_reach(placement, zoom) * (1 + 4 / pixels) + 4
    left, right = np.clip([x - around, x + around], 0, picture.width).astype(int)
    top, bottom = np.clip([y - around, y + around], 0, picture.height).astype(int)
    right, bottom = max(right, left + 2), max(bottom, top + 2)
    left, top = min(left, picture.width - 2), min(top, picture.height - 2)
    rgb = picture.rgb((left, top, min(right, picture.width), min(bottom, picture.height)))
    return crop(to_eight_bits(rgb), placement - [left, top, 0, 0], pixels, zoom)


def measure_reach(placement: np.ndarray, zoom: float = 1.0) -> np.ndarray:
    """How far the corners of crops at placements (..., 4) are from their middles, along the picture's sides: pixels (...)."""
    scale, roll = placement[..., 2], placement[..., 3]
    return SIDE * zoom * scale / 2 * (abs(np.cos(roll)) + abs(np.sin(roll)))


def paste(crop: np.ndarray, placement: np.ndarray, height: int, width: int) -> np.ndarray:
    """A crop (pixels, pixels, ...) float32 laid back where it was cut out of a picture of that size, float32 (height, width, ...);
    beyond the crop its edge is repeated.
    """
    import cv2

    pixels = crop.shape[0]
    x, y, scale, roll = placement
    step = scale * SIDE / pixels
    turn = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]]) / step
    matrix = np.column_stack([turn, np.full(2, (pixels - 1) / 2) - turn @ (x, y)])
    flags = (cv2.INTER_CUBIC if step > 1 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    given = np.ascontiguousarray(crop, np.float32)
    return cv2.warpAffine(given, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)


def to_crop(points: np.ndarray, placements: np.ndarray, pixels: int, zoom: float = 1.0) -> np.ndarray:
    """Points (n, p, 2 or 3) of frames as they lie in their crops (n, p, 2); whole numbers are the middles of pixels."""
    x, y, scale, roll = placements.T[:, :, None]
    step = scale * SIDE * zoom / pixels
    dx, dy = points[..., 0] - x, points[..., 1] - y
    cos, sin = np.cos(roll), np.sin(roll)
    return np.stack([cos * dx + sin * dy, cos * dy - sin * dx], -1) / step[..., None] + (pixels - 1) / 2
