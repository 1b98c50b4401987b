"""Sums along the mask's edge over the frames of a video, kept by blocks of time."""

from __future__ import annotations

import math
from functools import reduce
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lipdub.metrics.metric import Measurement, Moment

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.arrays import F64
    from lipdub.metrics.evidence import Evidence, FrameObservation, Image, PassSetup
    from lipdub.metrics.mask_edge import MaskEdge

BLOCK = 1.0  # seconds whose sums are kept together


class Sums(NamedTuple):
    """Sums of the result and of the source; the latter None without a source."""

    result: F64
    source: F64 | None

    def merge(self, sums: Sums) -> Sums:
        """Return the sums of both."""
        both = self.source is not None and sums.source is not None
        return Sums(self.result + sums.result, self.source + sums.source if both else None)  # type: ignore[operator]


class EdgeSums:
    """Observer that adds up an array of each close-up's edge.

    Args:
        measure: computes the array from a picture (h, w, 3) and its edge.
        setup: of the pass.
    """

    def __init__(self, measure: Callable[[Image, MaskEdge], F64], setup: PassSetup) -> None:
        self.has_source = setup.has_source
        self.blocks: dict[int, Sums] = {}
        self._measure = measure

    def add(self, frame: FrameObservation, /) -> None:
        """Add the sums of one frame, if it has a close-up with an edge."""
        close_up = frame.close_up
        if close_up is None or close_up.edge is None or (self.has_source and close_up.source_rgb is None):
            return
        other = close_up.source_rgb
        sums = Sums(
            self._measure(close_up.rgb, close_up.edge),
            self._measure(other, close_up.edge) if other is not None else None,
        )
        block = int(frame.time / BLOCK)
        self.blocks[block] = self.blocks[block].merge(sums) if block in self.blocks else sums

    def between(self, start: float = 0.0, stop: float = math.inf) -> Sums | None:
        """Return the sums of the blocks that begin in a span of seconds; None if there are none."""
        inside = [sums for block, sums in sorted(self.blocks.items()) if start <= block * BLOCK < stop]
        return reduce(Sums.merge, inside) if inside else None


class EdgeLimits(NamedTuple):
    """Values from which on a viewer notices the fault, for a result alone and against its source."""

    alone: float
    against_source: float


def measure_edge(
    evidence: Evidence, sums: EdgeSums, evaluate: Callable[[F64, F64 | None], float], limits: EdgeLimits
) -> Measurement:
    """Measure a number of the edge over all and in each window.

    Args:
        evidence: gives the windows.
        sums: of the result's pass.
        evaluate: computes the number from the sums of the result and of the source.
        limits: values from which on a viewer notices the fault, for the note.
    """

    def value(part: Sums | None) -> float:
        return evaluate(*part) if part is not None else math.nan

    windows = np.array([value(sums.between(a, b)) for a, b in evidence.windows], np.float64)
    whole = value(sums.between())
    note = describe_limit(sums.has_source, limits)
    if not math.isfinite(whole):
        note = "too little of the mask's edge is visible"
    return Measurement(whole, windows, note=note)


def describe_limit(has_source: bool, limits: EdgeLimits) -> str:
    """Describe the comparison and the limit of a value."""
    if has_source:
        return f"against the source; visible above {limits.against_source:g}"
    return f"of the result alone; visible above {limits.alone:g}"


def find_edge_moments(
    sums: EdgeSums, evaluate: Callable[[F64, F64 | None], float], limits: EdgeLimits, row: str, text: str
) -> list[Moment]:
    """Find the seconds in which the edge shows.

    Args:
        sums: of the result's pass.
        evaluate: computes the number from the sums of the result and of the source.
        limits: values from which on a viewer notices the fault.
        row: id of the metric.
        text: a format for the value.
    """
    limit = limits.against_source if sums.has_source else limits.alone
    moments = []
    for block in sorted(sums.blocks):
        part = sums.between((block - 1) * BLOCK, (block + 2) * BLOCK)
        value = evaluate(*part) if part is not None else math.nan
        if math.isfinite(value):
            moments.append(Moment((block + 0.5) * BLOCK, row, value / limit, text.format(value)))
    return moments
