"""CPBD: how much of a picture's edges is too sharp for blur to be noticed.

Narvekar, Karam: "A No-Reference Image Blur Metric Based on the Cumulative Probability of Blur Detection (CPBD)" (IEEE
Transactions on Image Processing 20(9), 2011). Where the paper leaves a choice (edge map, thresholds, which edges are
measured), the choice of the common implementations is used, so that values are comparable.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.media.pixels import to_eight_bits
from lipdub.metrics.evidence import Evidence, Feed, FrameObservation, PassSetup
from lipdub.metrics.metric import NO_CLOSE_UP, Measurement, Metric, measure_series

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.arrays import F32, F64, I64, Array, Mask
    from lipdub.media.pixels import Box
    from lipdub.metrics.evidence import Image

FACE_COUNT, FRAME_COUNT = 16, 6  # frames of a video that are measured, as faces and whole
BLOCK = 64  # pixels; blocks at the right and bottom that are not full are left out
EDGE_SHARE = 0.002  # of a block's pixels that must be edges for it to count
LOW_CONTRAST = 50.0  # grey levels
NOTICEABLE_WIDTHS = (5.0, 3.0)  # edge width at which blur is just noticed, for low and for high contrast; pixels
STEEPNESS = 3.6
DETECTED = 63  # per cent probability at the width where blur is just noticed: 1 - 1/e
# Resolution of the gradients for OpenCV's Canny, which takes 16 bit numbers: 4 * 255 * 32 still fits.
_FINE = 32
# Canny's thresholds on Sobel's sums: nearly every ridge of the gradient counts as an edge, noise too.
_CANNY = (0.1, 0.2)


def cpbd(grey: Array) -> float:
    """Return the share of edges at which blur is not noticed; more is sharper.

    Args:
        grey: (h, w) in 0..255, uint8, or float that is rounded.

    Returns:
        0..1, NaN if there is no edge to measure.

    Raises:
        ValueError: the picture has more than one channel.
    """
    if grey.ndim != 2:
        raise ValueError(f"a picture of one channel is needed, not one of shape {grey.shape}")
    if min(grey.shape) < BLOCK:
        return math.nan
    rows, columns = (n // BLOCK for n in grey.shape)
    blocks = np.s_[: rows * BLOCK, : columns * BLOCK]
    # steps of less than a level would make an edge as wide as the tails of its blur
    picture = np.round(grey).astype(np.float32)
    width = measure_edge_widths(picture)[blocks]
    is_measured = (width > 0) & np.kron(_find_edge_blocks(picture[blocks]), np.ones((BLOCK, BLOCK), bool))
    if not is_measured.any():
        return math.nan
    noticeable = np.kron(_compute_noticeable_widths(picture[blocks]), np.ones((BLOCK, BLOCK)))
    blur = 1 - np.exp(-((width[is_measured] / noticeable[is_measured]) ** STEEPNESS))
    return float((np.round(100 * blur) <= DETECTED).mean())


def cpbd_of_rgb(rgb: Image, box: Box | None = None) -> float:
    """Return the `cpbd` of a picture or of a part of it.

    Papers give it of crops and of full frames, which are different numbers.

    Args:
        rgb: (h, w, 3) uint8 or uint16.
        box: the part, x0, y0, x1, y1.

    Returns:
        0..1, NaN for a part of less than one block.
    """
    part = rgb if box is None else rgb[max(0, box[1]) : max(0, box[3]), max(0, box[0]) : max(0, box[2])]
    if min(part.shape[:2]) < BLOCK:
        return math.nan
    return cpbd(cv2.cvtColor(to_eight_bits(part), cv2.COLOR_RGB2GRAY))


def measure_edge_widths(grey: F32) -> I64:
    """Measure the widths of the upright edges of a picture.

    An edge is measured along its row between the two extremes of brightness about it (Marziliano et al., "A
    No-Reference Perceptual Blur Metric", ICIP 2002), where its gradient is within 22.5 degrees of the row. None is
    measured in the first and the last row.

    Args:
        grey: (h, w) float.

    Returns:
        (h, w) int, pixels, 0 where no edge is measured.
    """
    slope_y, slope_x = np.gradient(grey)
    direction = np.round(np.arctan2(slope_y, slope_x) / (np.pi / 4))
    edges = find_upright_edges(grey)
    edges[[0, -1]] = False
    is_rising, is_falling = edges & (direction == 0), edges & (np.abs(direction) == 4)
    step = np.diff(grey, axis=1)
    widths: I64 = np.where(is_rising, _measure_slope_widths(step > 0), 0) + np.where(
        is_falling, _measure_slope_widths(step < 0), 0
    )
    return widths


def find_upright_edges(grey: F32) -> Mask:
    """Find the thin upright edges of a float picture (h, w) by Sobel's filter: bool (h, w)."""
    slope = cv2.Sobel(grey, cv2.CV_32F, 1, 0, scale=1 / 8, borderType=cv2.BORDER_REFLECT)
    strength = slope * slope
    strength[strength <= 2 * np.sqrt(strength.mean(dtype=np.float64))] = 0
    around = np.pad(strength, 1)
    along_row = (strength > around[1:-1, :-2]) & (strength > around[1:-1, 2:])
    along_column = (strength > around[:-2, 1:-1]) & (strength > around[2:, 1:-1])
    edges: Mask = along_row | along_column
    return edges


def _measure_slope_widths(continues: Mask) -> I64:
    """Return the pixels from the end of a slope on the left to that on the right, for each pixel: int (h, w).

    A pixel's own neighbours belong to its slope, as its gradient is taken between them.

    Args:
        continues: (h, w - 1) bool, whether the slope continues from column c to c + 1.
    """
    height, width = continues.shape[0], continues.shape[1] + 1
    columns = np.arange(width)
    # the nearest column on either side at which the slope ends
    ends = np.concatenate([np.ones((height, 1), bool), ~continues, np.ones((height, 1), bool)], 1)
    left = np.maximum.accumulate(np.where(ends[:, :-1], columns, 0), axis=1)
    right = np.minimum.accumulate(np.where(ends[:, 1:], columns, width)[:, ::-1], axis=1)[:, ::-1]
    previous, following = np.maximum(columns - 1, 0), np.minimum(columns + 1, width - 1)
    widths: I64 = right[:, following] - left[:, previous]
    return widths


def _split_blocks(picture: Array) -> Array:
    """Return the blocks of a picture as (rows, columns, BLOCK * BLOCK)."""
    rows, columns = (n // BLOCK for n in picture.shape)
    return picture.reshape(rows, BLOCK, columns, BLOCK).swapaxes(1, 2).reshape(rows, columns, -1)


def _find_edge_blocks(picture: F32) -> Mask:
    """Return which blocks show enough edges to count: bool (rows, columns)."""
    smooth = cv2.GaussianBlur(picture, (0, 0), 1.0, borderType=cv2.BORDER_REFLECT)
    slopes = [cv2.Sobel(smooth, cv2.CV_32F, dx, 1 - dx, scale=_FINE) for dx in (1, 0)]
    x, y = (np.round(slope).astype(np.int16) for slope in slopes)
    edges = cv2.Canny(x, y, _CANNY[0] * _FINE, _CANNY[1] * _FINE, L2gradient=True)
    is_busy: Mask = (_split_blocks(edges) > 0).mean(-1) > EDGE_SHARE
    return is_busy


def _compute_noticeable_widths(picture: F32) -> F64:
    """Return the edge width at which blur is just noticed in each block: (rows, columns)."""
    contrast = np.ptp(_split_blocks(picture), axis=-1)
    return np.where(contrast <= LOW_CONTRAST, *NOTICEABLE_WIDTHS)


def pick_evenly(numbers: Sequence[int], count: int) -> frozenset[int]:
    """Pick at most `count` of some numbers, evenly spread."""
    places = np.linspace(0, len(numbers) - 1, min(count, len(numbers))).round().astype(int)
    return frozenset(numbers[i] for i in places)


class FaceCpbd:
    """Observer that measures some of the close-ups: CPBD takes more time than all other metrics together.

    Args:
        setup: of the pass.
    """

    def __init__(self, setup: PassSetup) -> None:
        self.times: list[float] = []
        self.values: list[float] = []
        """NaN for close-ups that are not measured"""
        self._numbers = pick_evenly(setup.sampled, FACE_COUNT)

    def add(self, frame: FrameObservation, /) -> None:
        """Add a frame, if it has a close-up."""
        if frame.close_up is not None:
            self.times.append(frame.time)
            self.values.append(cpbd_of_rgb(frame.close_up.rgb) if frame.index in self._numbers else math.nan)


class FrameCpbd:
    """Observer that measures some whole frames.

    Args:
        setup: of the pass.
    """

    def __init__(self, setup: PassSetup) -> None:
        self.times: list[float] = []
        self.values: list[float] = []
        self._numbers = pick_evenly(setup.sampled, FRAME_COUNT)

    def add(self, frame: FrameObservation, /) -> None:
        """Add a frame, if it is to be measured."""
        if frame.index in self._numbers:
            self.times.append(frame.time)
            self.values.append(cpbd_of_rgb(frame.picture.rgb()))


def _measure_faces(evidence: Evidence) -> Measurement:
    series = evidence.get_observer(Feed.RESULT, FaceCpbd)
    missing = "no face of 64 pixels and more with an edge to measure" if series.times else NO_CLOSE_UP
    return measure_series(series.times, series.values, evidence.windows, missing=missing)


def _measure_frames(evidence: Evidence) -> Measurement:
    series = evidence.get_observer(Feed.RESULT, FrameCpbd)
    return measure_series(series.times, series.values, evidence.windows, missing="no frame has an edge to measure")


FACE_METRIC = Metric(
    id="cpbd",
    title="CPBD sharpness of the face",
    region="crop",
    unit="",
    better="higher",
    measure=_measure_faces,
    observers={Feed.RESULT: FaceCpbd},
)
FRAME_METRIC = Metric(
    id="cpbd_frame",
    title="CPBD sharpness of the whole frame",
    region="frame",
    unit="",
    better="higher",
    measure=_measure_frames,
    observers={Feed.RESULT: FrameCpbd},
)
