"""The input crop of the 3DMM regressor: five landmarks at the places that a standard face has.

Deng et al., Accurate 3D Face Reconstruction with Weakly-Supervised Learning: From Single Image to Image Set (CVPR
workshops 2019), whose published code Cheng et al., VideoReTalking (SIGGRAPH Asia 2022) carries. The linear step of
POSIT (DeMenthon and Davis, 1995) finds the pose, for a scaled orthographic camera.
"""

from __future__ import annotations

from dataclasses import astuple, dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import sampling
from lipdub.faces.alignment.base import Alignment

if TYPE_CHECKING:
    from lipdub.arrays import F64, U8, Array

SIZE = 224  # pixels of a crop
PIXELS_PER_UNIT = 102.0  # pixels of the crop that one unit of the standard face takes
# Eyes, nose and corners of the mouth, those on the picture's left first, of the standard face: x right, y up,
# z towards the camera, in decimetres. From similarity_Lm3D_all.mat of Deep3DFaceRecon_pytorch (MIT), which
# derives from the Basel Face Model, itself for research only.
STANDARD_POINTS = np.array(
    [
        [-0.311486572, 0.2903607786, 0.1337795258],
        [0.3097988665, 0.2897203565, 0.1317952573],
        [0.0032534988, -0.0461793244, 0.5524424314],
        [-0.2521692812, -0.3813391626, 0.2240573168],
        [0.2484661937, -0.3812823594, 0.2223576903],
    ]
)
_MIN_SIZE = 1e-6  # pixels per unit; a smaller face is a point


@dataclass(frozen=True)
class StandardFaceAlignment(Alignment):
    """Where the standard face lies in a frame.

    The published code cuts sizes and the corner to whole pixels of the resized frame, towards zero.

    Attributes:
        frame_width: pixels.
        frame_height: pixels.
        scale: from pixels of the frame to pixels of the crop.
        x: of the standard face's origin, pixels of the frame.
        y: of the standard face's origin, pixels of the frame, counted upwards from its lowest row.
    """

    frame_width: int
    frame_height: int
    scale: float
    x: float
    y: float

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the crop, pixels."""
        return SIZE, SIZE

    @property
    def matrix(self) -> F64:
        """The map (2, 3) float64 from pixels of the frame to pixels of the crop."""
        across, down = self._scales
        x, y = self.to_crop(np.zeros(2))
        return np.array([[across, 0, x], [0, down, y]])

    @property
    def row(self) -> F64:
        """The five numbers (5,) that a frame's vector of coefficients carries at its end."""
        return np.array(astuple(self))

    def crop(self, image: Array) -> U8:
        """Cut the crop (SIZE, SIZE, 3) uint8 out of a frame (h, w, 3) uint8; it is black beyond the frame."""
        left, top = self._corner
        return sampling.resize_box(image, *self._resized, (left, top, left + SIZE, top + SIZE))

    def to_crop(self, points: Array) -> F64:
        """Map points (..., 2) of the frame to the crop."""
        return (np.asarray(points) + 0.5) * self._scales - self._corner - 0.5

    def to_frame(self, points: Array) -> F64:
        """Map points (..., 2) of the crop to the frame."""
        return (np.asarray(points) + 0.5 + self._corner) / self._scales - 0.5

    @property
    def _resized(self) -> tuple[int, int]:
        """Width and height of the resized frame, pixels."""
        return int(self.frame_width * self.scale), int(self.frame_height * self.scale)

    @property
    def _scales(self) -> F64:
        return np.array(self._resized) / [self.frame_width, self.frame_height]

    @property
    def _corner(self) -> tuple[int, int]:
        """Left and top of the crop in the resized frame."""
        width, height = self._resized
        left = width / 2 - SIZE / 2 + (self.x - self.frame_width / 2) * self.scale
        top = height / 2 - SIZE / 2 + (self.frame_height / 2 - self.y) * self.scale
        return int(left), int(top)


def align(points: Array, width: int, height: int) -> StandardFaceAlignment:
    """Align a face by its five points.

    Args:
        points: (5, 2) pixels of the frame, in the order of `STANDARD_POINTS`.
        width: of the frame, pixels.
        height: of the frame, pixels.

    Raises:
        ValueError: the points are all at one place.
    """
    x, y = np.asarray(points, np.float64).T
    model = np.column_stack([STANDARD_POINTS, np.ones(len(STANDARD_POINTS))])
    rows = np.linalg.lstsq(model, np.column_stack([x, height - 1 - y]), rcond=None)[0]
    size = np.linalg.norm(rows[:3], axis=0).mean()
    if size < _MIN_SIZE:
        raise ValueError("the five points of a face are all at one place")
    return StandardFaceAlignment(width, height, float(PIXELS_PER_UNIT / size), float(rows[3, 0]), float(rows[3, 1]))
