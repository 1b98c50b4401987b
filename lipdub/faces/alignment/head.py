"""Upright square crops that follow a head smoothly, as wide as FFHQ's: what VideoReTalking's D-Net redraws.

Cheng et al. (SIGGRAPH Asia 2022) cut a whole clip with the upright box of one frame's FFHQ square, so a head that moves
leaves it. Here the box moves and grows with the head, slowly enough that the head still moves within it.

Boxes are whole pixels of the frame and may reach beyond it, so a crop goes back to exactly where it was taken.
"""

from __future__ import annotations

import cv2
import numpy as np

from lipdub.faces import smoothing
from lipdub.faces.alignment import ffhq

SIZE = 256  # pixels of a crop
# Half a second of a head's path is averaged: its shaking stays in the crop, its walking does not.
SIGMA_SECONDS = 0.25


def fit_squares(landmarks: np.ndarray) -> np.ndarray:
    """Middle and side of the FFHQ square around each face: float64 (n, 3), NaN where it is not seen.

    landmarks: (n, 68, 2) iBUG points, NaN where a face is not seen.
    """
    out = np.full((len(landmarks), 3), np.nan)
    for i in np.flatnonzero(np.isfinite(landmarks[:, 0, 0])):
        corners = ffhq.fit_corners(landmarks[i])
        out[i] = *corners.mean(0), ffhq.measure_side(corners)
    return out


def fit_boxes(squares: np.ndarray, interval: float) -> np.ndarray:
    """Left, top, right, bottom of square crops that follow these squares (n, 3) of one track: int32 (n, 4).

    Empty where the face is not seen. interval: seconds between frames.
    """
    seen = np.isfinite(squares[:, 0])
    out = np.zeros((len(squares), 4), np.int32)
    if not seen.any():
        return out
    at = np.arange(len(squares))
    whole = np.column_stack([np.interp(at, at[seen], column[seen]) for column in squares.T])
    path = smoothing.gaussian_filter(whole, SIGMA_SECONDS / interval)
    half = np.maximum(np.round(path[:, 2:] / 2), 1)
    middle = np.round(path[:, :2])
    out[seen] = np.concatenate([middle - half, middle + half], axis=1)[seen]
    return out


def resize(image: np.ndarray, size: int = SIZE) -> np.ndarray:
    """A square picture (n, n, 3) at another size, without flicker where it becomes smaller."""
    way = cv2.INTER_AREA if size < len(image) else cv2.INTER_CUBIC
    return cv2.resize(image, (size, size), interpolation=way)


def to_crop(points: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Points (..., 2) of the frame as they lie in the crop of a box; whole numbers are the middles of pixels."""
    return (np.asarray(points, np.float64) + 0.5 - box[:2]) * (SIZE / (box[2] - box[0])) - 0.5


def crop_box(crop: np.ndarray, box: np.ndarray, wanted: np.ndarray, size: int) -> np.ndarray:
    """Another box of the frame, as seen in a crop: (size, size, 3), the box stretched to a square.

    Args:
        crop: (SIZE, SIZE, 3), of `box`. wanted: left, top, right, bottom in the frame. Beyond the crop its edge is repeated.
    """
    scale = SIZE / (box[2] - box[0])
    across, down = (wanted[2:] - wanted[:2]) * scale / size
    left, top = (wanted[:2] - box[:2]) * scale
    # from the middles of the wanted pixels to those of the crop
    matrix = np.array([[across, 0, left + across / 2 - 0.5], [0, down, top + down / 2 - 0.5]])
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(crop, matrix, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
