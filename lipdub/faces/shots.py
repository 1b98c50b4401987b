"""Shot detection: cuts, from how much thumbnails of successive frames differ."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import U8, Array

# Mean change per channel of hue, saturation and value (0..255) of a cut, as PySceneDetect's content detector has it.
CUT_THRESHOLD = 27.0
# A cut must also exceed the median change of this many frames on each side by this factor: fast motion and flicker are
# no cuts. A smaller median counts as the floor.
CUT_NEIGHBOURS = 4
CUT_PROMINENCE = 3.0
CUT_MEDIAN_FLOOR = 1.0
# Width and height in pixels.
THUMBNAIL_SIZE = (64, 36)
# Values of OpenCV's full hue circle.
_HUES = 256


def make_thumbnail(rgb: U8) -> U8:
    """Make a small HSV picture (36, 64, 3) uint8 of a frame (h, w, 3) uint8 RGB."""
    thumbnail: U8 = cv2.cvtColor(cv2.resize(rgb, THUMBNAIL_SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2HSV_FULL)
    return thumbnail


def measure_change(first: U8, second: U8) -> float:
    """Measure the mean absolute difference of two thumbnails (36, 64, 3) uint8.

    Hue counts on its circle, and only as far as both pixels have colour.
    """
    a, b = first.astype(np.int16), second.astype(np.int16)
    d = np.abs(a - b)
    hue = np.minimum(d[..., 0], _HUES - d[..., 0]) * (np.minimum(a[..., 1], b[..., 1]) / 255.0)
    return float((hue.mean() + d[..., 1].mean() + d[..., 2].mean()) / 3)


def find_cuts(changes: Array) -> list[int]:
    """Find the frames that begin a new shot.

    Args:
        changes: (n,) `measure_change` of each frame from the one before; the first is 0.
    """
    out = []
    for i in np.flatnonzero(changes >= CUT_THRESHOLD):
        around = np.concatenate([changes[max(1, i - CUT_NEIGHBOURS) : i], changes[i + 1 : i + 1 + CUT_NEIGHBOURS]])
        if len(around) == 0 or changes[i] >= CUT_PROMINENCE * max(float(np.median(around)), CUT_MEDIAN_FLOOR):
            out.append(int(i))
    return out


def find_shots(changes: Array) -> list[tuple[int, int]]:
    """Find the half-open frame spans of the shots of n frames, from their changes (n,)."""
    edges = [0, *find_cuts(changes), len(changes)]
    return [(a, b) for a, b in pairwise(edges) if b > a]
