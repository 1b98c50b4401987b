"""FFHQ crops: the turned square around a face by which the faces StyleGAN learnt from were cut.

Karras, Laine, Aila: "A Style-Based Generator Architecture for Generative Adversarial Networks" (CVPR 2019),
appendix A. Details as in the published code of VideoReTalking and STIT: no padding, nothing blurred; beyond
the frame is black.

Corners are (4, 2) pixels of the frame, in the order top left, bottom left, bottom right, top right of the
upright face; whole numbers are the middles of pixels.
"""

from __future__ import annotations

import numpy as np

from lipdub.faces import sampling

# Half the square's side, as multiples of the distance of the eyes and of that from eyes to mouth.
_EYES, _MOUTH = 2.0, 1.8
# The square's middle lies below that of the eyes by this share of the way to the mouth.
_DOWN = 0.1
# What `bounds` leaves around the corners: share of the square's side, and least pixels.
_BORDER, _LEAST = 0.1, 3


def fit_corners(landmarks: np.ndarray) -> np.ndarray:
    """The square around a face, float64 (4, 2), from 68 iBUG landmarks (68, 2).

    Raises ValueError when eyes and mouth are all at one place.
    """
    p = np.asarray(landmarks, np.float64)
    left, right = p[36:42].mean(0), p[42:48].mean(0)
    eyes, across = (left + right) / 2, right - left
    down = (p[48] + p[54]) / 2 - eyes
    x = across + [down[1], -down[0]]
    length = np.hypot(*x)
    if length < 1e-6:
        raise ValueError("eyes and mouth of a face are all at one place")
    x *= max(_EYES * np.hypot(*across), _MOUTH * np.hypot(*down)) / length
    y = np.array([-x[1], x[0]])
    centre = eyes + _DOWN * down
    return np.stack([centre - x - y, centre - x + y, centre + x + y, centre + x - y])


def measure_side(corners: np.ndarray) -> float:
    """Length of the square's side in pixels."""
    return float(np.hypot(*(corners[3] - corners[0])))


def padded_bounds(corners: np.ndarray, width: int, height: int) -> tuple[int, int, int, int]:
    """Left, top, right, bottom of the part of a width x height frame that holds the square with a border."""
    border = max(round(_BORDER * measure_side(corners)), _LEAST)
    left, top = np.clip(np.floor(corners.min(0)).astype(int) - border, 0, [width, height])
    right, bottom = np.clip(np.ceil(corners.max(0)).astype(int) + border, 0, [width, height])
    return int(left), int(top), int(right), int(bottom)


def upright_box(corners: np.ndarray, width: int, height: int) -> np.ndarray:
    """The square's own upright box in a width x height frame, float64 (4,): left, top, right, bottom.

    Cut to whole numbers it is the crop that VideoReTalking takes of every frame. It is not square where the
    head leans or the frame ends. The published code cuts its bottom at the frame's width; here it is the
    height.
    """
    low, high = corners.min(0) + 0.5, corners.max(0) + 0.5
    return np.concatenate([np.maximum(low, 0), np.minimum(high, [width, height])])


def crop(image: np.ndarray, corners: np.ndarray, size: int = 256) -> np.ndarray:
    """The square as an upright picture, float32 (size, size, 3) in 0..255, of a frame uint8 (h, w, 3).

    A square of four times the size or more is first reduced. The published code cuts the fractions off.
    """
    height, width = image.shape[:2]
    shrink = int(measure_side(corners) / size * 0.5)
    if shrink > 1:
        width, height = round(width / shrink), round(height / shrink)
        corners = corners / shrink
    left, top, right, bottom = box = padded_bounds(corners, width, height)
    if left == right or top == bottom:
        return np.zeros((size, size, 3), np.float32)
    if shrink > 1:
        part = sampling.resize_box(image, width, height, box, kernel="lanczos")
    else:
        part = image[top:bottom, left:right]
    a, b, c, d = corners - [left, top]
    across = ((np.arange(size) + 0.5) / size)[None, :, None]
    down = ((np.arange(size) + 0.5) / size)[:, None, None]
    at = a + across * (d - a) + down * (b - a) + across * down * (a - b + c - d)
    return sampling.sample_bilinear(part, at[..., 0], at[..., 1])[0]


def fit_projection(corners: np.ndarray, size: int = 256) -> np.ndarray:
    """The eight coefficients (8,) of the projection from frame to crop; the first pixel's middle is at 0.5.

    x' = (k0 x + k1 y + k2) / (k6 x + k7 y + 1), y' = (k3 x + k4 y + k5) / (k6 x + k7 y + 1).
    """
    equations, targets = [], []
    crop_corners = np.array([[0, 0], [0, size], [size, size], [size, 0]], np.float64)
    for (x, y), (u, v) in zip(corners + 0.5, crop_corners, strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        targets += [u, v]
    return np.linalg.solve(np.array(equations), np.array(targets))


def paste(image: np.ndarray, crop: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """A frame (h, w, 3) with a crop (size, size, 3) where its square lies: float32 (h, w, 3), same range.

    The crop covers the square with a hard edge; outside it the frame is as it was.
    """
    height, width = image.shape[:2]
    out = image.astype(np.float32)
    left, top, right, bottom = padded_bounds(corners, width, height)
    x, y = np.meshgrid(np.arange(left, right) + 0.5, np.arange(top, bottom) + 0.5)
    k = fit_projection(corners, len(crop))
    depth = k[6] * x + k[7] * y + 1
    found, inside = sampling.sample_bilinear(
        crop, (k[0] * x + k[1] * y + k[2]) / depth - 0.5, (k[3] * x + k[4] * y + k[5]) / depth - 0.5
    )
    out[top:bottom, left:right][inside] = found[inside]
    return out
