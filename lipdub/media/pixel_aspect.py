"""Pictures whose pixels are far from square are shown to the stages as if they were square.

Detectors and face meshes know faces of natural proportions. Mildly anamorphic pictures, such as those of DV and HDV, do
not disturb them, and stay as they are: each resampling costs some sharpness.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from fractions import Fraction

    from lipdub.arrays import F32, F64

# Pixels up to this much wider than high, or higher than wide, are taken for square.
MAX_MILD_ASPECT = 1.5
MAX_ASPECT = 4.0  # what claims to be more is taken for this


def find_square_size(width: int, height: int, aspect: Fraction | None, turns: int = 0) -> tuple[int, int] | None:
    """Return the size of a picture when its pixels are stretched to squares; None if they are taken for square.

    The shorter side of a pixel is stretched, so no detail is lost.

    Args:
        width: Columns in display orientation.
        height: Rows in display orientation.
        aspect: Width of a stored pixel divided by its height; None if unknown.
        turns: Quarter turns from the stored to the display orientation.
    """
    if not aspect:
        return None
    ratio = float(1 / aspect if turns % 2 else aspect)
    ratio = min(max(ratio, 1 / MAX_ASPECT), MAX_ASPECT)
    if 1 / MAX_MILD_ASPECT <= ratio <= MAX_MILD_ASPECT:
        return None
    return (round(width * ratio), height) if ratio > 1 else (width, round(height / ratio))


def average_cells(values: F32, axis: int, start: int, cells: tuple[int, int], step: float) -> F32:
    """Average values over cells that are longer than one value.

    Args:
        values: (h, w) or (h, w, c), 0 beyond its ends.
        axis: 0 or 1, the axis that the cells divide.
        start: Position of the first value.
        cells: The first cell, and the one after the last. Cell k begins at k times ``step``.
        step: Length of a cell.

    Returns:
        The array with one mean for each cell along the axis.
    """
    count = values.shape[axis]
    edges = np.clip(np.arange(cells[0], cells[1] + 1) * step - start, 0, count)
    whole = np.minimum(edges.astype(int), count - 1)
    moved = np.moveaxis(np.asarray(values, np.float64), axis, 0)
    sums: F64 = np.concatenate([np.zeros_like(moved[:1]), np.cumsum(moved, 0)])
    part = (edges - whole).reshape(-1, *[1] * (values.ndim - 1))
    means = np.diff(sums[whole] + part * moved[whole], axis=0) / step
    return np.ascontiguousarray(np.moveaxis(means, 0, axis), np.float32)
