"""Crops by five landmarks, as the face restorers take them: GPEN's, and facexlib's for GFPGAN and its like.

The five points are eyes, nose and corners of the mouth, those on the picture's left first: (5, 2) pixels.
GPEN: Yang et al., GAN Prior Embedded Network for Blind Face Restoration in the Wild (CVPR 2021), with the template of
ArcFace: Deng et al., ArcFace: Additive Angular Margin Loss for Deep Face Recognition (CVPR 2019). GFPGAN: Wang et al.,
Towards Real-World Blind Face Restoration with Generative Facial Prior (CVPR 2021). Numbers are of the published codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.faces.alignment.base import Alignment

if TYPE_CHECKING:
    from lipdub.arrays import F64, Array

SIZE = 512  # pixels of a crop
_ARCFACE_WIDTH, _ARCFACE_HEIGHT = 96, 112  # pixels of the crop that ArcFace's template is of
_ARCFACE_TEMPLATE = np.array(
    [
        [30.29459953, 51.69630051],
        [65.53179932, 51.50139999],
        [48.02519989, 71.73660278],
        [33.54930115, 92.3655014],
        [62.72990036, 92.20410156],
    ]
)
# GPEN makes the crop square and adds a quarter of its side all around.
GPEN_TEMPLATE = (
    (_ARCFACE_TEMPLATE + np.array([(_ARCFACE_HEIGHT - _ARCFACE_WIDTH) / 2 + _ARCFACE_HEIGHT / 4, _ARCFACE_HEIGHT / 4]))
    * SIZE
    / (_ARCFACE_HEIGHT * 1.5)
)
FACEXLIB_TEMPLATE = np.array(
    [
        [192.98138, 239.94708],
        [318.90277, 240.1936],
        [256.63416, 314.01935],
        [201.26117, 371.41043],
        [313.08905, 371.15118],
    ]
)
FACEXLIB_BORDER = (132, 133, 135)  # RGB that facexlib fills with where the crop reaches beyond the frame
_MIN_SPREAD = 1e-12  # squared pixels; points closer to their middle are all at one place


@dataclass(frozen=True, eq=False)
class FivePointAlignment(Alignment):
    """A crop that shows five points of a face at the places of a template.

    Attributes:
        similarity: (2, 3) float64 from pixels of the frame to pixels of the crop.
        pixels: side of the crop.
        border: RGB of the area beyond the frame.
    """

    similarity: F64
    pixels: int = SIZE
    border: tuple[int, int, int] = (0, 0, 0)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the crop, pixels."""
        return self.pixels, self.pixels

    @property
    def matrix(self) -> F64:
        """The map (2, 3) float64 from pixels of the frame to pixels of the crop."""
        return self.similarity

    def crop(self, image: Array) -> Array:
        """Cut the crop (pixels, pixels, 3) out of a frame (h, w, 3)."""
        crop: Array = cv2.warpAffine(image, self.similarity, self.size, flags=cv2.INTER_LINEAR, borderValue=self.border)
        return crop


def align(
    points: Array, template: F64, pixels: int = SIZE, border: tuple[int, int, int] = (0, 0, 0)
) -> FivePointAlignment:
    """Align a face by five points.

    Args:
        points: (5, 2) pixels of the frame.
        template: (5, 2) pixels of the crop, where the points are to lie.
        pixels: side of the crop.
        border: RGB of the area beyond the frame.

    Raises:
        ValueError: the points are all at one place.
    """
    return FivePointAlignment(fit_similarity(points, template), pixels, border)


def select_five_points(landmarks: Array) -> F64:
    """Select eyes, nose and corners of the mouth (5, d) of iBUG landmarks (68, d); an eye lies between its corners."""
    p = np.asarray(landmarks, np.float64)
    return np.stack([(p[36] + p[39]) / 2, (p[42] + p[45]) / 2, p[30], p[48], p[54]])


def fit_similarity(source: Array, target: Array) -> F64:
    """Fit the similarity (2, 3) float64 that takes points (n, 2) nearest to others (Umeyama 1991), as GPEN does.

    Published values differ by some 1e-5 pixels of a crop, as float32 on the way would make them.

    Raises:
        ValueError: the source points are all at one place.
    """
    a, b = (np.asarray(p, np.float64) @ [1, 1j] for p in (source, target))
    spread = a - a.mean()
    size = (np.abs(spread) ** 2).sum()
    if size < _MIN_SPREAD:
        raise ValueError("the points of a face are all at one place")
    # In the complex plane, turning and scaling is one factor.
    turn = (spread.conj() @ (b - b.mean())) / size
    shift = b.mean() - turn * a.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])
