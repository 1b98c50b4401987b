"""The pass over a result and its ground truth: frames paired by time, whole and cut to the aligned face."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np

from lipdub.errors import InputError
from lipdub.metrics.evidence import FaceMotion, FramePair, Image, Observer
from lipdub.progress import Callback, Event

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from lipdub.arrays import F32
    from lipdub.media.pixels import Picture
    from lipdub.media.read import SourceFrame

CROP = 256  # pixels of an aligned face


def pair_frames(
    result: Iterable[SourceFrame], truth: Iterator[SourceFrame]
) -> Iterator[tuple[SourceFrame, SourceFrame, int]]:
    """Yield each frame of the result with the frame of the ground truth nearest in time, and that frame's number.

    Both videos begin at their first frames. The pairs end with the ground truth.
    """
    nearest = next(truth, None)
    if nearest is None:
        return
    first = None
    origin, number = float(nearest.time), 0
    following = next(truth, None)
    spacing = float(following.time) - origin if following is not None else math.inf
    for frame in result:
        first = float(frame.time) if first is None else first
        now = float(frame.time) - first
        while following is not None and abs(float(following.time) - origin - now) <= abs(
            float(nearest.time) - origin - now
        ):
            spacing = float(following.time) - float(nearest.time)
            nearest, following, number = following, next(truth, None), number + 1
        if following is None and now - (float(nearest.time) - origin) > spacing / 2:
            return
        yield frame, nearest, number


def match_depth(result: Picture, truth: Picture, name: str) -> tuple[Image, Image, float]:
    """Return both pictures as RGB of one depth, and the peak of that depth.

    Args:
        result: a frame of the result.
        truth: the frame of the ground truth.
        name: of the ground truth, for messages.

    Raises:
        InputError: the pictures differ in size.
    """
    from lipdub.media.pixels import to_eight_bits

    if (result.width, result.height) != (truth.width, truth.height):
        raise InputError(
            f"{name} is {truth.width}x{truth.height}, the result is {result.width}x{result.height}",
            hint="A ground truth must have the result's size.",
        )
    a, b = result.rgb(), truth.rgb()
    if a.dtype != b.dtype:
        a, b = to_eight_bits(a), to_eight_bits(b)
    return a, b, 255.0 if a.dtype == np.uint8 else 65535.0


def align_face(rgb: Image, points: F32) -> Image:
    """Cut out a face, aligned to facexlib's template.

    Args:
        rgb: (h, w, 3) uint8 or uint16.
        points: (68, 2) iBUG landmarks, pixels.

    Returns:
        (CROP, CROP, 3) of the picture's type.
    """
    from lipdub.faces.alignment import five_point

    template = five_point.FACEXLIB_TEMPLATE * (CROP / five_point.SIZE)
    return five_point.align(five_point.select_five_points(points)[:, :2], template, CROP).crop(rgb)


def run_pairs(
    result: Path,
    truth: Path,
    observers: Iterable[Observer],
    motions: tuple[FaceMotion, FaceMotion],
    progress: Callback,
) -> None:
    """Show every pair of frames to the observers, as a `FramePair`.

    Args:
        result: the result.
        truth: the ground truth.
        observers: see each pair.
        motions: the face of the result and of the ground truth over time.
        progress: called after each pair.

    Raises:
        InputError: the videos cannot be read or differ in size.
    """
    from lipdub.media.read import read_frames

    observers = list(observers)
    result_motion, truth_motion = motions
    last = (-2, -2)
    for frame, other, number in pair_frames(read_frames(result), read_frames(truth)):
        a, b, peak = match_depth(frame.picture, other.picture, str(truth))
        index = frame.index
        is_fresh = (index - 1, number - 1) != last and (index - 1, number) != last
        last = (index, number)
        time = float(result_motion.times[index])
        pair = FramePair(
            index, time, a, b, peak, is_fresh, result_motion.points[index], truth_motion.points[number], align_face
        )
        for observer in observers:
            observer.add(pair)
        progress(Event("progress", "score", done=index + 1, total=len(result_motion), message="ground truth"))
