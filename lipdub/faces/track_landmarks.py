"""A track's landmarks: read from the detect store, gaps filled and smoothed, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import mesh, smoothing, tracking

if TYPE_CHECKING:
    from lipdub.arrays import F32, Array
    from lipdub.workspace import ChunkedArray

# Landmarks jitter by about half a pixel. They are smoothed over this time, by a Savitzky-Golay parabola without lag.
SMOOTHING_SECONDS = 0.2
# Smoothing would smear lips that open or close from one frame to the next. Lips that it moves further than this (a mean
# over the lips, in distances of the outer eye corners) begin to return to where they were detected.
MAX_LIP_SHIFT = 0.003
# Frames read before and after a piece, so that its smoothing does not depend on where it ends.
CONTEXT_FRAMES = 16
# Source frames whose landmarks are read at once: bounds memory.
LANDMARK_BLOCK = 96


@dataclass(frozen=True)
class TrackLandmarks:
    """The landmarks of one track.

    Attributes:
        landmarks: (frames, slots, 478, 3) stored float32 pixels of all faces.
        owner: (frames, slots) int id of the track of each detector slot.
        id: of the track.
        first: source frame in which the track begins.
        last: source frame in which the track ends, inclusive.
        interval: seconds between frames.
    """

    landmarks: ChunkedArray
    owner: Array
    id: int
    first: int
    last: int
    interval: float

    def read(self, start: int, stop: int) -> F32:
        """Read smoothed landmarks of source frames.

        Args:
            start: first source frame.
            stop: source frame after the last one.

        Returns:
            (stop - start, 478, 3) float32 pixels; NaN where the face is not visible.
        """
        out = np.full((stop - start, mesh.VERTICES, 3), np.nan, np.float32)
        a, b = max(self.first, start - CONTEXT_FRAMES), min(self.last + 1, stop + CONTEXT_FRAMES)
        if a >= b:
            return out
        points = tracking.fill_gaps(self._read_detected(a, b))
        window = smoothing.count_window_frames(SMOOTHING_SECONDS, self.interval)
        for i, j in smoothing.find_runs(np.isfinite(points[:, 0, 0])):
            points[i:j] = _smooth_points(points[i:j], window)
        low, high = max(start, a), min(stop, b)
        if low < high:
            out[low - start : high - start] = points[low - a : high - a]
        return out

    def _read_detected(self, start: int, stop: int) -> F32:
        """Read landmarks (stop - start, 478, 3) as they were detected; NaN where the face was not."""
        frames, slots = np.nonzero(self.owner[start:stop] == self.id)
        points = np.full((stop - start, mesh.VERTICES, 3), np.nan, np.float32)
        for low in range(start, stop, self.landmarks.chunk):
            high = min(low + self.landmarks.chunk, stop)
            block = self.landmarks.read(low, high)
            in_block = (frames >= low - start) & (frames < high - start)
            points[frames[in_block]] = block[frames[in_block] - (low - start), slots[in_block]]
        return points


def _smooth_points(points: F32, window: int) -> F32:
    """Smooth landmarks (n, 478, 3) of successive frames, but leave lips that move fast where they were detected."""
    out = smoothing.savgol_filter(points, window)
    lips = list(mesh.LIPS)
    shift = points[:, lips] - out[:, lips]
    eyes = np.linalg.norm(out[:, mesh.EYE_LEFT[0], :2] - out[:, mesh.EYE_RIGHT[1], :2], axis=1)
    distance = np.linalg.norm(shift[..., :2], axis=2).mean(1) / np.maximum(eyes, 1e-6)
    out[:, lips] += np.clip(distance / MAX_LIP_SHIFT - 1, 0, 1)[:, None, None] * shift
    return out
