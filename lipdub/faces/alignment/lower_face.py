"""Crops of the lower half of a face that follow the head and not the mouth: what AVSyncNet looks at.

The crop is as wide as the face, twice as wide as high, level with the eyes. Where the mouth usually is on this head, which
differs between people, is its middle; it moves with the points that speech leaves where they are, smoothed over a few
frames: a jaw that drops drops within it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.faces import geometry, landmarks, smoothing

if TYPE_CHECKING:
    from collections.abc import Callable

HEIGHT, WIDTH = 1.3, 2.6  # of the crop, in distances between the eyes
# From the upper lip's inner edge, where it usually is on this head, to the crop's middle, in canonical coordinates
# (geometry). A crop then ends near the chin.
UPPER_LIP = 13
LIP_TO_MIDDLE = (0.0, 0.04, 0.07)
SIGMA_SECONDS = 0.08  # of the smoothing of its path
_BLOCK = 256  # frames whose landmarks are read at once
MARGIN = 4 / 3  # how much larger than the crop `margined` is


def add_margin(length: int) -> int:
    """Pixels that a crop of `length` pixels has with its margin, in which it can be shifted and turned."""
    return 2 * round(length * MARGIN / 2)


def fit_placements(points: np.ndarray, interval: float) -> np.ndarray:
    """Middle (x, y), pixels per distance between the eyes, and roll in radians of the crops of one track: float64 (n, 4).

    points: mesh landmarks (n, 478, 3) in pixels, NaN where the face is not seen; such frames are filled in from their
    neighbours. interval: seconds between frames. ValueError when the face is never seen.
    """
    return fit_placements_blockwise(lambda start, stop: points[start:stop], len(points), interval)


def fit_placements_blockwise(read: Callable[[int, int], np.ndarray], count: int, interval: float) -> np.ndarray:
    """`placements` of a track of any length. read: gives its landmarks (stop - start, 478, 3) from frame start to stop."""
    neutral = landmarks.load_neutral_face()
    frames, poses, lips = [], [], []
    for start in range(0, count, _BLOCK):
        points = read(start, min(start + _BLOCK, count))
        seen = np.flatnonzero(np.isfinite(points[:, 0, 0]))
        if len(seen):
            pose = geometry.estimate_head_pose(neutral, points[seen])
            frames.append(seen + start)
            poses.append(pose)
            lips.append(pose.invert(points[seen][:, [UPPER_LIP]]))
    if not frames:
        raise ValueError("no frame shows the face")
    usual = np.median(np.concatenate(lips), 0) + LIP_TO_MIDDLE
    found = np.concatenate([_place(pose, usual) for pose in poses])
    seen = np.concatenate(frames)
    found[:, 3] = np.unwrap(found[:, 3])
    at = np.arange(count)
    whole = np.column_stack([np.interp(at, seen, column) for column in found.T])
    return smoothing.gaussian_filter(whole, SIGMA_SECONDS / interval)


def _place(pose: geometry.Pose, usual: np.ndarray) -> np.ndarray:
    """Middles, scales and rolls (n, 4) of the crops of faces with these poses."""
    middle = pose.apply(np.broadcast_to(usual, (len(pose.scale), 1, 3)))[:, 0, :2]
    return np.column_stack([middle, pose.scale, np.arctan2(pose.rotation[:, 1, 0], pose.rotation[:, 0, 0])])


def crop(image: np.ndarray, placement: np.ndarray, height: int, width: int, zoom: float = 1.0) -> np.ndarray:
    """The crop (height, width, ...) of a frame (h, w, ...) at a placement (4,); beyond the frame its edge is repeated.

    zoom: how many times as much as the lower half face is to be seen (`MARGIN` for the crop with its margin).
    """
    x, y, scale, roll = placement
    step = scale * WIDTH * zoom / width  # frame pixels a crop pixel
    turn = step * np.array([[np.cos(roll), -np.sin(roll)], [np.sin(roll), np.cos(roll)]])
    middle = np.array([(width - 1) / 2, (height - 1) / 2])
    matrix = np.column_stack([turn, (x, y) - turn @ middle])
    if step > 1.5:  # much smaller: bilinear sampling would skip pixels
        image = cv2.GaussianBlur(image, (0, 0), 0.4 * step)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(image, matrix, (width, height), flags=flags, borderMode=cv2.BORDER_REPLICATE)
