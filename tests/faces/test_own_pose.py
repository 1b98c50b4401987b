"""The pose of a face by its own symmetric points."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces import geometry, mesh
from tests.faces.made_faces import make_face, rotation, with_lips


@pytest.mark.parametrize("angles", [(0, 0, 0), (25, -10, 5), (-60, 20, 100)])
def test_the_pose_of_a_symmetric_face_is_found_exactly(angles: tuple[float, float, float]) -> None:
    face = make_face(np.random.default_rng(0))
    true = geometry.Pose(np.array([80.0]), rotation(*angles)[None], np.array([[40.0, -7.0, 3.0]]))
    points = true.apply(face[None])[0]
    found = geometry.estimate_own_pose(points)
    assert np.allclose(found.scale, true.scale) and found.scale.shape == (1,)
    assert np.allclose(found.rotation, true.rotation) and found.rotation.shape == (1, 3, 3)
    assert np.allclose(found.translation, true.translation) and found.translation.shape == (1, 3)
    assert np.allclose(found.invert(points[None])[0], face) and np.allclose(geometry.to_canonical(points), face)


def test_it_does_not_depend_on_the_mouth() -> None:
    face = make_face(np.random.default_rng(1))
    shut, opened = (geometry.estimate_own_pose(90 * with_lips(face, opening, 0.7)) for opening in (0.0, 0.4))
    for name in ("scale", "rotation", "translation"):
        assert np.array_equal(getattr(shut, name), getattr(opened, name))


def test_a_canonical_face_has_its_eyes_a_unit_apart_about_the_origin() -> None:
    rng = np.random.default_rng(2)
    points = 70 * (make_face(rng) + rng.normal(0, 0.02, (mesh.VERTICES, 3))) @ rotation(10, 5, -20).T + 100
    canonical = geometry.to_canonical(points)
    eyes = np.stack([canonical[list(eye)].mean(0) for eye in (mesh.EYE_LEFT, mesh.EYE_RIGHT)])
    assert np.allclose(eyes.mean(0), 0) and np.linalg.norm(eyes[1] - eyes[0]) == pytest.approx(1)
    rows = geometry.estimate_axes(canonical)
    assert np.allclose(rows, np.eye(3)), "right, down, and away from the camera"
