"""Shot detection: cuts, from how much thumbnails of successive frames differ."""

from __future__ import annotations

from collections import deque
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
# Share of a picture's brightness pattern that the picture before explains, from which both show the same view in
# another light. Measured: 0.74 to 1 where only the light changes, even where it clips; at most 0.5 over cuts and zooms.
SAME_VIEW_SHARE = 0.65
# Standard deviation of brightness, 0..255, from which a picture has a pattern at all.
MIN_PATTERN = 4.0
# Mean brightness, 0..255, up to which a picture without a pattern is black, and from which it is white.
BLACK, WHITE = 12.0, 243.0
# Successive white or black frames that a flash lasts at most.
MAX_FLASH_FRAMES = 4
# Width and height in pixels.
THUMBNAIL_SIZE = (64, 36)
# Values of OpenCV's full hue circle.
_HUES = 256
_BRIGHTNESS_LEVELS = 16


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


class ViewChanges:
    """Measures how much each frame changes the view, frame by frame.

    The measure is `measure_change`, less what light explains: lightning, a stroboscope and a lamp that is switched on
    are no cuts. A wholly white or black frame belongs to the view before it. If it is a flash, the frame after it is
    compared with the one before it.
    """

    def __init__(self) -> None:
        self._recent: deque[tuple[U8, bool]] = deque(maxlen=MAX_FLASH_FRAMES + 1)  # thumbnails; whether they are blank

    def add(self, thumbnail: U8) -> float:
        """Measure the change from the frame before to this one (36, 64, 3) uint8; 0 for the first."""
        shown = (other for other, is_blank in reversed(self._recent) if not is_blank)
        before = next(shown, None)
        is_first, is_blank = not self._recent, _is_blank(thumbnail)
        last = thumbnail if is_first else self._recent[-1][0]
        self._recent.append((thumbnail, is_blank))
        if is_first or (is_blank and before is not None):
            return 0.0
        return measure_view_change(last if before is None else before, thumbnail)


def measure_view_change(first: U8, second: U8) -> float:
    """Measure `measure_change` of two thumbnails, less what a change of light explains."""
    change = measure_change(first, second)
    if change < CUT_THRESHOLD:
        return change
    share = max(_explain_brightness(first, second), _explain_brightness(second, first))
    return change * (1 - share) if share >= SAME_VIEW_SHARE else change


def _is_blank(thumbnail: U8) -> bool:
    """Whether a thumbnail is all white or all black."""
    return not BLACK < cv2.mean(thumbnail)[2] < WHITE and not _has_pattern(thumbnail)


def _has_pattern(thumbnail: U8) -> bool:
    return bool(thumbnail[..., 2].std() >= MIN_PATTERN)


def _explain_brightness(first: U8, second: U8) -> float:
    """Measure how well each pixel's brightness in the first thumbnail tells that in the second.

    Returns:
        Share of the second's variance, 0..1, that its mean for each level of the first explains (the correlation
        ratio). A curve of any shape counts, so light that clips does too. 0 if either has no pattern.
    """
    if not (_has_pattern(first) and _has_pattern(second)):
        return 0.0
    given, told = first[..., 2].ravel(), second[..., 2].ravel().astype(np.float64)
    level = given.astype(np.intp) * _BRIGHTNESS_LEVELS // 256
    counts = np.bincount(level, minlength=_BRIGHTNESS_LEVELS)
    means = np.bincount(level, told, minlength=_BRIGHTNESS_LEVELS) / np.maximum(counts, 1)
    return float(1 - np.square(told - means[level]).mean() / told.var())


def find_cuts(changes: Array) -> list[int]:
    """Find the frames that begin a new shot.

    Args:
        changes: (n,) `ViewChanges` of the frames.
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
