"""The motion of the mouth in a video, measured in its pictures."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

LEFT_EYE, RIGHT_EYE = (33, 133), (263, 362)  # corners, in MediaPipe's mesh
INNER_LIPS, CORNERS, OUTER_LIPS = (13, 14), (78, 308), (0, 17)


@dataclass(frozen=True)
class MouthMotion:
    """Per frame: times (n,) seconds from the first frame; opening of the inner lips, width between the corners and
    height over both lips (n,) float64, in distances between the eyes. NaN where no face was seen.
    """

    times: np.ndarray
    opening: np.ndarray
    width: np.ndarray
    height: np.ndarray

    def __len__(self) -> int:
        return len(self.times)

    @property
    def faces(self) -> int:
        """Number of frames with a face."""
        return int(np.isfinite(self.opening).sum())


def measure_mouth_shape(landmarks: np.ndarray) -> tuple[float, float, float]:
    """Opening, width and height of one mouth from mesh points (478, 2 or 3), in distances between the eyes."""
    points = landmarks[:, :2].astype(np.float64)
    unit = np.linalg.norm(points[list(LEFT_EYE)].mean(0) - points[list(RIGHT_EYE)].mean(0))
    if unit == 0:
        return (np.nan,) * 3
    opening, width, height = (
        float(np.linalg.norm(points[a] - points[b]) / unit) for a, b in (INNER_LIPS, CORNERS, OUTER_LIPS)
    )
    return opening, width, height


def track_mouth(frames: Iterable[tuple[float, np.ndarray]]) -> MouthMotion:
    """Follows the most prominent face through frames: (time in seconds, RGB uint8 (h, w, 3))."""
    import mediapipe as mp

    times: list[float] = []
    shapes: list[tuple[float, float, float]] = []
    mesh = mp.solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=True)
    with mesh:
        for time, rgb in frames:
            h, w = rgb.shape[:2]
            found = mesh.process(rgb).multi_face_landmarks
            times.append(time)
            if found:
                shapes.append(measure_mouth_shape(np.array([(p.x * w, p.y * h) for p in found[0].landmark])))
            else:
                shapes.append((np.nan,) * 3)
    columns = np.array(shapes, np.float64).reshape(-1, 3)
    at = np.array(times, np.float64)
    return MouthMotion(at - (at[0] if len(at) else 0), columns[:, 0], columns[:, 1], columns[:, 2])
