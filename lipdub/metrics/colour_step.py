"""Whether what was replaced in a face has another colour than what lies around it. A measure of lipdub's own.

In every sector of the mask's edge the mean colours (CIE Lab) of a band inside and of one outside are compared, clear of
the edge itself, which may be soft. The median over sectors is the step. With a source, the same difference in the
source's frame is taken away first: what remains was made by the dub. Without one, the trend of the colour on either side
is taken away, and only the chroma counts: light falls unevenly over every face.
"""

from __future__ import annotations

import math
import warnings

import cv2
import numpy as np

from lipdub.metrics.mask_edge import SECTORS, MaskEdge

# Units from the edge, inside and outside: where the step is measured, and the bands beyond that show the trend.
_NEAR, _FAR = (8.0, 16.0), (17.0, 25.0)
_BANDS = (_NEAR, _FAR, (-_NEAR[1], -_NEAR[0]), (-_FAR[1], -_FAR[0]))
# A trend is seen over 9 units on either side and would go on for 24 between the near bands; about half of that is taken,
# as a trend prolonged that far is mostly noise.
_TREND = 1.5
_LEAST = 30  # pixels a colour is averaged over
_FEWEST = 3  # sectors
#: Above this a step is to be seen. Measured on 34 pieces of real clips without one: alone 0.5 to 8.4, so that only a plain
#: one is told from nature (of steps of 13 units nine in ten are above 9); against the source at most 0.2.
VISIBLE, VISIBLE_AGAINST_SOURCE = 9.0, 2.0


def measure_bands(rgb: np.ndarray, edge: MaskEdge) -> np.ndarray:
    """Colours along the edge in one frame, float64 (4, SECTORS, 4): of the bands near inside, far inside, near outside
    and far outside, in every sector, the number of pixels and the sums of their L, a and b. Sums of frames may be added
    up. rgb: the whole frame (h, w, 3), uint8 or uint16.
    """
    part = edge.part(rgb)
    lab = cv2.cvtColor(part.astype(np.float32) / np.iinfo(part.dtype).max, cv2.COLOR_RGB2LAB)
    out = np.empty((len(_BANDS), SECTORS, 4))
    for band, (low, high) in enumerate(_BANDS):
        used = edge.counts & (edge.distance >= low) & (edge.distance <= high)
        index = edge.sector[used]
        out[band, :, 0] = np.bincount(index, minlength=SECTORS)
        for channel in range(3):
            out[band, :, 1 + channel] = np.bincount(index, lab[..., channel][used], minlength=SECTORS)
    return out


def colour_step(result: np.ndarray, source: np.ndarray | None = None) -> float:
    """The step in units of Lab, from `bands` of some frames added up: against the source's of the same edges the
    difference of colour (CIE 1976) that the dub made, alone that of the chroma beyond its trend. NaN when too little of
    the edge was seen.
    """
    near_in, far_in, near_out, far_out = _means(result)
    gap = near_in - near_out
    if source is not None:
        inside, _, outside, _ = _means(source)
        gap = gap - (inside - outside)
    else:
        gap = (gap - _TREND * ((far_in - near_in) + (near_out - far_out)) / 2)[:, 1:]
    seen = gap[np.isfinite(gap).all(1)]
    return float(np.linalg.norm(np.median(seen, axis=0))) if len(seen) >= _FEWEST else math.nan


def _means(sums: np.ndarray) -> np.ndarray:
    """Colours (4 bands, SECTORS, 3), NaN where too few pixels were seen."""
    count = sums[..., :1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.where(count >= _LEAST, sums[..., 1:] / count, np.nan)
