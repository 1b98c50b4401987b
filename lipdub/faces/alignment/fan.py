"""The input crop of FAN: an upright square around a face whose iBUG points are roughly known.

Bulat and Tzimiropoulos, How far are we from solving the 2D & 3D Face Alignment problem? (ICCV 2017); numbers of its
published code, the `face-alignment` package.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np

from lipdub.faces.alignment.base import SquareAlignment
from lipdub.media.pixels import to_eight_bits

if TYPE_CHECKING:
    from lipdub.arrays import I32, U8, Array
    from lipdub.media.pixels import Picture

SIZE = 256  # pixels of a crop
# A face of whose points the box is so many pixels, width and height together, fills a square of so many.
REFERENCE_SCALE = 195.0
SQUARE = 200.0
RISE = 0.12  # of the points' height, that the square's middle lies above theirs
_MIN_SIDE = 2  # pixels of the square


@dataclass(frozen=True)
class FanAlignment(SquareAlignment):
    """The square of a frame that FAN takes as input; it is black beyond the frame."""

    pixels: int = SIZE

    @classmethod
    def from_box(cls, box: I32) -> Self:
        """Make the alignment of a square box (4,): left, top, right, bottom."""
        left, top, right, _ = (int(v) for v in box)
        return cls(left, top, right - left)

    def crop(self, image: Array) -> U8:
        """Cut the crop (SIZE, SIZE, 3) uint8 out of a frame (h, w, 3) RGB."""
        height, width = image.shape[:2]
        left, top, right, bottom = self._part(width, height)
        return self._finish(image[top:bottom, left:right], width, height)

    def crop_picture(self, picture: Picture) -> U8:
        """Cut the crop (SIZE, SIZE, 3) uint8 RGB out of a decoded picture."""
        part = picture.rgb(self._part(picture.width, picture.height))
        return self._finish(part, picture.width, picture.height)

    def _part(self, width: int, height: int) -> tuple[int, int, int, int]:
        """Left, top, right, bottom of the part of a frame that the square covers; at least a pixel."""
        box = self.box
        low = np.clip(box[:2], 0, [width - 1, height - 1])
        high = np.clip(box[2:], low + 1, [width, height])
        return int(low[0]), int(low[1]), int(high[0]), int(high[1])

    def _finish(self, part: Array, width: int, height: int) -> U8:
        box = self.box
        left, top, right, bottom = self._part(width, height)
        before = np.maximum([left - box[0], top - box[1]], 0)
        after = np.maximum([box[2] - right, box[3] - bottom], 0)
        square = cv2.copyMakeBorder(
            to_eight_bits(part), int(before[1]), int(after[1]), int(before[0]), int(after[0]), cv2.BORDER_CONSTANT
        )
        way = cv2.INTER_AREA if len(square) > SIZE else cv2.INTER_LINEAR
        return np.asarray(cv2.resize(square, (SIZE, SIZE), interpolation=way), np.uint8)


def align(box: I32) -> FanAlignment:
    """Align a face in a box (4,) of `fit_boxes`."""
    return FanAlignment.from_box(box)


def fit_boxes(points: Array) -> I32:
    """Fit the squares that FAN was trained to look at: (n, 4) int32 of left, top, right, bottom.

    Args:
        points: (n, 68, 2) iBUG points, roughly known, pixels.
    """
    points = np.asarray(points, np.float64)
    low, high = points.min(1), points.max(1)
    middle = (low + high) / 2
    middle[:, 1] -= RISE * (high - low)[:, 1]
    side = np.maximum(np.round((high - low).sum(1) * SQUARE / REFERENCE_SCALE), _MIN_SIDE)[:, None]
    corner = np.round(middle + 0.5 - side / 2)
    boxes: I32 = np.concatenate([corner, corner + side], axis=1).astype(np.int32)
    return boxes
