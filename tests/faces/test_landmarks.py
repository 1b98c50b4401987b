"""Landmark formats: the table of 68 points and the neutral face."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces import landmarks, mesh, mouth_shapes
from tests.faces.made_faces import check_order

# Each of iBUG's points and its mirror image.
# fmt: off
MIRROR_68 = [
    *range(16, -1, -1), *range(26, 16, -1), 27, 28, 29, 30, 35, 34, 33, 32, 31, 45, 44, 43, 42, 47, 46, 39, 38, 37, 36,
    41, 40, 54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55, 64, 63, 62, 61, 60, 67, 66, 65,
]
# fmt: on


def test_the_table_names_each_point_once() -> None:
    assert len(landmarks.IBUG) == len(set(landmarks.IBUG)) == 68
    counts = [len(part) for part in landmarks.IBUG_PARTS.values()]
    assert counts == [17, 5, 5, 4, 5, 6, 6, 12, 8]
    assert landmarks.IBUG[48] == 61 and landmarks.IBUG[54] == 291 and landmarks.IBUG[8] == 152
    assert set(landmarks.IBUG[48:60]) <= set(mesh.LIPS_OUTER) and set(landmarks.IBUG[60:]) <= set(mesh.LIPS_INNER)
    assert set(landmarks.IBUG[36:42]) >= set(mesh.EYE_LEFT) and set(landmarks.IBUG[42:48]) >= set(mesh.EYE_RIGHT)
    points = np.arange(2 * 478 * 3).reshape(2, 478, 3)
    assert landmarks.to_point_count(points, 478) is points
    ibug = landmarks.to_ibug(points)
    assert landmarks.to_ibug(ibug) is ibug
    np.testing.assert_array_equal(landmarks.to_point_count(points, 68)[1, 48], points[1, 61])
    with pytest.raises(ValueError, match="68 or 478"):
        landmarks.to_point_count(points, 98)


def test_the_neutral_face_is_upright_symmetric_and_shut() -> None:
    face = landmarks.load_neutral_face()
    assert face.shape == (478, 3)
    points = landmarks.to_ibug(face)
    check_order(points)
    np.testing.assert_allclose(points[MIRROR_68] * (-1, 1, 1), points, atol=1e-4)
    eyes = [face[list(eye)].mean(0) for eye in (mesh.EYE_LEFT, mesh.EYE_RIGHT)]
    assert np.linalg.norm(eyes[1] - eyes[0]) == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose((eyes[0] + eyes[1]) / 2, 0, atol=0.02)
    assert mouth_shapes.measure(face[None])[0, 0] == pytest.approx(0, abs=1e-4)
    assert face[4, 2] < face[[33, 263, 152, 234, 454], 2].min()  # the nose is nearest
