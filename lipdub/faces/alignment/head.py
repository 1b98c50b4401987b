"""Upright square crops that follow a head smoothly, as wide as FFHQ's, which VideoReTalking's D-Net redraws.

Cheng et al., VideoReTalking: Audio-based Lip Synchronization for Talking Head Video Editing In the Wild (SIGGRAPH Asia
2022) cut a whole clip with the upright box of one frame's FFHQ square, so a head that moves leaves it. Here the box
moves and grows with the head, slowly enough that the head still moves within it.

Boxes are whole pixels of the frame and may reach beyond it, so a crop goes back to exactly where it was taken.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np

from lipdub.faces import smoothing
from lipdub.faces.alignment import ffhq
from lipdub.faces.alignment.base import SquareAlignment
from lipdub.media.pixels import crop_padded, to_eight_bits

if TYPE_CHECKING:
    from lipdub.arrays import F64, I32, U8, Array
    from lipdub.media.pixels import Picture

SIZE = 256  # pixels of a crop
# Half a second of a head's path is averaged: its shaking stays in the crop, its walking does not.
SIGMA_SECONDS = 0.25


@dataclass(frozen=True)
class HeadAlignment(SquareAlignment):
    """The square of a frame around a head; beyond the frame its edge is repeated."""

    pixels: int = SIZE

    @classmethod
    def from_box(cls, box: I32) -> Self:
        """Make the alignment of a square box (4,): left, top, right, bottom."""
        left, top, right, _ = (int(v) for v in box)
        return cls(left, top, right - left)

    def crop(self, image: Array) -> Array:
        """Cut the crop (SIZE, SIZE, 3) out of a frame (h, w, 3) RGB; 16 bits become 8."""
        height, width = image.shape[:2]
        rows = np.clip(np.arange(self.top, self.top + self.side), 0, height - 1)
        columns = np.clip(np.arange(self.left, self.left + self.side), 0, width - 1)
        return self._resize(image[rows][:, columns])

    def crop_picture(self, picture: Picture) -> U8:
        """Cut the crop (SIZE, SIZE, 3) uint8 RGB out of a decoded picture."""
        return self._resize(crop_padded(picture, self.box[:2], self.side, self.side))

    def crop_box(self, crop: Array, box: I32, pixels: int) -> Array:
        """Cut another box of the frame out of a crop of this alignment.

        Args:
            crop: (SIZE, SIZE, 3).
            box: (4,) left, top, right, bottom in the frame; beyond the crop its edge is repeated.
            pixels: side of the result; the box is stretched to a square.
        """
        scale = self.pixels / self.side
        across, down = (box[2:] - box[:2]) * scale / pixels
        left, top = (box[:2] - [self.left, self.top]) * scale
        # From the centres of the wanted pixels to those of the crop.
        matrix = np.array([[across, 0, left + across / 2 - 0.5], [0, down, top + down / 2 - 0.5]])
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        part: Array = cv2.warpAffine(crop, matrix, (pixels, pixels), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return part

    def _resize(self, square: Array) -> Array:
        """Resize a square part of the frame, without flicker where it becomes smaller."""
        square = to_eight_bits(square)
        way = cv2.INTER_AREA if self.pixels < len(square) else cv2.INTER_CUBIC
        resized: Array = cv2.resize(square, self.size, interpolation=way)
        return resized


def align(box: I32) -> HeadAlignment:
    """Align a head in a box (4,) of `fit_boxes`."""
    return HeadAlignment.from_box(box)


def fit_squares(landmarks: Array) -> F64:
    """Fit the FFHQ square of each face: (n, 3) float64 of its middle x, y and its side, NaN where it is not seen.

    Args:
        landmarks: (n, 68, 2) iBUG points, NaN where a face is not seen.
    """
    squares = np.full((len(landmarks), 3), np.nan)
    for i in np.flatnonzero(np.isfinite(landmarks[:, 0, 0])):
        corners = ffhq.fit_corners(landmarks[i])
        squares[i] = *corners.mean(0), ffhq.measure_side(corners)
    return squares


def fit_boxes(squares: F64, interval: float) -> I32:
    """Fit square crops that follow the squares (n, 3) of one track.

    Args:
        squares: of `fit_squares`.
        interval: seconds between two frames.

    Returns:
        (n, 4) int32 of left, top, right, bottom; empty where the face is not seen.
    """
    is_seen = np.isfinite(squares[:, 0])
    boxes = np.zeros((len(squares), 4), np.int32)
    if not is_seen.any():
        return boxes
    frames = np.arange(len(squares))
    whole = np.column_stack([np.interp(frames, frames[is_seen], column[is_seen]) for column in squares.T])
    path = smoothing.gaussian_filter(whole, SIGMA_SECONDS / interval)
    half = np.maximum(np.round(path[:, 2:] / 2), 1)
    middle = np.round(path[:, :2])
    boxes[is_seen] = np.concatenate([middle - half, middle + half], axis=1)[is_seen]
    return boxes
