"""CPBD: how much of a picture's edges is too sharp for blur to be noticed.

Narvekar, Karam: "A No-Reference Image Blur Metric Based on the Cumulative Probability of Blur Detection
(CPBD)" (IEEE Transactions on Image Processing 20(9), 2011). Where the paper leaves a choice (edge map,
thresholds, which edges are measured) the one of the common implementations is taken, so that values compare.
"""

from __future__ import annotations

import math

import cv2
import numpy as np

from lipdub.media.pixels import to_eight_bits

BLOCK = 64  # pixels; blocks at the right and bottom that are not full are left out
EDGE_SHARE = 0.002  # of a block's pixels that must be edges for it to count
LOW_CONTRAST = 50.0  # grey levels
NOTICED = (5.0, 3.0)  # edge width at which blur is just noticed, for low and for high contrast; pixels
STEEPNESS = 3.6
DETECTED = 63  # per cent probability at the width where blur is just noticed: 1 - 1/e
# Resolution of the gradients handed to OpenCV's Canny, which takes 16 bit numbers: 4 * 255 * 32 still fits.
_FINE = 32
# Canny's thresholds on Sobel's sums: nearly every ridge of the gradient counts as an edge, noise too.
_CANNY = (0.1, 0.2)


def cpbd(grey: np.ndarray) -> float:
    """Share of edges in 0..1 at which blur is not noticed; more is sharper.

    grey: (h, w) in 0..255, uint8, or float that is rounded. NaN when there is no edge to measure. Raises
    ValueError for more than one channel.
    """
    if grey.ndim != 2:
        raise ValueError(f"a picture of one channel is needed, not one of shape {grey.shape}")
    if min(grey.shape) < BLOCK:
        return math.nan
    rows, columns = (n // BLOCK for n in grey.shape)
    blocks = np.s_[: rows * BLOCK, : columns * BLOCK]
    # Steps of less than a level would make an edge as wide as the tails of its blur.
    picture = np.round(grey).astype(np.float32)
    width = measure_edge_widths(picture)[blocks]
    measured = (width > 0) & np.kron(_edge_blocks(picture[blocks]), np.ones((BLOCK, BLOCK), bool))
    if not measured.any():
        return math.nan
    noticed = np.kron(_noticed(picture[blocks]), np.ones((BLOCK, BLOCK)))
    blur = 1 - np.exp(-((width[measured] / noticed[measured]) ** STEEPNESS))
    return float((np.round(100 * blur) <= DETECTED).mean())


def cpbd_of_rgb(rgb: np.ndarray, box: tuple[int, int, int, int] | None = None) -> float:
    """`cpbd` of RGB (h, w, 3), uint8 or uint16, or of the part of it inside a box x0, y0, x1, y1 (the face's): papers
    give it of crops and of full frames, which are different numbers. NaN for a part of less than one block.
    """
    part = rgb if box is None else rgb[max(0, box[1]) : max(0, box[3]), max(0, box[0]) : max(0, box[2])]
    if min(part.shape[:2]) < BLOCK:
        return math.nan
    part = to_eight_bits(part)
    return cpbd(cv2.cvtColor(part, cv2.COLOR_RGB2GRAY))


def measure_edge_widths(grey: np.ndarray) -> np.ndarray:
    """Widths in pixels, int (h, w), of the upright edges of a float picture (h, w); 0 where none is measured.

    An edge is measured along its row between the two extremes of brightness about it (Marziliano et al.
    2002), where its gradient is within 22.5 degrees of the row. None is measured in the first and the last
    row.
    """
    slope_y, slope_x = np.gradient(grey)
    direction = np.round(np.arctan2(slope_y, slope_x) / (np.pi / 4))
    edges = find_upright_edges(grey)
    edges[[0, -1]] = False
    rising, falling = edges & (direction == 0), edges & (np.abs(direction) == 4)
    step = np.diff(grey, axis=1)
    return np.where(rising, _monotone(step > 0), 0) + np.where(falling, _monotone(step < 0), 0)


def find_upright_edges(grey: np.ndarray) -> np.ndarray:
    """Thin upright edges of a float picture (h, w) by Sobel's filter, bool (h, w)."""
    slope = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8, borderType=cv2.BORDER_REFLECT)
    strength = slope * slope
    strength[strength <= 2 * np.sqrt(strength.mean(dtype=np.float64))] = 0
    around = np.pad(strength, 1)
    along_row = (strength > around[1:-1, :-2]) & (strength > around[1:-1, 2:])
    along_column = (strength > around[:-2, 1:-1]) & (strength > around[2:, 1:-1])
    return along_row | along_column


def _monotone(goes_on: np.ndarray) -> np.ndarray:
    """Pixels, int (h, w), from the end of a slope on the left to that on the right, as seen from each pixel.

    goes_on: bool (h, w - 1), whether the slope goes on from column c to c + 1. A pixel's own neighbours
    belong to its slope, as its gradient is taken between them.
    """
    height, width = goes_on.shape[0], goes_on.shape[1] + 1
    at = np.arange(width)
    # Nearest column on either side at which the slope ends.
    ends = np.concatenate([np.ones((height, 1), bool), ~goes_on, np.ones((height, 1), bool)], 1)
    left = np.maximum.accumulate(np.where(ends[:, :-1], at, 0), axis=1)
    right = np.minimum.accumulate(np.where(ends[:, 1:], at, width)[:, ::-1], axis=1)[:, ::-1]
    before, after = np.maximum(at - 1, 0), np.minimum(at + 1, width - 1)
    return right[:, after] - left[:, before]


def _blocks(picture: np.ndarray) -> np.ndarray:
    """The blocks of a picture as (rows, columns, BLOCK * BLOCK)."""
    rows, columns = (n // BLOCK for n in picture.shape)
    return picture.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2).reshape(rows, columns, -1)


def _edge_blocks(picture: np.ndarray) -> np.ndarray:
    """Which blocks show enough edges to count, bool (rows, columns)."""
    smooth = cv2.GaussianBlur(picture, (0, 0), 1.0, borderType=cv2.BORDER_REFLECT)
    slopes = [cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, scale=_FINE) for dx in (1, 0)]
    x, y = (np.round(slope).astype(np.int16) for slope in slopes)
    edges = cv2.Canny(x, y, _CANNY[0] * _FINE, _CANNY[1] * _FINE, L2gradient=True)
    return (_blocks(edges) > 0).mean(-1) > EDGE_SHARE


def _noticed(picture: np.ndarray) -> np.ndarray:
    """Edge width at which blur is just noticed in each block, (rows, columns)."""
    contrast = np.ptp(_blocks(picture), axis=-1)
    return np.where(contrast <= LOW_CONTRAST, *NOTICED)
