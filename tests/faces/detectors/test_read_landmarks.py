"""Points of MediaPipe's lists are read as they are, whichever fields they have."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces.detectors.mediapipe import read_landmarks

landmark_pb2 = pytest.importorskip("mediapipe.framework.formats.landmark_pb2")


def _make_list(points: np.ndarray, *, has_presence: bool) -> object:
    face = landmark_pb2.NormalizedLandmarkList()
    for i, (x, y, z) in enumerate(points.tolist()):
        point = face.landmark.add(x=x, y=y, z=z)
        if has_presence and i % 2:
            point.presence = 0.5
    return face


@pytest.mark.parametrize("count", [0, 1, 478])
@pytest.mark.parametrize("has_presence", [False, True])
def test_points_are_read_exactly(count: int, has_presence: bool) -> None:
    points = np.random.default_rng(count).normal(0, 1, (count, 3)).astype(np.float32)
    points[: count // 3] = 0
    read = read_landmarks(_make_list(points, has_presence=has_presence))
    assert read.dtype == np.float32
    np.testing.assert_array_equal(read, points)


def test_a_field_that_is_not_set_is_zero() -> None:
    face = landmark_pb2.NormalizedLandmarkList()
    face.landmark.add(y=2.0)
    face.landmark.add(x=1.0, y=2.0, z=3.0)
    np.testing.assert_array_equal(read_landmarks(face), [[0, 2, 0], [1, 2, 3]])
