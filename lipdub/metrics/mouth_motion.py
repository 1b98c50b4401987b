"""The motion of the mouth in a video, measured by the face mesh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F64, Array

LEFT_EYE, RIGHT_EYE = (33, 133), (263, 362)  # corners, in MediaPipe's mesh
INNER_LIPS, CORNERS, OUTER_LIPS = (13, 14), (78, 308), (0, 17)


@dataclass(frozen=True)
class MouthMotion:
    """Shape of the mouth in each frame, NaN if no face was found.

    Attributes:
        times: (n,) float64 seconds after the first frame.
        opening: (n,) float64 of the inner lips, eye distances.
        width: (n,) float64 between the corners, eye distances.
        height: (n,) float64 over both lips, eye distances.
    """

    times: F64
    opening: F64
    width: F64
    height: F64

    def __len__(self) -> int:
        return len(self.times)

    @property
    def faces(self) -> int:
        """The number of frames with a face."""
        return int(np.isfinite(self.opening).sum())


def measure_mouth_shape(landmarks: Array) -> tuple[float, float, float]:
    """Measure opening, width and height of one mouth, in eye distances.

    Args:
        landmarks: (478, 2 or 3) mesh points, pixels.
    """
    points = landmarks[:, :2].astype(np.float64)
    unit = np.linalg.norm(points[list(LEFT_EYE)].mean(0) - points[list(RIGHT_EYE)].mean(0))
    if unit == 0:
        return np.nan, np.nan, np.nan
    opening, width, height = (
        float(np.linalg.norm(points[a] - points[b]) / unit) for a, b in (INNER_LIPS, CORNERS, OUTER_LIPS)
    )
    return opening, width, height
