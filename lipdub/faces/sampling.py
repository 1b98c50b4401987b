"""Sampling of pictures between pixels, in float and with the kernel as wide as the reduction needs.

OpenCV's own functions either let a reduced picture flicker (its cubic resize looks at four pixels however
many go into one) or round positions to a 32nd of a pixel (`remap`). What is here equals Pillow's resize and
transform.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

Kernel = Literal["cubic", "lanczos"]
_REACH = {"cubic": 2.0, "lanczos": 3.0}
# Pillow's weights are whole multiples of one part in this, on which ties between two grey levels depend.
_FINE = 1 << 22


def resize_box(
    image: np.ndarray, width: int, height: int, box: tuple[int, int, int, int], kernel: Kernel = "cubic"
) -> np.ndarray:
    """A box of what a picture would be at width x height pixels; only what the box needs is computed.

    Args:
        image: uint8 (h, w, 3). box: left, top, right, bottom in the resized picture; may reach beyond it.
        kernel: Keys' cubic (a = -0.5) or Lanczos of three lobes.

    Returns:
        uint8 (bottom - top, right - left, 3), 0 outside the picture.
    """
    left, top, right, bottom = box
    across, first = _weights(image.shape[1], width, left, right, kernel)
    down, upper = _weights(image.shape[0], height, top, bottom, kernel)
    part = image[upper : upper + down.shape[1], first : first + across.shape[1]]
    if not part.size:
        return np.zeros((bottom - top, right - left, 3), np.uint8)
    columns = _round_to_byte(np.tensordot(across, part.astype(np.float64), (1, 1)))
    return _round_to_byte(np.tensordot(down, columns, (1, 1))).astype(np.uint8)


def _round_to_byte(values: np.ndarray) -> np.ndarray:
    return np.clip(np.floor(values + 0.5), 0, 255)


def _weights(pixels: int, resized: int, start: int, stop: int, kernel: Kernel) -> tuple[np.ndarray, int]:
    """Weights float64 (stop - start, m) of neighbouring pixels for those resized, and the first neighbour.

    pixels, resized: the picture's lengths before and after; start, stop: the resized pixels wanted. Rows of
    those outside the picture are zero.
    """
    step = pixels / resized
    stretch = max(step, 1.0)
    centre = (np.arange(start, stop) + 0.5) * step
    reach = _REACH[kernel] * stretch
    inside = (centre > 0) & (centre < pixels)
    if not inside.any():
        return np.zeros((stop - start, 0)), 0
    first = max(int(centre[inside][0] - reach), 0)
    last = min(int(np.ceil(centre[inside][-1] + reach)), pixels)
    away = np.abs(np.arange(first, last) + 0.5 - centre[:, None]) / stretch
    weights = np.where(inside[:, None], _cubic(away) if kernel == "cubic" else _lanczos(away), 0)
    total = weights.sum(1, keepdims=True)
    return np.round(weights / np.where(total == 0, 1, total) * _FINE) / _FINE, first


def _cubic(x: np.ndarray) -> np.ndarray:
    near, far = (1.5 * x - 2.5) * x * x + 1, ((2.5 - 0.5 * x) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x: np.ndarray) -> np.ndarray:
    return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)


def sample_bilinear(image: np.ndarray, x: np.ndarray, y: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A picture between its pixels.

    Args:
        image: (h, w, 3). x, y: (...) positions; whole numbers are the middles of pixels.

    Returns:
        float32 (..., 3), 0 outside the picture, whose outermost half pixels repeat their middles; and where
        it is inside, bool (...).
    """
    height, width = image.shape[:2]
    inside = (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
    column, row = np.floor(x), np.floor(y)
    right, below = (x - column)[..., None], (y - row)[..., None]
    c0, c1 = (np.clip(column + d, 0, width - 1).astype(np.intp) for d in (0, 1))
    r0, r1 = (np.clip(row + d, 0, height - 1).astype(np.intp) for d in (0, 1))
    above_mix = image[r0, c0] * (1 - right) + image[r0, c1] * right
    below_mix = image[r1, c0] * (1 - right) + image[r1, c1] * right
    mixed = above_mix * (1 - below) + below_mix * below
    return np.where(inside[..., None], mixed, 0).astype(np.float32), inside
