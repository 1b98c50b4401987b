"""Pose and canonical space on faces made by code."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.faces import geometry, mouth_shapes
from tests.faces.made_faces import make_face, rotation, with_lips
from tests.properties import repeatable

ANGLES = st.floats(-80, 80)


def test_similarities_are_recovered_exactly() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(30, 3))
    rotations = np.stack([rotation(20, -10, 5), rotation(-35, 12, -20)])
    true = geometry.Pose(np.array([80.0, 120.0]), rotations, rng.normal(size=(2, 3)) * 50)
    found = geometry.fit_similarity(source, true.apply(np.stack([source, source])))
    assert np.allclose(found.scale, true.scale)
    assert np.allclose(found.rotation, true.rotation)
    assert np.allclose(found.translation, true.translation)
    assert np.allclose(found.invert(true.apply(np.stack([source] * 2))), source)


@repeatable
@given(yaw=ANGLES, pitch=ANGLES, roll=ANGLES, scale=st.floats(1, 1000), x=st.floats(-5000, 5000))
def test_a_pose_and_its_inverse_are_a_round_trip(yaw: float, pitch: float, roll: float, scale: float, x: float) -> None:
    pose = geometry.Pose(np.array([scale]), rotation(yaw, pitch, roll)[None], np.array([[x, -x / 2, 1.0]]))
    points = np.random.default_rng(0).normal(size=(1, 20, 3))
    assert np.allclose(pose.invert(pose.apply(points)), points, atol=1e-6)
    found = geometry.fit_similarity(points[0], pose.apply(points))
    assert np.allclose(found.apply(points), pose.apply(points), atol=1e-6 * scale + 1e-6)


def test_canonical_face_and_measures_do_not_depend_on_the_pose() -> None:
    rng = np.random.default_rng(1)
    still = make_face(rng)
    poses = geometry.Pose(
        np.array([100.0, 140.0, 90.0]),
        np.stack([rotation(0, 0, 0), rotation(15, 8, -12), rotation(-20, -5, 9)]),
        rng.normal(size=(3, 3)) * 100,
    )
    measures = np.array([[0.02, 0.7], [0.2, 0.85], [0.35, 0.6]])
    faces = poses.apply(np.stack([with_lips(still, *m) for m in measures]))
    canonical = geometry.estimate_canonical_face(faces)
    pose = geometry.estimate_head_pose(canonical, faces)
    assert np.allclose(mouth_shapes.measure(pose.invert(faces)), measures, atol=1e-6)
    assert np.allclose(np.diff(pose.angles()[:, 2])[0], -12, atol=1.5)


def test_estimated_angles_of_a_face_are_those_it_was_turned_by() -> None:
    still = make_face(np.random.default_rng(5))
    for angles in ((0, 0, 0), (25, 0, 0), (0, -15, 0), (0, 0, 20), (-30, 10, 8)):
        poses = geometry.Pose(np.array([100.0]), rotation(*angles)[None], np.zeros((1, 3)))
        found = geometry.estimate_angles(poses.apply(still[None])[0])
        assert np.allclose(found, poses.angles()[0], atol=1e-6)


@pytest.mark.parametrize("roll", [0.0, 88.0, 176.0, -94.0, -178.0])
def test_yaw_and_pitch_are_those_of_the_picture_turned_upright(roll: float) -> None:
    nearest = 90 * round(roll / 90)
    level, turned = rotation(30, -10, roll - nearest), rotation(0, 0, nearest) @ rotation(30, -10, roll - nearest)
    pose = geometry.Pose(np.ones(2), np.stack([level, turned]), np.zeros((2, 3)))
    one, other = pose.angles()
    assert np.allclose(other[:2], one[:2], atol=1e-6)
    assert (other[2] - one[2] - nearest + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)
