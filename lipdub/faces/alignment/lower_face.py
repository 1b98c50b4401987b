"""Crops of the lower half of a face that follow the head and not the mouth: the input of AVSyncNet.

The crop is as wide as the face, twice as wide as high, and level with the eyes. Its middle is where the mouth usually
is on this head, which differs between people. It moves with the points that speech leaves where they are, smoothed over
a few frames: a jaw that drops drops within it.

A placement (4,) float64 says where the crop lies: the middle x and y in pixels of the frame, pixels per distance
between the eyes, and roll in radians.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

import cv2
import numpy as np

from lipdub.faces import geometry, landmarks, smoothing
from lipdub.faces.alignment.base import Alignment

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.arrays import F32, F64, Array

HEIGHT, WIDTH = 1.3, 2.6  # of the crop, in distances between the eyes
UPPER_LIP = 13  # vertex of the mesh on the inner edge of the upper lip
# From the upper lip's inner edge, where it usually is on this head, to the crop's middle, in canonical coordinates
# (`geometry`). A crop then ends near the chin.
LIP_TO_MIDDLE = (0.0, 0.04, 0.07)
SIGMA_SECONDS = 0.08  # of the smoothing of its path
MARGIN = 4 / 3  # how much larger than the crop a crop with its margin is
_BLOCK_FRAMES = 256  # whose landmarks are read at once
_BLUR_STEP = 1.5  # frame pixels per crop pixel from which the frame is blurred first, as bilinear sampling skips pixels
_BLUR_SIGMA = 0.4  # of the blur, in crop pixels


@dataclass(frozen=True)
class PlacementAlignment(Alignment):
    """A crop about a face, level with its eyes; `WIDTH` distances between the eyes wide.

    Attributes:
        x: of its middle, pixels of the frame.
        y: of its middle, pixels of the frame.
        scale: pixels of the frame per distance between the eyes.
        roll: radians.
        width: of the crop, pixels.
        height: of the crop, pixels.
        zoom: factor by which the visible area is larger (`MARGIN` for the crop with its margin).
    """

    x: float
    y: float
    scale: float
    roll: float
    width: int
    height: int
    zoom: float = 1.0

    @classmethod
    def from_placement(cls, placement: F64, width: int, height: int, zoom: float = 1.0) -> Self:
        """Make the alignment of a placement (4,) and of a crop of this size in pixels."""
        x, y, scale, roll = placement
        return cls(x, y, scale, roll, width, height, zoom)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height of the crop, pixels."""
        return self.width, self.height

    @property
    def step(self) -> float:
        """Pixels of the frame per pixel of the crop."""
        return self.scale * WIDTH * self.zoom / self.width

    @property
    def is_enlarged(self) -> bool:
        """Whether the crop has fewer pixels than the part of the frame it shows."""
        return bool(self.step > 1)

    @property
    def matrix(self) -> F64:
        """The map (2, 3) float64 from pixels of the frame to pixels of the crop."""
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        turn = np.array([[cos, sin], [-sin, cos]]) / self.step
        return np.column_stack([turn, self._middle - turn @ (self.x, self.y)])

    @property
    def inverse(self) -> F64:
        """The map (2, 3) float64 from pixels of the crop to pixels of the frame."""
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        turn = self.step * np.array([[cos, -sin], [sin, cos]])
        return np.column_stack([turn, (self.x, self.y) - turn @ self._middle])

    @property
    def _middle(self) -> F64:
        """Middle (2,) of the crop, pixels of the crop."""
        return np.array([(self.width - 1) / 2, (self.height - 1) / 2])

    def shift(self, x: float, y: float) -> Self:
        """Return the alignment in a part of the frame whose left top pixel is at x, y."""
        return replace(self, x=self.x - x, y=self.y - y)

    def crop(self, image: Array) -> Array:
        """Cut the crop (height, width, ...) out of a frame (h, w, ...); beyond the frame its edge is repeated."""
        if self.step > _BLUR_STEP:
            image = cv2.GaussianBlur(image, (0, 0), _BLUR_SIGMA * self.step)
        flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
        crop: Array = cv2.warpAffine(image, self.inverse, self.size, flags=flags, borderMode=cv2.BORDER_REPLICATE)
        return crop

    def to_crop(self, points: Array) -> F64:
        """Map points (..., 2 or more) of the frame to the crop, (..., 2)."""
        points = np.asarray(points, np.float64)
        dx, dy = points[..., 0] - self.x, points[..., 1] - self.y
        cos, sin = np.cos(self.roll), np.sin(self.roll)
        turned: F64 = np.stack([cos * dx + sin * dy, cos * dy - sin * dx], -1)
        return turned / self.step + self._middle


def align(placement: F64, width: int, height: int, zoom: float = 1.0) -> PlacementAlignment:
    """Align the lower half of a face at a placement (4,), for a crop of this size in pixels."""
    return PlacementAlignment.from_placement(placement, width, height, zoom)


def add_margin(length: int) -> int:
    """Return the pixels that a crop of `length` pixels has with its margin, in which it can be shifted and turned."""
    return 2 * round(length * MARGIN / 2)


def fit_placements(points: F32, interval: float) -> F64:
    """Fit the placements of the crops of one track.

    Args:
        points: (n, 478, 3) mesh landmarks in pixels, NaN where the face is not seen; such frames are interpolated.
        interval: seconds between two frames.

    Returns:
        (n, 4) float64: middle x, y, scale and roll; see the module.

    Raises:
        ValueError: no frame shows the face.
    """
    return fit_placements_blockwise(lambda start, stop: points[start:stop], len(points), interval)


def fit_placements_blockwise(read: Callable[[int, int], F32], count: int, interval: float) -> F64:
    """Fit the placements of the crops of a track of any length.

    Args:
        read: returns the track's landmarks (stop - start, 478, 3) from frame start to stop.
        count: frames of the track.
        interval: seconds between two frames.

    Returns:
        As `fit_placements`.

    Raises:
        ValueError: no frame shows the face.
    """
    neutral = landmarks.load_neutral_face()
    frames, poses, lips = [], [], []
    for start in range(0, count, _BLOCK_FRAMES):
        points = read(start, min(start + _BLOCK_FRAMES, count))
        visible = np.flatnonzero(np.isfinite(points[:, 0, 0]))
        if len(visible):
            pose = geometry.estimate_head_pose(neutral, points[visible])
            frames.append(visible + start)
            poses.append(pose)
            lips.append(pose.invert(points[visible][:, [UPPER_LIP]]))
    if not frames:
        raise ValueError("no frame shows the face")
    usual_middle = np.median(np.concatenate(lips), 0) + LIP_TO_MIDDLE
    placements = np.concatenate([_place(pose, usual_middle) for pose in poses])
    visible = np.concatenate(frames)
    placements[:, 3] = np.unwrap(placements[:, 3])
    every = np.arange(count)
    path = np.column_stack([np.interp(every, visible, column) for column in placements.T])
    return smoothing.gaussian_filter(path, SIGMA_SECONDS / interval)


def _place(pose: geometry.Pose, middle: F64) -> F64:
    """Place the crops of faces with these poses: (n, 4). middle: (3,) in canonical coordinates."""
    middles = pose.apply(np.broadcast_to(middle, (len(pose.scale), 1, 3)))[:, 0, :2]
    return np.column_stack([middles, pose.scale, np.arctan2(pose.rotation[:, 1, 0], pose.rotation[:, 0, 0])])
