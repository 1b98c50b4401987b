"""A result against a ground truth: whole frames, aligned faces, landmarks."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError
from lipdub.media.pixels import to_eight_bits
from lipdub.scoring.rows import Better, Row, finite_or_none

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from lipdub.media.pixels import Picture
    from lipdub.media.read import SourceFrame

CROP = 256  # pixels of an aligned face
BATCH = 8  # crops a network sees at once
FEWEST = 2  # features that a distribution is made of


def pair_frames(
    result: Iterable[SourceFrame], truth: Iterator[SourceFrame]
) -> Iterator[tuple[SourceFrame, SourceFrame, int]]:
    """Each frame of the result with the truth's nearest in time and that one's number; ends where the truth does."""
    first = None
    held = following = next(truth, None)
    if held is None:
        return
    origin, number = float(held.time), 0
    following = next(truth, None)
    spacing = float(following.time) - origin if following is not None else math.inf
    for frame in result:
        first = float(frame.time) if first is None else first
        now = float(frame.time) - first
        while following is not None and abs(float(following.time) - origin - now) <= abs(
            float(held.time) - origin - now
        ):
            spacing = float(following.time) - float(held.time)
            held, following, number = following, next(truth, None), number + 1
        if following is None and now - (float(held.time) - origin) > spacing / 2:
            return
        yield frame, held, number


def match_depth(made: Picture, right: Picture, name: str) -> tuple[np.ndarray, np.ndarray, float]:
    """RGB of both at one depth, and its peak. Raises InputError for another size."""
    if (made.width, made.height) != (right.width, right.height):
        raise InputError(
            f"{name} is {right.width}x{right.height}, the result is {made.width}x{made.height}",
            hint="A ground truth must have the result's size.",
        )
    a, b = made.rgb(), right.rgb()
    if a.dtype != b.dtype:
        a, b = to_eight_bits(a), to_eight_bits(b)
    return a, b, 255.0 if a.dtype == np.uint8 else 65535.0


def align_face(rgb: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The face (CROP, CROP, 3) of a frame whose iBUG points (68, 2) are these, where facexlib's template has it."""
    from lipdub.faces.alignment import five_point

    template = five_point.FACEXLIB_TEMPLATE * (CROP / five_point.SIZE)
    return five_point.align(five_point.select_five_points(points)[:, :2], template, CROP).crop(rgb)


