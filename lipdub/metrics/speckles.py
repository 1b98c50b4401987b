"""Speckles of the mouth: spots in colours that the talker's face does not have. The measure is lipdub's own.

Generators that draw a face they do not know leave orange, green or magenta spots on lips and skin. Every colour of the
source's face is a point in the plane of hues (a and b of CIE Lab). A pixel of the mouth is a speckle if hardly any
pixel of that face, sharp or blurred, lies near it. So blur and soft edges are none, other light and shade change the
brightness alone, and freckles, make-up and noise are in the source too.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.faces import mesh
from lipdub.faces.masks import outlines
from lipdub.metrics import regions
from lipdub.metrics.evidence import Evidence, Feed, FrameObservation, PassSetup
from lipdub.metrics.metric import NO_CLOSE_UP, Measurement, Metric, Moment, Need, measure_series

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, Array, Mask
    from lipdub.metrics.evidence import Image

_EYES_PX = 48  # larger faces are reduced to this distance of the eyes, where noise is averaged and spots are not
_MOUTH_GROWN = 1.8  # of the lips' outline
_MIN_MOUTH_PX = 40  # pixels of a mouth that can be measured
_BLURS_PX = (1.5, 4.0)  # sigmas of the blurs that mix the face's colours as soft edges do
_BINS_PER_UNIT = 2  # of the plane of hues
_HUE_RANGE = 128  # units of Lab to either side
_NEAR = 2.5  # units of Lab within which hues are alike
_MIN_SHARE = 1e-3  # of the face's pixels that must lie near a hue
#: Share above which speckles are seen.
VISIBLE = 0.03


def speckles(rgb: Image, source: Image, landmarks: Array) -> float:
    """Measure the share of a mouth's pixels that are speckles, beyond that of the source.

    Args:
        rgb: (h, w, 3) uint8 or uint16, the picture.
        source: (h, w, 3) uint8 or uint16, the same picture before its mouth was changed.
        landmarks: (478, 2 or 3) pixels of both, NaN if no face was found.

    Returns:
        -1..1; NaN without a face, or if its mouth is too small or not in the picture.
    """
    if not np.isfinite(landmarks).all():
        return math.nan
    faces = [_reduce_face(picture, landmarks) for picture in (rgb, source)]
    (own, points), (before, _) = faces
    height, width = own.shape[:2]
    if not (height and width):
        return math.nan
    mouth = regions.fill_hull(points[list(mesh.LIPS_OUTER)], height, width, _MOUTH_GROWN)
    if mouth.sum() < _MIN_MOUTH_PX:
        return math.nan
    mixed = [before, *(cv2.GaussianBlur(before, (0, 0), sigma) for sigma in _BLURS_PX)]
    inside = outlines.draw_face(points, height, width) > 0
    is_known = _find_known_hues([part[inside] for part in mixed])
    shares = [1 - float(is_known[_bin_hues(part[mouth])].mean()) for part in (own, before)]
    return shares[0] - shares[1]


def _reduce_face(rgb: Image, landmarks: Array) -> tuple[F32, F64]:
    """Cut a face out and reduce it. Returns hues (h, w, 2) float32 and the landmarks (478, 2) in its pixels."""
    part = regions.crop_face(rgb, landmarks)
    picture, points = part.rgb.astype(np.float32) / np.iinfo(rgb.dtype).max, part.landmarks
    scale = _EYES_PX / max(regions.measure_eye_distance(points), 1e-6)
    if scale < 1 and picture.size:
        picture = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        points = points * scale
    return (cv2.cvtColor(picture, cv2.COLOR_RGB2LAB)[..., 1:] if picture.size else picture[..., 1:]), points


def _find_known_hues(faces: list[F32]) -> Mask:
    """Find the bins (side, side) that the hues of faces (n, 2) lie in or near."""
    side = 2 * _HUE_RANGE * _BINS_PER_UNIT
    counts = np.zeros((side, side), np.float32)
    for hues in faces:
        np.add.at(counts, _bin_hues(hues), 1)
    reach = round(_NEAR * _BINS_PER_UNIT)
    y, x = np.mgrid[-reach : reach + 1, -reach : reach + 1]
    near = cv2.filter2D(counts, -1, (np.hypot(x, y) <= reach).astype(np.float32), borderType=cv2.BORDER_CONSTANT)
    known: Mask = near >= max(_MIN_SHARE * len(faces[0]), 1) - 0.5
    return known


def _bin_hues(hues: F32) -> tuple[Array, Array]:
    """Return the bins of hues (n, 2), as indices."""
    bins = np.clip((hues + _HUE_RANGE) * _BINS_PER_UNIT, 0, 2 * _HUE_RANGE * _BINS_PER_UNIT - 1).astype(np.intp)
    return bins[:, 0], bins[:, 1]


class SpeckleSeries:
    """Observer that keeps the speckles of each close-up.

    Args:
        setup: of the pass.
    """

    def __init__(self, setup: PassSetup) -> None:
        self.times: list[float] = []
        self.values: list[float] = []

    def add(self, frame: FrameObservation, /) -> None:
        """Add a frame, if it has a close-up and a source."""
        close_up = frame.close_up
        if close_up is None or close_up.source_rgb is None:
            return
        self.times.append(frame.time)
        self.values.append(speckles(close_up.rgb, close_up.source_rgb, close_up.mesh))


def _measure(evidence: Evidence) -> Measurement:
    series = evidence.get_observer(Feed.RESULT, SpeckleSeries)
    note = f"more than in the source; seen above {VISIBLE:g}"
    return measure_series(series.times, series.values, evidence.windows, note, missing=NO_CLOSE_UP)


def _find_moments(evidence: Evidence) -> list[Moment]:
    series = evidence.get_observer(Feed.RESULT, SpeckleSeries)
    return [
        Moment(time, "speckles", value / VISIBLE, f"strange colours on {100 * value:.0f} % of the mouth")
        for time, value in zip(series.times, series.values, strict=True)
        if math.isfinite(value)
    ]


METRIC = Metric(
    id="speckles",
    title="share of the mouth in colours that the talker's face does not have",
    region="mouth",
    unit="",
    better="near zero",
    measure=_measure,
    needs=(Need.SOURCE,),
    observers={Feed.RESULT: SpeckleSeries},
    moments=_find_moments,
    ideal=0.0,
)
