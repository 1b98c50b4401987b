"""How visible the seam is along the edge of what was replaced in a face. A measure of lipdub's own.

Along a seam brightness changes abruptly, in the same sense over some length of the edge, frame after frame. So the
slope of brightness across the edge is averaged with its sign over each sector of the edge and over time, for every
distance from the edge: texture averages out. What the slope at the edge has above that on both sides of it is the
seam; the median over the sectors, so that a strand of hair or the nostrils do not count.
"""

from __future__ import annotations

import math
import warnings

import cv2
import numpy as np

from lipdub.metrics import regions
from lipdub.metrics.mask_edge import REACH, SECTORS, MaskEdge

BINS = 2 * REACH + 1
_SMOOTH = 0.7  # sigma in units of the smoothing before slopes are taken
_AT_EDGE = 4  # units from the edge within which the seam is looked for: the mesh is no more exact
_BESIDE = (2, 6)  # units from it that are compared with
_LEAST = 8  # pixels a slope is averaged over
_FEWEST = 3  # sectors
#: Above this a seam is to be seen. Measured on real clips: without one alone at most 0.3, but 0.95 once in 22 other pieces
#: (a generated face), against the source at most 0.1; with a step of 14 grey levels that fades within two units at least
#: 0.64 alone and 1.0 against the source.
VISIBLE, VISIBLE_AGAINST_SOURCE = 0.45, 0.5


def measure_slopes(rgb: np.ndarray, edge: MaskEdge) -> np.ndarray:
    """Slopes of brightness across the edge in one frame, float64 (2, SECTORS, BINS): number of pixels and sum of their
    slopes, grey levels per unit, in every sector and at distances -REACH..REACH. Sums of frames may be added up.

    rgb: the whole frame (h, w, 3), uint8 or uint16.
    """
    grey = cv2.GaussianBlur(regions.to_luma(edge.part(rgb)), (0, 0), _SMOOTH * edge.unit)
    x, y = (cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx, scale=edge.unit / 8) for dx in (1, 0))
    place = np.floor(edge.distance + 0.5).astype(np.intp)
    used = edge.counts & (np.abs(place) <= REACH)
    across = (x * edge.inwards[0] + y * edge.inwards[1])[used]
    index = edge.sector[used] * BINS + place[used] + REACH
    size = SECTORS * BINS
    found = [np.bincount(index, minlength=size), np.bincount(index, across, minlength=size)]
    return np.stack(found).astype(np.float64).reshape(2, SECTORS, BINS)


def seam_visibility(result: np.ndarray, source: np.ndarray | None = None) -> float:
    """How visible the seam is, in grey levels per unit, from `slopes` of some frames added up; about 0 or less where there
    is none. `source`: those of the source's frames with the same edges, whose own slopes are then taken away. NaN when
    too little of the edge was seen.
    """
    slope = _means(result)
    if source is not None:
        slope = slope - _means(source)
    strength = np.abs(slope)
    best = math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # of sectors that were not seen
        for k in range(REACH - _AT_EDGE, REACH + _AT_EDGE + 1):
            near, far = _BESIDE
            inside = np.nanmedian(strength[:, k + near : k + far + 1], axis=1)
            outside = np.nanmedian(strength[:, k - far : k - near + 1], axis=1)
            above = strength[:, k] - np.fmax(inside, outside)
            above = above[np.isfinite(above)]
            if len(above) >= _FEWEST:
                best = float(np.fmax(best, np.median(above)))
    return best


def _means(sums: np.ndarray) -> np.ndarray:
    count, total = sums
    return np.where(count >= _LEAST, total / np.maximum(count, 1), np.nan)
