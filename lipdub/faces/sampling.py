"""Resampling of pictures between pixels, in float, with a kernel as wide as the reduction needs.

OpenCV's functions either let a reduced picture flicker (its cubic resize looks at four pixels, however many go into
one) or round positions to a 32nd of a pixel (`remap`). The functions here equal Pillow's resize and transform.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, U8, Array, Mask

Kernel = Literal["cubic", "lanczos"]
# Half width of the kernels, in pixels of the smaller picture.
_KERNEL_REACH = {"cubic": 2.0, "lanczos": 3.0}
# Pillow's weights are multiples of one part in this, on which ties between two grey levels depend.
_WEIGHT_STEPS = 1 << 22


def resize_box(image: U8, width: int, height: int, box: tuple[int, int, int, int], kernel: Kernel = "cubic") -> U8:
    """Resize a picture to `width` x `height` pixels, but compute only a box of the result.

    Args:
        image: (h, w, 3) uint8.
        width: of the resized picture in pixels.
        height: of the resized picture in pixels.
        box: left, top, right, bottom in the resized picture; may reach beyond it.
        kernel: Keys' cubic (a = -0.5), or Lanczos of three lobes.

    Returns:
        (bottom - top, right - left, 3) uint8; 0 outside the picture.
    """
    left, top, right, bottom = box
    across, first = _weigh_neighbours(image.shape[1], width, left, right, kernel)
    down, upper = _weigh_neighbours(image.shape[0], height, top, bottom, kernel)
    part = image[upper : upper + down.shape[1], first : first + across.shape[1]]
    if not part.size:
        return np.zeros((bottom - top, right - left, 3), np.uint8)
    columns = _round_to_byte(np.tensordot(across, part.astype(np.float64), (1, 1)))
    return _round_to_byte(np.tensordot(down, columns, (1, 1))).astype(np.uint8)


def _round_to_byte(values: F64) -> F64:
    levels: F64 = np.clip(np.floor(values + 0.5), 0, 255)
    return levels


def _weigh_neighbours(pixels: int, new_pixels: int, start: int, stop: int, kernel: Kernel) -> tuple[F64, int]:
    """Compute the weights of neighbouring pixels for some resized pixels.

    Args:
        pixels: length of the picture.
        new_pixels: length of the resized picture.
        start: first resized pixel.
        stop: resized pixel after the last one.
        kernel: resampling kernel.

    Returns:
        (stop - start, m) float64 weights, 0 in rows of pixels outside the picture; the first neighbour.
    """
    step = pixels / new_pixels
    stretch = max(step, 1.0)
    centre = (np.arange(start, stop) + 0.5) * step
    reach = _KERNEL_REACH[kernel] * stretch
    inside = (centre > 0) & (centre < pixels)
    if not inside.any():
        return np.zeros((stop - start, 0)), 0
    first = max(int(centre[inside][0] - reach), 0)
    last = min(int(np.ceil(centre[inside][-1] + reach)), pixels)
    distance = np.abs(np.arange(first, last) + 0.5 - centre[:, None]) / stretch
    weights = np.where(inside[:, None], _cubic(distance) if kernel == "cubic" else _lanczos(distance), 0)
    total = weights.sum(1, keepdims=True)
    return np.round(weights / np.where(total == 0, 1, total) * _WEIGHT_STEPS) / _WEIGHT_STEPS, first


def _cubic(x: F64) -> F64:
    near, far = (1.5 * x - 2.5) * x * x + 1, ((2.5 - 0.5 * x) * x - 4) * x + 2
    return np.where(x < 1, near, np.where(x < 2, far, 0))


def _lanczos(x: F64) -> F64:
    return np.where(x < 3, np.sinc(x) * np.sinc(x / 3), 0)


def sample_bilinear(image: Array, x: Array, y: Array) -> tuple[F32, Mask]:
    """Sample a picture between its pixels.

    Args:
        image: (h, w, 3).
        x: (...) positions; whole numbers are pixel centres.
        y: (...) positions.

    Returns:
        (..., 3) float32, 0 outside the picture, whose outermost half pixels repeat their centres; (...) bool, inside
        the picture.
    """
    height, width = image.shape[:2]
    inside = (x >= -0.5) & (x < width - 0.5) & (y >= -0.5) & (y < height - 0.5)
    column, row = np.floor(x), np.floor(y)
    right, below = (x - column)[..., None], (y - row)[..., None]
    c0, c1 = (np.clip(column + d, 0, width - 1).astype(np.intp) for d in (0, 1))
    r0, r1 = (np.clip(row + d, 0, height - 1).astype(np.intp) for d in (0, 1))
    upper_mix = image[r0, c0] * (1 - right) + image[r0, c1] * right
    lower_mix = image[r1, c0] * (1 - right) + image[r1, c1] * right
    mix = upper_mix * (1 - below) + lower_mix * below
    return np.where(inside[..., None], mix, 0).astype(np.float32), inside
