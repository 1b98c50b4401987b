"""The pictures of a result alone, and beside its source's: seams, steps of colour, blur, flicker, likeness of the face."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import reduce
from operator import add
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lipdub.scoring.rows import Row, finite_or_none

if TYPE_CHECKING:
    from lipdub.media.pixels import Picture
    from lipdub.metrics.mask_edge import MaskEdge
    from lipdub.scoring.video_pass import FrameObservation

SAMPLE = 0.5  # seconds: one frame of so many is looked at closely
BLOCK = 1.0  # seconds whose sums are kept together
FACES, WHOLE = (
    16,
    6,
)  # frames of a video whose CPBD is taken, of the face and of all of it: dearer than all else together
MARGIN = 0.45  # eye distances around the face that are cut out with it

Mask: TypeAlias = Callable[[int], "tuple[tuple[int, int, int, int], np.ndarray] | None"]
"""From a frame's number to the box (x0, y0, x1, y1) of what was replaced in it and its weight (h, w) 0..1; None where
nothing was."""


def sample_frames(times: np.ndarray) -> list[int]:
    """Numbers of the frames that are looked at closely: the first in each span of `SAMPLE`."""
    bins = np.floor(np.asarray(times) / SAMPLE + 1e-6)
    return [int(k) for k in np.flatnonzero(np.diff(bins, prepend=-1) > 0)]


@dataclass(frozen=True)
class Sums:
    """What some frames add up to: slopes and colours along the edge, in the result and in the source (None where there is
    no source). seen: how many frames.
    """

    slopes: np.ndarray
    bands: np.ndarray
    source_slopes: np.ndarray | None
    source_bands: np.ndarray | None
    seen: int = 1

    def __add__(self, other: Sums) -> Sums:
        return Sums(
            self.slopes + other.slopes,
            self.bands + other.bands,
            _both(self.source_slopes, other.source_slopes),
            _both(self.source_bands, other.source_bands),
            self.seen + other.seen,
        )


def _both(a: np.ndarray | None, b: np.ndarray | None) -> np.ndarray | None:
    return a + b if a is not None and b is not None else None


def pick_evenly(numbers: Sequence[int], count: int) -> frozenset[int]:
    """At most so many of some numbers, evenly spread."""
    at = np.linspace(0, len(numbers) - 1, min(count, len(numbers))).round().astype(int)
    return frozenset(numbers[i] for i in at)


@dataclass
class NoReferenceMetrics:
    """Looks at frames, one after the other, and keeps what rows are made of.

    mask: what was replaced, where somebody knows it; else the lower face is taken for it. source: the source's frames
    that belong to the sampled ones, one after the other, where there is a source. embed: from a picture and the mesh in it
    to the face's embedding (features,) of unit length, where the identity is to be compared.
    """

    closely: frozenset[int]
    mask: Mask | None = None
    source: Iterator[Picture] | None = None
    embed: Callable[[np.ndarray, np.ndarray], np.ndarray] | None = None
    blocks: dict[int, Sums] = field(default_factory=dict)
    brightness: list[np.ndarray] = field(default_factory=list)
    times: list[float] = field(default_factory=list)
    sharp: list[tuple[float, float, float, float]] = field(default_factory=list)
    """at `times`: the mouth's sharpness against the eyes' and cheeks', CPBD of the face (NaN but for some), and
    the first of the source"""
    alike: list[float] = field(default_factory=list)
    whole: list[tuple[float, float]] = field(default_factory=list)
    """CPBD of whole frames, with their times"""

    def __post_init__(self) -> None:
        self.detailed, self.whole_ones = (pick_evenly(sorted(self.closely), count) for count in (FACES, WHOLE))

    def __call__(self, seen: FrameObservation) -> None:
        """Looks at one frame."""
        from lipdub.metrics import flicker
        from lipdub.metrics.cpbd import cpbd_of_rgb

        close = seen.index in self.closely
        if seen.index in self.whole_ones:
            self.whole.append((seen.time, cpbd_of_rgb(seen.picture.rgb())))
        beside = next(self.source, None) if close and self.source is not None else None
        if seen.mesh is None:
            self.brightness.append(np.full(len(flicker.PATCHES), math.nan))
            return
        self.brightness.append(flicker.measure_patches(seen.small, seen.mesh[:, :2] / seen.scale))
        if not close:
            return
        box = _around(seen.mesh, seen.picture)
        rgb = seen.picture.rgb(box)
        mesh: np.ndarray = seen.mesh[:, :2] - np.array(box[:2], np.float32)
        other = beside.rgb(box) if beside is not None and _same_size(beside, seen.picture) else None
        self._edge(seen, box, rgb, mesh, other)
        self._sharpness(seen, rgb, mesh, other)
        if self.embed is not None and other is not None:
            self.alike.append(float(self.embed(rgb, mesh) @ self.embed(other, mesh)))

    def _edge(
        self, seen: FrameObservation, box: tuple[int, ...], rgb: np.ndarray, mesh: np.ndarray, other: np.ndarray | None
    ) -> None:
        from lipdub.metrics import colour_step, seam

        edge = self._edge_of(seen.index, box, mesh, other is None)
        if edge is None or (self.source is not None and other is None):
            return
        found = Sums(
            seam.measure_slopes(rgb, edge),
            colour_step.measure_bands(rgb, edge),
            seam.measure_slopes(other, edge) if other is not None else None,
            colour_step.measure_bands(other, edge) if other is not None else None,
        )
        at = int(seen.time / BLOCK)
        self.blocks[at] = self.blocks[at] + found if at in self.blocks else found

    def _edge_of(self, index: int, box: tuple[int, ...], mesh: np.ndarray, skin: bool) -> MaskEdge | None:
        from lipdub.metrics.mask_edge import find_mask_edge

        height, width = box[3] - box[1], box[2] - box[0]
        if self.mask is None:
            return find_mask_edge(mesh, height, width, skin=skin)
        known = self.mask(index)
        if known is None:
            return None
        (x0, y0, x1, y1), weight = known
        whole = np.zeros((height, width), np.float32)
        left, top = x0 - box[0], y0 - box[1]
        a, b = max(0, top), max(0, left)
        part = weight[a - top : height - top, b - left : width - left]
        whole[a : a + part.shape[0], b : b + part.shape[1]] = part
        return find_mask_edge(mesh, height, width, mask=whole, skin=skin)

    def _sharpness(self, seen: FrameObservation, rgb: np.ndarray, mesh: np.ndarray, other: np.ndarray | None) -> None:
        from lipdub.metrics.cpbd import cpbd_of_rgb
        from lipdub.metrics.sharpness import sharpness

        found = sharpness(rgb, mesh)
        before = sharpness(other, mesh).against_eyes if other is not None else math.nan
        detail = cpbd_of_rgb(rgb) if seen.index in self.detailed else math.nan
        self.times.append(seen.time)
        self.sharp.append((found.against_eyes, found.against_cheeks, detail, before))

    # -- what comes of it

    def flicker(self) -> float:
        """How much the lower face flickers, grey levels; NaN where no face was seen for three frames."""
        from lipdub.metrics.flicker import flicker

        return flicker(np.array(self.brightness)) if self.brightness else math.nan

    def between(self, start: float = 0.0, stop: float = math.inf) -> Sums | None:
        """The sums of the blocks that begin in a span of seconds; None where none does."""
        inside = [block for at, block in sorted(self.blocks.items()) if start <= at * BLOCK < stop]
        return reduce(add, inside) if inside else None


def _same_size(a: Picture, b: Picture) -> bool:
    return (a.width, a.height) == (b.width, b.height)


def _around(mesh: np.ndarray, picture: Picture) -> tuple[int, int, int, int]:
    """Where a face and its surroundings lie: even corners inside the picture."""
    from lipdub.metrics import regions

    x0, y0, x1, y1 = regions.grow_box(mesh, MARGIN * regions.measure_eye_distance(mesh), picture.height, picture.width)
    return x0 - x0 % 2, y0 - y0 % 2, max(x1, x0 - x0 % 2 + 2), max(y1, y0 - y0 % 2 + 2)


def seam_of(sums: Sums | None) -> float:
    """How visible the seam is, against the source's where it is known; NaN where too little was seen."""
    from lipdub.metrics.seam import seam_visibility

    return seam_visibility(sums.slopes, sums.source_slopes) if sums is not None else math.nan


