"""Visibility of the seam along the edge of the replaced region of a face. The measure is lipdub's own.

Along a seam brightness changes abruptly, in the same sense over some length of the edge, frame after frame. So the
slope of brightness across the edge is averaged with its sign over each sector of the edge and over time, for every
distance from the edge: texture averages out. The seam is the excess of the slope at the edge over the slopes on both
sides. The median over the sectors counts, so that a strand of hair or the nostrils do not.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.metrics import regions
from lipdub.metrics.edge_sums import EdgeLimits, EdgeSums, find_edge_moments, measure_edge
from lipdub.metrics.evidence import Evidence, Feed, PassSetup
from lipdub.metrics.mask_edge import REACH, SECTORS, MaskEdge
from lipdub.metrics.metric import Measurement, Metric, Moment

if TYPE_CHECKING:
    from lipdub.arrays import F64
    from lipdub.metrics.evidence import Image

BINS = 2 * REACH + 1
_SMOOTH = 0.7  # sigma in units of the smoothing before slopes are taken
_AT_EDGE = 4  # units from the edge within which the seam is searched: the mesh is not more exact
_SIDE_UNITS = (2, 6)  # units from the edge, between which the slopes on both sides are measured
_MIN_PIXELS = 8  # fewest pixels of a mean slope
_MIN_SECTORS = 3
#: Grey levels per unit above which a seam is visible. Real clips without a seam gave at most 0.3 alone, but 0.95 once
#: in 22 other pieces (a generated face), and at most 0.1 against the source. A step of 14 grey levels that fades within
#: two units gave at least 0.64 alone and 1.0 against the source.
VISIBLE, VISIBLE_AGAINST_SOURCE = 0.45, 0.5
_LIMITS = EdgeLimits(VISIBLE, VISIBLE_AGAINST_SOURCE)


def measure_slopes(rgb: Image, edge: MaskEdge) -> F64:
    """Measure the slopes of brightness across the edge in one frame. Sums of frames may be added up.

    Args:
        rgb: the whole frame (h, w, 3), uint8 or uint16.
        edge: of the mask.

    Returns:
        (2, SECTORS, BINS) float64: number of pixels and sum of their slopes, grey levels per unit, in every sector and
        at distances -REACH..REACH.
    """
    grey = cv2.GaussianBlur(regions.to_luma(edge.part(rgb)), (0, 0), _SMOOTH * edge.unit)
    x, y = (cv2.Sobel(grey, cv2.CV_32F, dx, 1 - dx, scale=edge.unit / 8) for dx in (1, 0))
    distance = np.floor(edge.distance + 0.5).astype(np.intp)
    used = edge.counts & (np.abs(distance) <= REACH)
    steepness = (x * edge.inwards[0] + y * edge.inwards[1])[used]
    index = edge.sector[used] * BINS + distance[used] + REACH
    size = SECTORS * BINS
    sums = [np.bincount(index, minlength=size), np.bincount(index, steepness, minlength=size)]
    return np.stack(sums).astype(np.float64).reshape(2, SECTORS, BINS)


def seam_visibility(result: F64, source: F64 | None = None) -> float:
    """Return how visible the seam is.

    Args:
        result: `measure_slopes` of some frames, added up.
        source: the same sums of the source's frames, with the same edges. Their slopes are subtracted.

    Returns:
        Grey levels per unit, about 0 or less without a seam; NaN if too little of the edge is visible.
    """
    slope = _average_bands(result)
    if source is not None:
        slope = slope - _average_bands(source)
    strength = np.abs(slope)
    best = math.nan
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # sectors without a pixel
        for k in range(REACH - _AT_EDGE, REACH + _AT_EDGE + 1):
            near, far = _SIDE_UNITS
            inside = np.nanmedian(strength[:, k + near : k + far + 1], axis=1)
            outside = np.nanmedian(strength[:, k - far : k - near + 1], axis=1)
            above = strength[:, k] - np.fmax(inside, outside)
            above = above[np.isfinite(above)]
            if len(above) >= _MIN_SECTORS:
                best = float(np.fmax(best, np.median(above)))
    return best


def _average_bands(sums: F64) -> F64:
    count, total = sums
    return np.where(count >= _MIN_PIXELS, total / np.maximum(count, 1), np.nan)


def observe_slopes(setup: PassSetup) -> EdgeSums:
    """Make an observer of the slopes."""
    return EdgeSums(measure_slopes, setup)


def _measure(evidence: Evidence) -> Measurement:
    return measure_edge(evidence, evidence.get_observer(Feed.RESULT, observe_slopes), seam_visibility, _LIMITS)


def _find_moments(evidence: Evidence) -> list[Moment]:
    sums = evidence.get_observer(Feed.RESULT, observe_slopes)
    return find_edge_moments(sums, seam_visibility, _LIMITS, "seam", "seam of {:.1f} grey levels")


METRIC = Metric(
    id="seam",
    title="visibility of the seam along the mask's edge",
    region="crop",
    unit="grey levels",
    better="lower",
    measure=_measure,
    observers={Feed.RESULT: observe_slopes},
    moments=_find_moments,
)