@dataclass
class FullReferenceMetrics:
    """What pairs of pictures add up to, on whole frames or on aligned faces. lpips, inception: networks, where their
    weights are in the store.
    """

    lpips: Any = None
    inception: Any = None
    error: float = 0.0
    samples: int = 0
    peak: float = 255.0
    times: list[float] = field(default_factory=list)
    errors: list[float] = field(default_factory=list)
    """mean squared error of each pair, of 255 grey levels"""
    alike: list[float] = field(default_factory=list)
    moved: list[tuple[float, float]] = field(default_factory=list)
    apart: list[float] = field(default_factory=list)
    _held: list[tuple[np.ndarray, np.ndarray]] = field(default_factory=list)
    _before: tuple[np.ndarray, np.ndarray] | None = None
    _moments: Any = None

    def add(self, time: float, a: np.ndarray, b: np.ndarray, peak: float, fresh: bool) -> None:
        """One pair (h, w, 3) at a time, seconds. fresh: the pictures do not follow on the last ones."""
        import cv2

        from lipdub.metrics.ifc import frame_distance
        from lipdub.metrics.psnr import squared_error
        from lipdub.metrics.ssim import ssim

        part, count = squared_error(a, b)
        self.error, self.samples, self.peak = self.error + part, self.samples + count, peak
        self.times.append(time)
        self.errors.append(part / max(count, 1) * (255 / peak) ** 2)
        self.alike.append(ssim(cv2.cvtColor(a, cv2.COLOR_RGB2GRAY), cv2.cvtColor(b, cv2.COLOR_RGB2GRAY), peak))
        small = to_eight_bits(a), to_eight_bits(b)
        if self._before is not None and not fresh:
            self.moved.append(tuple(frame_distance(x, y) for x, y in zip(self._before, small, strict=True)))  # type: ignore[arg-type]
        self._before = small
        if self.lpips is not None or self.inception is not None:
            self._held.append(small)
            if len(self._held) == BATCH:
                self._networks()

    def _networks(self) -> None:
        from lipdub.metrics import fid, lpips

        if not self._held:
            return
        a, b = (np.stack(side) for side in zip(*self._held, strict=True))
        self._held = []
        if self.lpips is not None:
            self.apart += lpips.lpips_distance(self.lpips, a, b).tolist()
        if self.inception is not None:
            if self._moments is None:
                self._moments = (fid.Moments(), fid.Moments())
            for moments, side in zip(self._moments, (a, b), strict=True):
                moments.add(fid.inception_features(self.inception, side))

    def rows(self, on: str, end: str, note: str, spans: Sequence[tuple[float, float]]) -> list[Row]:
        """psnr, ssim, mse, lpips, fid and ifc of what was added, with the intervals over the spans of those that are means
        over frames; their ids end with `end`.
        """
        from lipdub.metrics.fid import frechet_distance
        from lipdub.metrics.ifc import ifc
        from lipdub.metrics.psnr import psnr

        self._networks()
        value = psnr(self.error, self.samples, self.peak)
        same = "; the pictures are equal" if value == math.inf else ""
        moved = np.array(self.moved, np.float64).reshape(-1, 2)
        rows = [
            Row(f"psnr{end}", "PSNR", on, finite_or_none(value), "dB", "higher", note=note + same),
            mean_row(f"ssim{end}", "SSIM", on, self.times, self.alike, "", "higher", note, spans),
            mean_row(
                f"mse{end}",
                "mean squared error",
                on,
                self.times,
                self.errors,
                "squared grey levels",
                "lower",
                note,
                spans,
            ),
            Row(
                f"ifc{end}",
                "inter-frame consistency",
                on,
                finite_or_none(ifc(moved[:, 0], moved[:, 1])),
                "grey levels",
                "lower",
                note=note,
            ),
        ]
        if self.lpips is not None:
            rows.append(
                mean_row(f"lpips{end}", "LPIPS (AlexNet)", on, self.times, self.apart, "", "lower", note, spans)
            )
        if self.inception is not None:
            count = self._moments[0].count if self._moments else 0
            enough = count >= FEWEST
            far = frechet_distance(*self._moments) if enough else None
            rows.append(
                Row(f"fid{end}", "FID", on, far, "", "lower", note=f"of {count} frames: papers take tens of thousands")
            )
        return rows


def mean_row(
    name: str,
    title: str,
    on: str,
    times: Sequence[float],
    values: Sequence[float],
    unit: str,
    better: Better,
    note: str,
    spans: Sequence[tuple[float, float]],
) -> Row:
    """The mean of values at rising times, NaN where there is none, with its interval over the spans."""
    from lipdub.metrics.bootstrap import average_windows, bootstrap_interval

    of_frames = np.array(values, np.float64)
    around = bootstrap_interval(average_windows(np.array(times), of_frames, list(spans)))
    value = float(np.nanmean(of_frames)) if np.isfinite(of_frames).any() else None
    return Row(name, title, on, value, unit, better, finite_or_none(around.low), finite_or_none(around.high), note=note)


def landmark_rows(
    times: Sequence[float], result: np.ndarray, truth: np.ndarray, spans: Sequence[tuple[float, float]]
) -> list[Row]:
    """Lmd and f_ld of iBUG points (n, 68, 2) of paired frames at these times, pixels; NaN where no face was seen."""
    from lipdub.metrics.lmd import f_ld, lmd

    rows = []
    for name, title, found in (
        ("lmd", "landmark distance of the mouth (LMD)", lmd(result, truth)),
        ("f_ld", "landmark distance of the face (F-LD)", f_ld(result, truth)),
    ):
        known = np.isfinite(found.pixels)
        note = f"{int(known.sum())} frames with both faces"
        on = "mouth" if name == "lmd" else "face"
        by_eyes = f"{title}, by the eyes' distance"
        rows += [
            mean_row(name, title, on, times, found.pixels.tolist(), "pixels", "lower", note, spans),
            mean_row(f"{name}_eyes", by_eyes, on, times, found.eyes.tolist(), "eye distances", "lower", note, spans),
        ]
    return rows
