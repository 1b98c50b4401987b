"""Whether the samples outside the mask are untouched, in the source's own pixel format."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.metrics.evidence import CompositePair, Evidence, Feed, PassSetup
from lipdub.metrics.metric import Measurement, Metric, Need
from lipdub.metrics.psnr import psnr

if TYPE_CHECKING:
    from lipdub.arrays import F32
    from lipdub.media.pixels import Box, Picture


@dataclass(frozen=True)
class SampleDifference:
    """Differences of the samples of two pictures.

    Attributes:
        compared: number of samples compared.
        changed: number of those that differ.
        squared: sum of their squared differences.
        worst: largest difference.
    """

    compared: int = 0
    changed: int = 0
    squared: float = 0.0
    worst: int = 0

    def __add__(self, other: SampleDifference) -> SampleDifference:
        return SampleDifference(
            self.compared + other.compared,
            self.changed + other.changed,
            self.squared + other.squared,
            max(self.worst, other.worst),
        )


def compare_outside_mask(source: Picture, result: Picture, box: Box | None, weight: F32 | None) -> SampleDifference:
    """Compare all samples of two pictures that a patch must leave alone.

    Args:
        source: the source's frame.
        result: the result's frame.
        box: of the patch, x0, y0, x1, y1; None if nothing was patched, and every sample counts.
        weight: (h, w) 0..1, of the patch.

    Raises:
        ValueError: pixel formats or sizes differ, so that the samples have no counterparts.
    """
    shapes = [[plane.shape for plane in picture.planes] for picture in (source, result)]
    if source.pix_fmt != result.pix_fmt or shapes[0] != shapes[1]:
        raise ValueError(
            f"{result.pix_fmt} {result.width}x{result.height} cannot be compared with "
            f"{source.pix_fmt} {source.width}x{source.height} sample by sample"
        )
    masks = None if box is None or weight is None else source.untouched_masks(box, weight)
    total = SampleDifference()
    for index, (a, b) in enumerate(zip(source.planes, result.planes, strict=True)):
        different = a != b
        if masks is not None:
            different &= masks[index]
        count = a.size if masks is None else int(masks[index].sum())
        changed = int(np.count_nonzero(different))
        squared, worst = 0.0, 0
        if changed:
            gap = np.abs(a[different].astype(np.int32) - b[different].astype(np.int32))
            squared, worst = float(np.square(gap, dtype=np.float64).sum()), int(gap.max())
        total += SampleDifference(count, changed, squared, worst)
    return total


class UnmaskedChanges:
    """Observer that adds up the differences outside the mask.

    Args:
        setup: of the pass.
    """

    def __init__(self, setup: PassSetup) -> None:
        self.total = SampleDifference()
        self.frames = 0
        self.passed_through = 0
        self.depth = 8
        self.fault = ""
        """Reason why the frames cannot be compared."""

    def add(self, pair: CompositePair, /) -> None:
        """Add a pair."""
        if self.fault:
            return
        try:
            self.total += compare_outside_mask(pair.source, pair.result, pair.box, pair.weight)
        except ValueError as error:
            self.fault = str(error)
            return
        self.depth = pair.result.depth
        self.passed_through += pair.box is None
        self.frames += 1

    @property
    def note(self) -> str:
        """The number of compared samples, or the reason why there are none."""
        if self.fault:
            return self.fault
        return (
            f"of {self.total.compared} in {self.frames} frames ({self.passed_through} passed through), "
            f"largest difference {self.total.worst}"
        )


def _find_changes(evidence: Evidence) -> UnmaskedChanges | str:
    """Return the observed changes, or the reason why there are none."""
    if evidence.source is None:
        return "the source is not where the workspace says: give --source"
    changes = evidence.get_observer(Feed.RUN, UnmaskedChanges)
    return changes.fault or changes


def _measure_samples(evidence: Evidence) -> Measurement | None:
    assert evidence.run is not None
    if not evidence.run.is_lossless:
        return None
    changes = _find_changes(evidence)
    if isinstance(changes, str):
        return Measurement(note=changes)
    return Measurement(float(changes.total.changed), note=changes.note)


def _measure_psnr(evidence: Evidence) -> Measurement | None:
    assert evidence.run is not None
    if evidence.run.is_lossless:
        return None
    changes = _find_changes(evidence)
    if isinstance(changes, str):
        return Measurement(note=changes)
    value = psnr(changes.total.squared, changes.total.compared, float((1 << changes.depth) - 1))
    same = "; the samples are equal" if value == math.inf else ""
    return Measurement(value, note=f"{changes.note}; the encoding is not lossless{same}")


SAMPLES_METRIC = Metric(
    id="unmasked_changed_samples",
    title="samples changed outside the mask",
    region="frame",
    unit="samples",
    better="lower",
    measure=_measure_samples,
    needs=(Need.RUN,),
    observers={Feed.RUN: UnmaskedChanges},
    ideal=0.0,
)
PSNR_METRIC = Metric(
    id="psnr_outside",
    title="PSNR outside the mask",
    region="frame",
    unit="dB",
    better="higher",
    measure=_measure_psnr,
    needs=(Need.RUN,),
    observers={Feed.RUN: UnmaskedChanges},
    ideal=math.inf,
)