def step_of(sums: Sums | None) -> float:
    """The step of colour along the edge, in the same way."""
    from lipdub.metrics.colour_step import colour_step

    return colour_step(sums.bands, sums.source_bands) if sums is not None else math.nan


def visible_from(beside_source: bool) -> dict[str, float]:
    """From which value on each row is to be seen."""
    from lipdub.metrics import colour_step, flicker, seam, sharpness

    if beside_source:
        return {
            "seam": seam.VISIBLE_AGAINST_SOURCE,
            "colour_step": colour_step.VISIBLE_AGAINST_SOURCE,
            "mouth_sharpness": sharpness.BLURRED_AGAINST_SOURCE,
            "flicker": flicker.VISIBLE_AGAINST_SOURCE,
        }
    return {
        "seam": seam.VISIBLE,
        "colour_step": colour_step.VISIBLE,
        "mouth_sharpness": sharpness.BLURRED,
        "flicker": flicker.VISIBLE,
    }


def rows(pixels: NoReferenceMetrics, spans: Sequence[tuple[float, float]], source_flicker: float | None) -> list[Row]:
    """seam, colour_step, mouth_sharpness, cpbd, flicker and csim, with their intervals over the spans."""
    from lipdub.metrics.bootstrap import average_windows, bootstrap_interval

    beside = pixels.source is not None
    limits = visible_from(beside)
    against = "against the source" if beside else "alone"
    at, whole = np.array(pixels.times), np.array(pixels.whole, np.float64).reshape(-1, 2)
    sharp = np.array(pixels.sharp, np.float64).reshape(-1, 4)
    mouth = sharp[:, 0] - (sharp[:, 3] if beside else 0)
    own = pixels.flicker()
    out = []
    for name, title, unit, of in (
        ("seam", "seam along the mask's edge", "grey levels", seam_of),
        ("colour_step", "step of colour along the mask's edge", "Lab", step_of),
    ):
        parts = bootstrap_interval(np.array([of(pixels.between(a, b)) for a, b in spans], np.float64))
        value = of(pixels.between())
        note = f"{against}; to be seen over {limits[name]:g}"
        out.append(
            Row(
                name,
                title,
                "crop",
                finite_or_none(value),
                unit,
                "lower",
                finite_or_none(parts.low),
                finite_or_none(parts.high),
                note=note,
            )
        )
    for name, title, values, unit, note in (
        (
            "mouth_sharpness",
            "detail of the mouth against the eyes'" + (", and the source's" if beside else ""),
            mouth,
            "octaves",
            f"{against}; blurred under {limits['mouth_sharpness']:g}",
        ),
        ("mouth_against_cheeks", "detail of the mouth against the cheeks'", sharp[:, 1], "octaves", ""),
        ("cpbd", "CPBD sharpness of the face", sharp[:, 2], "", ""),
        ("cpbd_frame", "CPBD sharpness of the frame", whole[:, 1], "", ""),
    ):
        on = "frame" if name == "cpbd_frame" else "crop"
        moments = at if on == "crop" else whole[:, 0]
        parts = bootstrap_interval(average_windows(moments, values, list(spans)))
        value = float(np.nanmean(values)) if np.isfinite(values).any() else math.nan
        out.append(
            Row(
                name,
                title,
                on,
                finite_or_none(value),
                unit,
                "higher",
                finite_or_none(parts.low),
                finite_or_none(parts.high),
                note=note,
            )
        )
    if beside and source_flicker is not None and math.isfinite(source_flicker):
        note = f"{own:.2f}, the source's own {source_flicker:.2f}; to be seen over {limits['flicker']:g}"
        value = own - source_flicker
    else:
        value, note = own, f"alone; to be seen over {limits['flicker']:g}"
    out.append(Row("flicker", "lower face flickers", "crop", finite_or_none(value), "grey levels", "lower", note=note))
    if pixels.alike:
        out.append(
            Row(
                "csim", "identity like the source's (ArcFace)", "crop", float(np.mean(pixels.alike)), "cosine", "higher"
            )
        )
    return out
