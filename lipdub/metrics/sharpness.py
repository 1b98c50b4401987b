"""Sharpness of the mouth relative to the rest of the face. The measure is lipdub's own.

Blur removes fine detail and leaves coarse detail. So the energies of two octaves of detail are compared in each part of
the face, by differences of Gaussians whose width follows the size of the face. In natural pictures their ratio hardly
depends on what is shown. Dubs are blurred around the mouth; the eyes are the source's own.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import cv2
import numpy as np

from lipdub.faces import mesh
from lipdub.metrics import regions
from lipdub.metrics.evidence import Evidence, Feed, FrameObservation, PassSetup
from lipdub.metrics.metric import NO_CLOSE_UP, Measurement, Metric, Moment, measure_series

if TYPE_CHECKING:
    from lipdub.arrays import F32
    from lipdub.metrics.evidence import Image

# Sigmas of the Gaussians between which the fine and the coarse octave lie, in hundredths of the eye distance.
_SIGMAS = (0.6, 1.2, 2.4)
# Pixels between which a hundredth of the eye distance is clipped: finer detail is not sampled, or only noise.
_SCALE = (0.8, 1.5)
_MIN_SIDE = 8  # pixels of a face
_MOUTH_GROWN, _EYES_GROWN = 1.25, 1.3
_FLOOR = 1e-3  # squared grey levels: less energy is rounding
#: Octaves below which the mouth is blurred. Measured on real clips: -1.0 to -0.1 against the eyes. Blurred by a sigma
#: of 2.2 hundredths of the eyes' distance: -2.5 to -1.6, which is 1.2 to 1.6 less than their source.
BLURRED, BLURRED_AGAINST_SOURCE = -1.2, -0.6


class Sharpness(NamedTuple):
    """Sharpness of the parts of a face: log2 of the energy of fine over that of coarse detail.

    Higher is sharper. NaN if a part is not in the frame or no face was found.
    """

    mouth: float
    cheeks: float
    eyes: float

    @property
    def against_eyes(self) -> float:
        """The mouth's sharpness minus that of the eyes. It is the more reliable measure, as both are full of edges."""
        return self.mouth - self.eyes

    @property
    def against_cheeks(self) -> float:
        """The mouth's sharpness minus that of the cheeks, which show pores in good light and noise in bad light.

        Compare it with the source's value. It does not show that a mask blurs the cheeks as well.
        """
        return self.mouth - self.cheeks


def sharpness(rgb: Image, landmarks: F32) -> Sharpness:
    """Measure the sharpness of one face in a frame.

    Args:
        rgb: (h, w, 3) uint8 or uint16.
        landmarks: (478, 2 or 3) pixels, NaN if no face was found.
    """
    if not np.isfinite(landmarks).all():
        return Sharpness(*(math.nan,) * 3)
    part = regions.crop_face(rgb, landmarks)
    height, width = part.rgb.shape[:2]
    if min(height, width) < _MIN_SIDE:
        return Sharpness(*(math.nan,) * 3)
    scale = float(np.clip(regions.measure_eye_distance(part.landmarks) / 100, *_SCALE))
    grey = regions.to_luma(part.rgb)
    smooth = [cv2.GaussianBlur(grey, (0, 0), sigma * scale) for sigma in _SIGMAS]
    fine, coarse = (np.square(a - b) for a, b in pairwise(smooth))

    def ratio(*parts: tuple[tuple[int, ...], float]) -> float:
        mask = np.zeros((height, width), bool)
        for vertices, grown in parts:
            mask |= regions.fill_hull(part.landmarks[list(vertices)], height, width, grown)
        if not mask.any():
            return math.nan
        return math.log2((float(fine[mask].mean()) + _FLOOR) / (float(coarse[mask].mean()) + _FLOOR))

    return Sharpness(
        ratio((mesh.LIPS_OUTER, _MOUTH_GROWN)),
        ratio((regions.LEFT_CHEEK, 1.0), (regions.RIGHT_CHEEK, 1.0)),
        ratio((regions.LEFT_EYE, _EYES_GROWN), (regions.RIGHT_EYE, _EYES_GROWN)),
    )


class SharpnessSeries:
    """Observer that keeps the sharpness of each close-up.

    Args:
        setup: of the pass.
    """

    def __init__(self, setup: PassSetup) -> None:
        self.has_source = setup.has_source
        self.times: list[float] = []
        self.against_eyes: list[float] = []
        self.against_cheeks: list[float] = []
        self.source_against_eyes: list[float] = []

    def add(self, frame: FrameObservation, /) -> None:
        """Add a frame, if it has a close-up."""
        close_up = frame.close_up
        if close_up is None:
            return
        own, other = sharpness(close_up.rgb, close_up.mesh), close_up.source_rgb
        self.times.append(frame.time)
        self.against_eyes.append(own.against_eyes)
        self.against_cheeks.append(own.against_cheeks)
        self.source_against_eyes.append(sharpness(other, close_up.mesh).against_eyes if other is not None else math.nan)

    @property
    def values(self) -> list[float]:
        """The mouth's sharpness against the eyes; with a source, minus that of the source."""
        if not self.has_source:
            return self.against_eyes
        return [own - source for own, source in zip(self.against_eyes, self.source_against_eyes, strict=True)]

    @property
    def limit(self) -> float:
        """Octaves below which the mouth is blurred."""
        return BLURRED_AGAINST_SOURCE if self.has_source else BLURRED


def _measure_eyes(evidence: Evidence) -> Measurement:
    series = evidence.get_observer(Feed.RESULT, SharpnessSeries)
    against = "against the source" if series.has_source else "of the result alone"
    note = f"{against}; blurred below {series.limit:g}"
    return measure_series(series.times, series.values, evidence.windows, note, missing=NO_CLOSE_UP)


def _measure_cheeks(evidence: Evidence) -> Measurement:
    series = evidence.get_observer(Feed.RESULT, SharpnessSeries)
    return measure_series(series.times, series.against_cheeks, evidence.windows, missing=NO_CLOSE_UP)


def _find_moments(evidence: Evidence) -> list[Moment]:
    series = evidence.get_observer(Feed.RESULT, SharpnessSeries)
    return [
        Moment(time, "mouth_sharpness", value / series.limit, f"mouth has {-value:.1f} octaves less detail")
        for time, value in zip(series.times, series.values, strict=True)
        if math.isfinite(value)
    ]


EYES_METRIC = Metric(
    id="mouth_sharpness",
    title="detail of the mouth, relative to the eyes",
    region="crop",
    unit="octaves",
    better="higher",
    measure=_measure_eyes,
    observers={Feed.RESULT: SharpnessSeries},
    moments=_find_moments,
)
CHEEKS_METRIC = Metric(
    id="sharpness_mouth_vs_cheeks",
    title="detail of the mouth, relative to the cheeks",
    region="crop",
    unit="octaves",
    better="higher",
    measure=_measure_cheeks,
    observers={Feed.RESULT: SharpnessSeries},
)
