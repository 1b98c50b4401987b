"""Crops by five landmarks, as the face restorers take them: GPEN's, and facexlib's for GFPGAN and its like.

The five are eyes, nose and corners of the mouth, those on the picture's left first, (5, 2) pixels. GPEN: Yang
et al., "GAN Prior Embedded Network for Blind Face Restoration in the Wild" (CVPR 2021), with the template of
ArcFace (Deng et al., CVPR 2019); GFPGAN: Wang et al. (CVPR 2021). Numbers from the published codes.
"""

from __future__ import annotations

import cv2
import numpy as np

SIZE = 512  # pixels of a crop

# ArcFace's template for a crop of 96 x 112 pixels.
_ARCFACE = np.array(
    [
        [30.29459953, 51.69630051],
        [65.53179932, 51.50139999],
        [48.02519989, 71.73660278],
        [33.54930115, 92.3655014],
        [62.72990036, 92.20410156],
    ]
)
# GPEN makes it square and adds a quarter of its side all around.
GPEN_TEMPLATE = (_ARCFACE + [(112 - 96) / 2 + 112 / 4, 112 / 4]) * SIZE / (112 * 1.5)

FACEXLIB_TEMPLATE = np.array(
    [
        [192.98138, 239.94708],
        [318.90277, 240.1936],
        [256.63416, 314.01935],
        [201.26117, 371.41043],
        [313.08905, 371.15118],
    ]
)
# Grey that facexlib fills with where the crop reaches beyond the frame, RGB.
FACEXLIB_BORDER = (132, 133, 135)

# Edge that GPEN's mask keeps clear, its blur's sigma and kernel; pixels of a crop of SIZE.
_CLEAR, _SIGMA, _KERNEL = 20, 11.0, 101


def fit_similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The similarity float64 (2, 3) that takes points (n, 2) nearest to others (Umeyama 1991); GPEN's.

    Published values differ by some 1e-5 pixels of a crop, as float32 on the way would make them. Raises
    ValueError when the source points are all at one place.
    """
    a, b = (np.asarray(p, np.float64) @ [1, 1j] for p in (source, target))
    spread = a - a.mean()
    size = (np.abs(spread) ** 2).sum()
    if size < 1e-12:
        raise ValueError("the points of a face are all at one place")
    # In the complex plane turning and scaling is one factor.
    turn = (spread.conj() @ (b - b.mean())) / size
    shift = b.mean() - turn * a.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def robust_similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The same by least median of squares, which a single wrong point does not move; facexlib's.

    Raises ValueError when none is found.
    """
    matrix = cv2.estimateAffinePartial2D(np.asarray(source), np.asarray(target), method=cv2.LMEDS)[0]
    if matrix is None:
        raise ValueError("no similarity takes these points to those")
    return np.asarray(matrix, np.float64)


def crop(
    image: np.ndarray, matrix: np.ndarray, size: int = SIZE, border: tuple[int, int, int] = (0, 0, 0)
) -> np.ndarray:
    """A frame (h, w, 3) seen through a similarity from frame to crop: (size, size, 3), same type."""
    return cv2.warpAffine(image, matrix, (size, size), flags=cv2.INTER_LINEAR, borderValue=border)


def soft_mask(mask: np.ndarray) -> np.ndarray:
    """A mask (SIZE, SIZE) in 0..1 with its edge cleared and softened, float32: puts GPEN's crop back.

    Of a full mask a fifth is left at the very edge.
    """
    soft = mask.astype(np.float32)
    inner = np.zeros_like(soft)
    inner[_CLEAR:-_CLEAR, _CLEAR:-_CLEAR] = soft[_CLEAR:-_CLEAR, _CLEAR:-_CLEAR]
    for _ in range(2):
        inner = cv2.GaussianBlur(inner, (_KERNEL, _KERNEL), _SIGMA)
    return inner
