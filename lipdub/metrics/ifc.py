"""Inter-frame consistency (IFC): whether a result changes from frame to frame as much as its ground truth does.

Yaman et al., "Audio-driven Talking Face Generation with Stabilized Synchronization Loss" (ECCV 2024, section 4,
metrics): the difference between the distances of consecutive frames in the generated and in the true video, after a
training objective of Zhou et al., "Responsive Listening Head Generation" (ECCV 2022). Neither the norm nor the range
of the pixels is given there. Here a distance is the root mean square over all samples of pixels 0..255, and the
differences are averaged as absolute values. So numbers compare among results scored here, not with the paper's table.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import numpy as np

from lipdub.media.pixels import to_eight_bits
from lipdub.metrics.evidence import Evidence, Feed, FramePair, ObserverFactory, PassSetup
from lipdub.metrics.metric import Measurement, Metric, Need
from lipdub.metrics.psnr import squared_error

if TYPE_CHECKING:
    from lipdub.arrays import F64, U8


def frame_distance(before: U8, after: U8) -> float:
    """Return the distance of a frame from the one before it: root mean square of the differences, in grey levels.

    Raises:
        ValueError: the shapes differ.
    """
    error, count = squared_error(before, after)
    return math.sqrt(error / count) if count else math.nan


def ifc(result: F64, truth: F64) -> float:
    """Return the mean absolute difference of two series of frame distances; 0 for a clip against itself.

    Args:
        result: (n,) grey levels. Pairs with a NaN (a cut, a missing frame) do not count.
        truth: (n,) grey levels.

    Returns:
        Grey levels, NaN if no pair is left.

    Raises:
        ValueError: the shapes differ.
    """
    a, b = np.asarray(result, np.float64), np.asarray(truth, np.float64)
    if a.shape != b.shape or a.ndim != 1:
        raise ValueError(f"two equal series of distances are needed, not {a.shape} and {b.shape}")
    gap = np.abs(a - b)
    gap = gap[np.isfinite(gap)]
    return float(gap.mean()) if len(gap) else math.nan


class FrameDistances:
    """Observer that keeps the distances of consecutive frames, of the result and of the ground truth.

    Args:
        setup: of the pass.
        part: what is compared: whole frames or aligned faces.
    """

    def __init__(self, setup: PassSetup, part: Literal["frame", "face"]) -> None:
        self.distances: list[tuple[float, float]] = []
        self.count = 0
        self.of = setup.frame_count
        self.part = part
        self._before: tuple[U8, U8] | None = None

    def add(self, pair: FramePair, /) -> None:
        """Add a pair, if it shows what is compared."""
        compared = pair if self.part == "frame" else pair.faces
        if compared is None:
            return
        self.count += 1
        now = to_eight_bits(compared.result), to_eight_bits(compared.truth)
        if self._before is not None and not pair.is_fresh:
            self.distances.append((frame_distance(self._before[0], now[0]), frame_distance(self._before[1], now[1])))
        self._before = now


def observe_frames(setup: PassSetup) -> FrameDistances:
    """Make an observer of whole frames."""
    return FrameDistances(setup, "frame")


def observe_faces(setup: PassSetup) -> FrameDistances:
    """Make an observer of aligned faces."""
    return FrameDistances(setup, "face")


def _measure(evidence: Evidence, factory: ObserverFactory[FrameDistances]) -> Measurement:
    steps = evidence.observed(Feed.GROUND_TRUTH, factory)
    result, truth = np.array(steps.distances, np.float64).reshape(-1, 2).T
    return Measurement(ifc(result, truth), note=f"{steps.count} of {steps.of} {steps.part}s")


FRAME_METRIC = Metric(
    id="ifc",
    title="inter-frame consistency",
    region="frame",
    unit="grey levels",
    better="lower",
    measure=lambda evidence: _measure(evidence, observe_frames),
    needs=(Need.GROUND_TRUTH,),
    observers={Feed.GROUND_TRUTH: observe_frames},
    ideal=0.0,
)
CROP_METRIC = Metric(
    id="ifc_crop",
    title="inter-frame consistency of the aligned face",
    region="crop",
    unit="grey levels",
    better="lower",
    measure=lambda evidence: _measure(evidence, observe_faces),
    needs=(Need.GROUND_TRUTH,),
    observers={Feed.GROUND_TRUTH: observe_faces},
    ideal=0.0,
)
