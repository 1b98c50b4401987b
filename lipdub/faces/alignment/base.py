"""Define alignments: a crop's place in a frame, as one value."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I32, Array


class Alignment(ABC):
    """Where a crop lies in a frame: an affine map from pixels of the frame to pixels of the crop, and the crop's size.

    Whole coordinates are the centres of pixels, x to the right and y down, in the frame and in the crop.
    """

    @property
    @abstractmethod
    def size(self) -> tuple[int, int]:
        """Width and height of the crop, pixels."""

    @property
    @abstractmethod
    def matrix(self) -> F64:
        """The map (2, 3) float64 from pixels of the frame to pixels of the crop."""

    @property
    def inverse(self) -> F64:
        """The map (2, 3) float64 from pixels of the crop to pixels of the frame."""
        turn = np.linalg.inv(self.matrix[:, :2])
        return np.column_stack([turn, -turn @ self.matrix[:, 2]])

    @property
    def is_enlarged(self) -> bool:
        """Whether the crop has fewer pixels than the part of the frame it shows, so that `paste` enlarges it."""
        return bool(abs(np.linalg.det(self.matrix[:, :2])) < 1)

    @abstractmethod
    def crop(self, image: Array) -> Array:
        """Cut the crop (height, width, ...) out of a frame (h, w, ...)."""

    def to_crop(self, points: Array) -> F64:
        """Map points (..., 2 or more) of the frame to the crop, (..., 2)."""
        return _map_points(points, self.matrix)

    def to_frame(self, points: Array) -> F64:
        """Map points (..., 2 or more) of the crop to the frame, (..., 2); the inverse of `to_crop`."""
        return _map_points(points, self.inverse)

    def paste(self, crop: Array, height: int, width: int) -> F32:
        """Put a crop back where it lies in a frame.

        Args:
            crop: (crop height, crop width, ...), at most four channels.
            height: of the frame, pixels.
            width: of the frame, pixels.

        Returns:
            (height, width, ...) float32; beyond the crop its edge is repeated. Enlarged crops are sampled cubically.
        """
        flags = (cv2.INTER_CUBIC if self.is_enlarged else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
        source = np.ascontiguousarray(crop, np.float32)
        # With WARP_INVERSE_MAP the matrix goes from the result to the source: here from the frame to the crop.
        pasted = cv2.warpAffine(source, self.matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return np.asarray(pasted, np.float32)


@dataclass(frozen=True)
class SquareAlignment(Alignment):
    """An upright square of whole pixels, which may reach beyond the frame, brought to a fixed size.

    Attributes:
        left: of the square, pixels of the frame.
        top: of the square, pixels of the frame.
        side: of the square, pixels of the frame.
        pixels: side of the crop.
    """

    left: int
    top: int
    side: int
    pixels: int = 256

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the crop, pixels."""
        return self.pixels, self.pixels

    @property
    def box(self) -> I32:
        """Left, top, right and bottom (4,) int32 of the square in the frame."""
        return np.array([self.left, self.top, self.left + self.side, self.top + self.side], np.int32)

    @property
    def matrix(self) -> F64:
        """The map (2, 3) float64 from pixels of the frame to pixels of the crop."""
        scale = self.pixels / self.side
        x, y = self.to_crop(np.zeros(2))
        return np.array([[scale, 0, x], [0, scale, y]])

    def to_crop(self, points: Array) -> F64:
        """Map points (..., 2 or more) of the frame to the crop, (..., 2)."""
        return (_xy(points) + 0.5 - [self.left, self.top]) * (self.pixels / self.side) - 0.5

    def to_frame(self, points: Array) -> F64:
        """Map points (..., 2 or more) of the crop to the frame, (..., 2)."""
        return (_xy(points) + 0.5) * (self.side / self.pixels) - 0.5 + [self.left, self.top]


def _map_points(points: Array, matrix: F64) -> F64:
    mapped: F64 = _xy(points) @ matrix[:, :2].T + matrix[:, 2]
    return mapped


def _xy(points: Array) -> F64:
    return np.asarray(points, np.float64)[..., :2]
