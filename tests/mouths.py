"""Follows the mouth through frames in memory, for tests and benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.metrics.mouth_motion import MouthMotion, measure_mouth_shape

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lipdub.arrays import U8


def track_mouth(frames: Iterable[tuple[float, U8]]) -> MouthMotion:
    """Follow the most prominent face through frames: (time in seconds, RGB uint8 (h, w, 3))."""
    import mediapipe as mp

    times: list[float] = []
    shapes: list[tuple[float, float, float]] = []
    mesh = mp.solutions.face_mesh.FaceMesh(static_image_mode=False, max_num_faces=1, refine_landmarks=True)
    with mesh:
        for time, rgb in frames:
            height, width = rgb.shape[:2]
            faces = mesh.process(rgb).multi_face_landmarks
            times.append(time)
            if faces:
                shapes.append(measure_mouth_shape(np.array([(p.x * width, p.y * height) for p in faces[0].landmark])))
            else:
                shapes.append((np.nan,) * 3)
    columns = np.array(shapes, np.float64).reshape(-1, 3)
    seconds = np.array(times, np.float64)
    seconds = seconds - (seconds[0] if len(seconds) else 0)
    return MouthMotion(seconds, columns[:, 0], columns[:, 1], columns[:, 2])
