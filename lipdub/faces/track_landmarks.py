"""A track's landmarks read back from the detect store, gaps filled and smoothed, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import mesh, smoothing, tracking

if TYPE_CHECKING:
    from lipdub.workspace import ChunkedArray

# Landmarks jitter by about half a pixel; this much time is averaged (a Savitzky-Golay parabola, zero lag).
SMOOTHING_SECONDS = 0.2
# Lips that open or shut from one frame to the next would be smeared over their neighbours: how far, as a mean over the
# lips and in distances of the outer eye corners, smoothing may move them before they are left where they were seen.
MAX_LIP_SHIFT = 0.003
# Frames read beyond a piece on both sides, so that smoothing inside it does not depend on where the piece ends.
CONTEXT_FRAMES = 16


@dataclass(frozen=True)
class TrackLandmarks:
    """Track `id` seen in source frames first..last (inclusive)."""

    landmarks: ChunkedArray
    owner: np.ndarray
    id: int
    first: int
    last: int
    interval: float

    def read(self, start: int, stop: int) -> np.ndarray:
        """Smoothed landmarks (stop-start, 478, 3) of source frames start..stop-1; NaN where the face is not seen."""
        a, b = max(self.first, start - CONTEXT_FRAMES), min(self.last + 1, stop + CONTEXT_FRAMES)
        out = np.full((stop - start, 478, 3), np.nan, np.float32)
        if a >= b:
            return out
        rows, slots = np.nonzero(self.owner[a:b] == self.id)
        points = np.full((b - a, 478, 3), np.nan, np.float32)
        for low in range(a, b, self.landmarks.chunk):
            high = min(low + self.landmarks.chunk, b)
            block = self.landmarks.read(low, high)
            here = (rows >= low - a) & (rows < high - a)
            points[rows[here]] = block[rows[here] - (low - a), slots[here]]
        points = tracking.fill_gaps(points)
        window = smoothing.count_window_frames(SMOOTHING_SECONDS, self.interval)
        for i, j in smoothing.find_runs(np.isfinite(points[:, 0, 0])):
            points[i:j] = _smooth_points(points[i:j], window)
        low, high = max(start, a), min(stop, b)
        if low < high:
            out[low - start : high - start] = points[low - a : high - a]
        return out


def _smooth_points(points: np.ndarray, window: int) -> np.ndarray:
    """Meshes (n, 478, 3) of successive frames without their jitter, and lips that move fast as they were."""
    out = smoothing.savgol_filter(points, window)
    lips = list(mesh.LIPS)
    moved = points[:, lips] - out[:, lips]
    eyes = np.linalg.norm(out[:, mesh.EYE_LEFT[0], :2] - out[:, mesh.EYE_RIGHT[1], :2], axis=1)
    far = np.linalg.norm(moved[..., :2], axis=2).mean(1) / np.maximum(eyes, 1e-6)
    out[:, lips] += np.clip(far / MAX_LIP_SHIFT - 1, 0, 1)[:, None, None] * moved
    return out
