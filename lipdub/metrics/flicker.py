"""Flicker: brightness that jumps from frame to frame while the face stands still. The measure is lipdub's own."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lipdub.metrics import regions
from lipdub.metrics.evidence import Evidence, Feed, FrameObservation, PassSetup
from lipdub.metrics.metric import Measurement, Metric

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64
    from lipdub.metrics.evidence import Image

# Places inside the region that dubs replace, and last a place outside it: flickering light of the source changes both.
PATCHES = (regions.NOSE_TIP, regions.LEFT_SIDE, regions.RIGHT_SIDE, regions.FOREHEAD)
#: Grey levels above which a viewer sees it. Measured on real clips: at most 1.7 alone, 0.2 more than the source.
VISIBLE, VISIBLE_AGAINST_SOURCE = 2.5, 1.0
_WHITE_NOISE = 6  # variance of the second difference of white noise, in variances of the noise


def measure_patches(rgb: Image, landmarks: F32) -> F64:
    """Return the mean brightness of each of `PATCHES`.

    Args:
        rgb: (h, w, 3) uint8 or uint16.
        landmarks: (478, 2 or 3) pixels, NaN if no face was found.

    Returns:
        (4,) float64 grey levels, NaN for a patch outside the frame, and for all without a face.
    """
    brightness = np.full(len(PATCHES), math.nan)
    if not np.isfinite(landmarks).all():
        return brightness
    part = regions.crop_face(rgb, landmarks)
    grey = regions.to_luma(part.rgb) if part.rgb.size else np.zeros((0, 0), np.float32)
    for i, vertices in enumerate(PATCHES):
        inside = grey[regions.fill_hull(part.landmarks[list(vertices)], *grey.shape)] if grey.size else grey
        if inside.size:
            brightness[i] = inside.mean(dtype=np.float64)
    return brightness


def flicker(brightness: F64) -> float:
    """Return by how much the lower face flickers against the forehead.

    A second difference is the difference of a frame from the mean of its neighbours. Slow changes and motion hardly
    have any. The result is the deviation of the white noise that has the same root mean square of second differences.
    The median of the patches counts.

    Args:
        brightness: (n, 4) of `measure_patches` in successive frames. Rows of NaN, where no face was found or a cut
            lies, part the series.

    Returns:
        Grey levels, NaN if no three frames in a row are known. For a comparison, subtract the source's flicker.
    """
    against = brightness[:, :-1] - brightness[:, -1:]
    second = np.diff(against, 2, axis=0)
    is_known = second[np.isfinite(second).all(1)]
    return float(np.median(np.sqrt(np.square(is_known).mean(0) / _WHITE_NOISE))) if len(is_known) else math.nan


class PatchBrightness:
    """Observer that keeps the brightness of the patches in every frame.

    Args:
        setup: of the pass.
    """

    def __init__(self, setup: PassSetup) -> None:
        self._rows: list[F64] = []

    def add(self, frame: FrameObservation, /) -> None:
        """Add a frame."""
        if frame.mesh is None:
            self._rows.append(np.full(len(PATCHES), math.nan))
        else:
            self._rows.append(measure_patches(frame.small, frame.mesh[:, :2] / frame.scale))

    def measure(self) -> float:
        """Return the flicker of all frames, grey levels."""
        return flicker(np.array(self._rows)) if self._rows else math.nan


def _measure(evidence: Evidence) -> Measurement:
    own = evidence.get_observer(Feed.RESULT, PatchBrightness).measure()
    source = evidence.get_observer(Feed.SOURCE, PatchBrightness).measure() if evidence.source is not None else math.nan
    if math.isnan(own):
        return Measurement(note="no face was found in three successive frames")
    if math.isnan(source):
        return Measurement(own, note=f"of the result alone; visible above {VISIBLE:g}")
    note = f"{own:.2f}, the source's own {source:.2f}; visible above {VISIBLE_AGAINST_SOURCE:g}"
    return Measurement(own - source, note=note)


METRIC = Metric(
    id="flicker",
    title="flicker of the lower face",
    region="crop",
    unit="grey levels",
    better="lower",
    measure=_measure,
    observers={Feed.RESULT: PatchBrightness, Feed.SOURCE: PatchBrightness},
)
