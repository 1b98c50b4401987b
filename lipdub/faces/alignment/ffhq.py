"""FFHQ crops: the turned square around a face by which the faces that StyleGAN was trained on were cut.

Karras et al., A Style-Based Generator Architecture for Generative Adversarial Networks (CVPR 2019), appendix A. Details
as in the published codes of Cheng et al., VideoReTalking (SIGGRAPH Asia 2022) and Tzaban et al., Stitch it in Time
(SIGGRAPH Asia 2022): no padding, nothing blurred, black beyond the frame.

Corners are (4, 2) pixels of the frame, in the order top left, bottom left, bottom right, top right of the upright face.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import sampling
from lipdub.faces.alignment.base import Alignment

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, Array

SIZE = 256  # pixels of a crop
# Half the square's side, as multiples of the distance of the eyes and of that from eyes to mouth.
_EYES_FACTOR, _MOUTH_FACTOR = 2.0, 1.8
_MIDDLE_SHARE = 0.1  # of the way from eyes to mouth, by which the square's middle lies below that of the eyes
_BORDER_SHARE, _MIN_BORDER_PX = 0.1, 3  # what `compute_padded_bounds` leaves around the corners, of the square's side
_MIN_LENGTH = 1e-6  # pixels between eyes and mouth; closer they are at one place


@dataclass(frozen=True, eq=False)
class FFHQAlignment(Alignment):
    """The turned square around a face.

    Attributes:
        corners: (4, 2) float64 pixels of the frame.
        pixels: side of the crop.
    """

    corners: F64
    pixels: int = SIZE

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the crop, pixels."""
        return self.pixels, self.pixels

    @property
    def matrix(self) -> F64:
        """The map (2, 3) float64 from pixels of the frame to pixels of the crop."""
        turn = np.linalg.inv(self.inverse[:, :2])
        return np.column_stack([turn, -turn @ self.inverse[:, 2]])

    @property
    def inverse(self) -> F64:
        """The map (2, 3) float64 from pixels of the crop to pixels of the frame."""
        top_left, bottom_left, _, top_right = self.corners
        turn = np.column_stack([top_right - top_left, bottom_left - top_left]) / self.pixels
        return np.column_stack([turn, top_left + turn @ (0.5, 0.5)])

    def crop(self, image: Array) -> F32:
        """Cut the crop (pixels, pixels, 3) float32 in 0..255 out of a frame (h, w, 3) uint8.

        A square of four times the size or more is first reduced. The published code cuts the fractions off.
        """
        height, width = image.shape[:2]
        corners, size = self.corners, self.pixels
        shrink = int(measure_side(corners) / size * 0.5)
        if shrink > 1:
            width, height = round(width / shrink), round(height / shrink)
            corners = corners / shrink
        left, top, right, bottom = box = compute_padded_bounds(corners, width, height)
        if left == right or top == bottom:
            return np.zeros((size, size, 3), np.float32)
        if shrink > 1:
            part = sampling.resize_box(image, width, height, box, kernel="lanczos")
        else:
            part = image[top:bottom, left:right]
        a, b, c, d = corners - [left, top]
        across = ((np.arange(size) + 0.5) / size)[None, :, None]
        down = ((np.arange(size) + 0.5) / size)[:, None, None]
        points = a + across * (d - a) + down * (b - a) + across * down * (a - b + c - d)
        return sampling.sample_bilinear(part, points[..., 0], points[..., 1])[0]

    def paste_over(self, image: Array, crop: Array) -> F32:
        """Put a crop (pixels, pixels, 3) over a frame (h, w, 3): float32 (h, w, 3), same range.

        The crop covers the square with a hard edge; outside it the frame is unchanged.
        """
        height, width = image.shape[:2]
        out = image.astype(np.float32)
        left, top, right, bottom = compute_padded_bounds(self.corners, width, height)
        x, y = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
        k = fit_projection(self.corners, len(crop))
        depth = k[6] * x + k[7] * y + 1
        pixels, is_inside = sampling.sample_bilinear(
            crop, (k[0] * x + k[1] * y + k[2]) / depth - 0.5, (k[3] * x + k[4] * y + k[5]) / depth - 0.5
        )
        out[top:bottom, left:right][is_inside] = pixels[is_inside]
        return out


def align(landmarks: Array, pixels: int = SIZE) -> FFHQAlignment:
    """Align a face by its iBUG landmarks (68, 2). Raises ValueError if eyes and mouth are all at one place."""
    return FFHQAlignment(fit_corners(landmarks), pixels)


def fit_corners(landmarks: Array) -> F64:
    """Fit the square around a face, (4, 2) float64, to iBUG landmarks (68, 2).

    Raises:
        ValueError: eyes and mouth are all at one place.
    """
    p = np.asarray(landmarks, np.float64)
    left, right = p[36:42].mean(0), p[42:48].mean(0)
    eyes, across = (left + right) / 2, right - left
    down = (p[48] + p[54]) / 2 - eyes
    x = across + np.array([down[1], -down[0]])
    length = np.hypot(*x)
    if length < _MIN_LENGTH:
        raise ValueError("eyes and mouth of a face are all at one place")
    x *= max(_EYES_FACTOR * np.hypot(*across), _MOUTH_FACTOR * np.hypot(*down)) / length
    y = np.array([-x[1], x[0]])
    centre = eyes + _MIDDLE_SHARE * down
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def measure_side(corners: F64) -> float:
    """Measure the square's side in pixels."""
    return float(np.hypot(*(corners[3] - corners[0])))


def compute_padded_bounds(corners: F64, width: int, height: int) -> tuple[int, int, int, int]:
    """Return left, top, right, bottom of the part of a frame that holds the square with a border."""
    border = max(round(_BORDER_SHARE * measure_side(corners)), _MIN_BORDER_PX)
    left, top = np.clip(np.floor(corners.min(0)).astype(int) - border, 0, [width, height])
    right, bottom = np.clip(np.ceil(corners.max(0)).astype(int) + border, 0, [width, height])
    return int(left), int(top), int(right), int(bottom)


def fit_projection(corners: F64, size: int = SIZE) -> F64:
    """Fit the eight coefficients (8,) of the projection from frame to crop; the first pixel's centre is at 0.5.

    x' = (k0 x + k1 y + k2) / (k6 x + k7 y + 1), y' = (k3 x + k4 y + k5) / (k6 x + k7 y + 1).
    """
    equations, targets = [], []
    crop_corners = np.array([[0, 0], [0, size], [size, size], [size, 0]], np.float64)
    for (x, y), (u, v) in zip(corners + 0.5, crop_corners, strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        targets += [u, v]
    return np.linalg.solve(np.array(equations), np.array(targets))
