"""Colour step between the replaced region of a face and its surroundings. The measure is lipdub's own.

In every sector of the mask's edge, the mean colour (CIE Lab) of a band inside is compared with that of a band outside.
The bands keep a distance from the edge, which may be soft. The median over sectors is the step. With a source, the same
difference in the source's frame is subtracted first: the rest comes from the dub. Without a source, the trend of the
colour on either side is subtracted. Only the chroma counts then, because light falls unevenly over every face.
"""

from __future__ import annotations

import math
import warnings
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.metrics.edge_sums import EdgeLimits, EdgeSums, find_edge_moments, measure_edge
from lipdub.metrics.evidence import Evidence, Feed, PassSetup
from lipdub.metrics.mask_edge import SECTORS, MaskEdge
from lipdub.metrics.metric import Measurement, Metric, Moment

if TYPE_CHECKING:
    from lipdub.arrays import F64
    from lipdub.metrics.evidence import Image

# Units from the edge, inside and outside: where the step is measured, and the bands beyond that show the trend.
_NEAR, _FAR = (8.0, 16.0), (17.0, 25.0)
_BANDS = (_NEAR, _FAR, (-_NEAR[1], -_NEAR[0]), (-_FAR[1], -_FAR[0]))
# A trend is visible over 9 units on either side and would go on for 24 between the near bands. About half of that is
# used, as a trend prolonged that far is mostly noise.
_TREND = 1.5
_MIN_PIXELS = 30  # fewest pixels of a mean colour
_MIN_SECTORS = 3
#: Units of Lab above which a step is visible. On 34 pieces of real clips without a step, the measure alone gave 0.5 to
#: 8.4. So it shows only plain steps: nine in ten steps of 13 units measure above 9. Against the source it gave at most
#: 0.2.
VISIBLE, VISIBLE_AGAINST_SOURCE = 9.0, 2.0
_LIMITS = EdgeLimits(VISIBLE, VISIBLE_AGAINST_SOURCE)


def measure_bands(rgb: Image, edge: MaskEdge) -> F64:
    """Measure the colours along the edge in one frame. Sums of frames may be added up.

    Args:
        rgb: the whole frame (h, w, 3), uint8 or uint16.
        edge: of the mask.

    Returns:
        (4, SECTORS, 4) float64: for the bands near inside, far inside, near outside and far outside, in every sector,
        the number of pixels and the sums of their L, a and b.
    """
    part = edge.part(rgb)
    lab = cv2.cvtColor(part.astype(np.float32) / np.iinfo(part.dtype).max, cv2.COLOR_RGB2LAB)
    sums = np.empty((len(_BANDS), SECTORS, 4))
    for band, (low, high) in enumerate(_BANDS):
        used = edge.counts & (edge.distance >= low) & (edge.distance <= high)
        index = edge.sector[used]
        sums[band, :, 0] = np.bincount(index, minlength=SECTORS)
        for channel in range(3):
            sums[band, :, 1 + channel] = np.bincount(index, lab[..., channel][used], minlength=SECTORS)
    return sums


def colour_step(result: F64, source: F64 | None = None) -> float:
    """Return the step of colour at the edge.

    Args:
        result: `measure_bands` of some frames, added up.
        source: the same sums of the source's frames, with the same edges.

    Returns:
        Units of Lab: against the source the difference of colour (CIE 1976) that the dub made, alone that of the chroma
        beyond its trend. NaN if too little of the edge is visible.
    """
    near_in, far_in, near_out, far_out = _average_bands(result)
    gap = near_in - near_out
    if source is not None:
        inside, _, outside, _ = _average_bands(source)
        gap = gap - (inside - outside)
    else:
        gap = (gap - _TREND * ((far_in - near_in) + (near_out - far_out)) / 2)[:, 1:]
    is_known = gap[np.isfinite(gap).all(1)]
    return float(np.linalg.norm(np.median(is_known, axis=0))) if len(is_known) >= _MIN_SECTORS else math.nan


def _average_bands(sums: F64) -> F64:
    """Return colours (4 bands, SECTORS, 3), NaN where there are too few pixels."""
    count = sums[..., :1]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.where(count >= _MIN_PIXELS, sums[..., 1:] / count, np.nan)


def observe_bands(setup: PassSetup) -> EdgeSums:
    """Make an observer of the bands."""
    return EdgeSums(measure_bands, setup)


def _measure(evidence: Evidence) -> Measurement:
    return measure_edge(evidence, evidence.get_observer(Feed.RESULT, observe_bands), colour_step, _LIMITS)


def _find_moments(evidence: Evidence) -> list[Moment]:
    sums = evidence.get_observer(Feed.RESULT, observe_bands)
    return find_edge_moments(sums, colour_step, _LIMITS, "colour_step", "colours step by {:.1f}")


METRIC = Metric(
    id="colour_step",
    title="step of colour along the mask's edge",
    region="crop",
    unit="Lab",
    better="lower",
    measure=_measure,
    observers={Feed.RESULT: observe_bands},
    moments=_find_moments,
)
