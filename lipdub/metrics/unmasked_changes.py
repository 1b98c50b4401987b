"""Whether what lies outside the mask is untouched, sample by sample, in the source's own pixel format."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lipdub.media.pixels import Box, Picture


@dataclass(frozen=True)
class SampleDifference:
    """Samples compared, those that differ, the sum of their squared differences, and the largest difference."""

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


def compare_outside_mask(
    source: Picture, result: Picture, box: Box | None, weight: np.ndarray | None
) -> SampleDifference:
    """Compares all samples of two pictures that a patch of this box and weight must leave alone.

    `box` None means nothing was patched: every sample counts. Raises ValueError when pixel formats or sizes differ,
    as the samples then have no counterparts.
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
