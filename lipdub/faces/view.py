"""A track's landmarks read back from the detect store, gaps filled and smoothed, piece by piece."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lipdub.workspace import ChunkedArray

from . import smooth, tracks

# Landmarks jitter by about half a pixel; this much time is averaged (a Savitzky-Golay parabola, zero lag).
SMOOTH_SECONDS = 0.2
# Frames read beyond a piece on both sides, so that smoothing inside it does not depend on where the piece ends.
MARGIN = 16


@dataclass(frozen=True)
class TrackView:
    """Track `id` seen in source frames first..last (inclusive)."""

    landmarks: ChunkedArray
    owner: np.ndarray
    id: int
    first: int
    last: int
    interval: float

    def read(self, start: int, stop: int) -> np.ndarray:
        """Smoothed landmarks (stop-start, 478, 3) of source frames start..stop-1; NaN where the face is not seen."""
        a, b = max(self.first, start - MARGIN), min(self.last + 1, stop + MARGIN)
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
        points = tracks.fill_gaps(points)
        window = smooth.window_for(SMOOTH_SECONDS, self.interval)
        for i, j in smooth.runs(np.isfinite(points[:, 0, 0])):
            points[i:j] = smooth.savgol(points[i:j], window)
        low, high = max(start, a), min(stop, b)
        if low < high:
            out[low - start : high - start] = points[low - a : high - a]
        return out
