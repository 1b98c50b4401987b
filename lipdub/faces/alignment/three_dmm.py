"""The crop that the 3DMM regressor sees: five landmarks brought to where a standard face has them.

Deng, Yang, Xu, Chen, Jia, Tong: "Accurate 3D Face Reconstruction with Weakly-Supervised Learning: From Single
Image to Image Set" (CVPR workshops 2019), whose published code VideoReTalking (2022) carries. The pose is
found by the linear step of POSIT (DeMenthon, Davis 1995) for a scaled orthographic camera.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from lipdub.faces import sampling

SIZE = 224  # pixels
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


class Placement(NamedTuple):
    """Where the standard face lies in a frame; as an array, what a frame's vector carries at its end."""

    width: int
    height: int
    """of the frame in pixels"""
    scale: float
    """from pixels of the frame to pixels of the crop"""
    x: float
    y: float
    """where the standard face's origin is seen, pixels of the frame; y counts upwards from its lowest row"""


def select_five_points(landmarks: np.ndarray) -> np.ndarray:
    """Eyes, nose and corners of the mouth (5, d) of 68 iBUG landmarks (68, d).

    Those on the picture's left come first; an eye is the middle of its two corners.
    """
    p = np.asarray(landmarks, np.float64)
    return np.stack([(p[36] + p[39]) / 2, (p[42] + p[45]) / 2, p[30], p[48], p[54]])


def fit_placement(points: np.ndarray, width: int, height: int) -> Placement:
    """The placement of a face whose five points (5, 2) are these pixels (x right, y down) of a frame.

    width, height: the frame's. Raises ValueError when the points are all at one place.
    """
    x, y = np.asarray(points, np.float64).T
    model = np.column_stack([STANDARD_POINTS, np.ones(5)])
    rows = np.linalg.lstsq(model, np.column_stack([x, height - 1 - y]), rcond=None)[0]
    size = np.linalg.norm(rows[:3], axis=0).mean()
    if size < 1e-6:
        raise ValueError("the five points of a face are all at one place")
    return Placement(width, height, float(PIXELS_PER_UNIT / size), float(rows[3, 0]), float(rows[3, 1]))


def crop(image: np.ndarray, placement: Placement) -> np.ndarray:
    """The regressor's crop uint8 (CROP, CROP, 3) of a frame uint8 (h, w, 3); 0 where it reaches beyond it."""
    width, height = _resized(placement)
    left, top = _corner(placement)
    return sampling.resize_box(image, width, height, (left, top, left + SIZE, top + SIZE))


def to_crop(points: np.ndarray, placement: Placement) -> np.ndarray:
    """Points (..., 2) of the frame as they lie in its `crop`; x right, y down, whole at middles of pixels."""
    return (np.asarray(points) + 0.5) * _scales(placement) - _corner(placement) - 0.5


def to_frame(points: np.ndarray, placement: Placement) -> np.ndarray:
    """Points (..., 2) of the crop as they lie in the frame: the inverse of `to_crop`."""
    return (np.asarray(points) + 0.5 + _corner(placement)) / _scales(placement) - 0.5


# The published code cuts sizes and the corner to whole pixels of the resized frame, towards zero.
def _resized(placement: Placement) -> tuple[int, int]:
    return int(placement.width * placement.scale), int(placement.height * placement.scale)


def _scales(placement: Placement) -> np.ndarray:
    return np.array(_resized(placement)) / [placement.width, placement.height]


def _corner(placement: Placement) -> tuple[int, int]:
    """Left and top of the crop in the resized frame."""
    width, height = _resized(placement)
    left = width / 2 - SIZE / 2 + (placement.x - placement.width / 2) * placement.scale
    top = height / 2 - SIZE / 2 + (placement.height / 2 - placement.y) * placement.scale
    return int(left), int(top)
