"""Pose, mouth measures and the response model on faces made by code."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces import geometry, mesh, mouth_rendering, mouth_shapes

NO_SKIN = (np.zeros(0, int), np.zeros((0, 3), int))


def face(rng: np.random.Generator) -> np.ndarray:
    """A mirror-symmetric cloud with the mesh's named points where a face has them: (478, 3) canonical."""
    points = rng.normal(0, 0.4, (478, 3))
    for a, b in mesh.MIRROR:
        points[a] = (-abs(points[a, 0]) - 0.2, points[a, 1], points[a, 2])
        points[b] = points[a] * (-1, 1, 1)
    points[[10, 151]] = [(0, -1.0, 0), (0, -0.8, 0)]
    points[[168, 6, 197]] = [(0, 0.0, 0), (0, 0.1, 0), (0, 0.2, 0)]
    for i in mesh.EYE_LEFT:
        points[i] = (-0.5, 0, 0)
    for i in mesh.EYE_RIGHT:
        points[i] = (0.5, 0, 0)
    return lips(points, 0.1, 0.8)


def lips(points: np.ndarray, opening: float, width: float) -> np.ndarray:
    """The same face with lip rings of that opening and width about (0, 0.9)."""
    out = points.copy()
    angle = np.linspace(np.pi, -np.pi, 21)[:-1]
    for r, ring in enumerate(mesh.LIP_RINGS):
        grow = 1 - 0.1 * r
        height = (0.12 * (3 - r) / 3 + opening / 2, 0.16 * (3 - r) / 3 + opening / 2)
        y = np.where(np.sin(angle) > 0, -np.sin(angle) * height[0], -np.sin(angle) * height[1])
        out[list(ring)] = np.stack([np.cos(angle) * width / 2 * grow, 0.9 + y, np.zeros(20)], 1)
    out[61], out[291] = (-width / 2, 0.9, 0), (width / 2, 0.9, 0)
    return out


def turned(yaw: float, pitch: float, roll: float) -> np.ndarray:
    y, p, r = np.radians([yaw, pitch, roll])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rx = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    rz = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return rz @ rx @ ry


def test_similarities_are_recovered_exactly() -> None:
    rng = np.random.default_rng(0)
    source = rng.normal(size=(30, 3))
    rotation = np.stack([turned(20, -10, 5), turned(-35, 12, -20)])
    true = geometry.Pose(np.array([80.0, 120.0]), rotation, rng.normal(size=(2, 3)) * 50)
    found = geometry.fit_similarity(source, true.apply(np.stack([source, source])))
    assert np.allclose(found.scale, true.scale)
    assert np.allclose(found.rotation, true.rotation)
    assert np.allclose(found.translation, true.translation)
    assert np.allclose(found.invert(true.apply(np.stack([source] * 2))), source)


def test_canonical_face_and_measures_do_not_depend_on_the_pose() -> None:
    rng = np.random.default_rng(1)
    still = face(rng)
    poses = geometry.Pose(
        np.array([100.0, 140.0, 90.0]),
        np.stack([turned(0, 0, 0), turned(15, 8, -12), turned(-20, -5, 9)]),
        rng.normal(size=(3, 3)) * 100,
    )
    wanted = np.array([[0.02, 0.7], [0.2, 0.85], [0.35, 0.6]])
    faces = poses.apply(np.stack([lips(still, *w) for w in wanted]))
    canonical = geometry.estimate_canonical_face(faces)
    assert np.allclose(
        mouth_shapes.measure(geometry.estimate_head_pose(canonical, faces).invert(faces)), wanted, atol=1e-6
    )
    angles = geometry.estimate_head_pose(canonical, faces).angles()
    assert np.allclose(np.diff(angles[:, 2])[0], -12, atol=1.5)


def test_own_angles_of_a_face_are_those_it_was_turned_by() -> None:
    still = face(np.random.default_rng(5))
    for angles in ((0, 0, 0), (25, 0, 0), (0, -15, 0), (0, 0, 20), (-30, 10, 8)):
        poses = geometry.Pose(np.array([100.0]), turned(*angles)[None], np.zeros((1, 3)))
        found = geometry.estimate_angles(poses.apply(still[None])[0])
        assert np.allclose(found, poses.angles()[0], atol=1e-6)


def test_response_of_a_moving_talker_is_his_own_and_of_a_still_one_the_priors() -> None:
    rng = np.random.default_rng(2)
    base, gain = rng.normal(size=(478, 3)), rng.normal(size=(2, 478, 3))
    prior = mouth_shapes.MouthPrior(
        np.zeros((2, 478, 3)), np.array([0, 0.7]), np.array([0, 0.8]), np.array([0.2, 0.9]), *NO_SKIN
    )
    measures = np.stack([rng.uniform(0, 0.3, 2000), rng.uniform(0.6, 0.9, 2000)], 1)
    frames = base + np.einsum("nm,mpc->npc", measures, gain)
    fit = mouth_shapes.ResponseFit(2)
    fit.add(frames[:1000], measures[:1000])
    fit.add(frames[1000:], measures[1000:])
    solved = fit.solve(base, prior)
    assert np.allclose(solved.gain, gain, rtol=0.05, atol=0.05)
    assert np.allclose(solved.shape(measures[:5]), frames[:5], atol=0.05)
    still = mouth_shapes.ResponseFit(2)
    still.add(frames[:1].repeat(50, 0), measures[:1].repeat(50, 0))
    assert np.allclose(still.solve(base, prior).gain, prior.gain)


def test_wanted_shape_has_the_wanted_opening_and_width_and_lips_never_cross() -> None:
    rng = np.random.default_rng(3)
    still = face(rng)
    shape = np.stack([lips(still, o, w) for o, w in ((0.0, 0.8), (0.3, 0.8), (0.1, 0.6))])
    wanted = np.array([[0.25, 0.7], [0.0, 0.9], [0.1, 0.6]])
    made = mouth_rendering.set_opening(mouth_rendering.set_width(shape, wanted[:, 1]), wanted[:, 0])
    assert np.allclose(mouth_shapes.measure(made), wanted, atol=1e-9)
    gap = made[:, mesh.INNER_LOWER, 1] - made[:, mesh.INNER_UPPER, 1]
    assert (gap >= -1e-9).all()


def test_range_of_a_talker() -> None:
    prior = mouth_shapes.MouthPrior(
        np.zeros((2, 478, 3)), np.array([0, 0.79]), np.array([0, 0.85]), np.array([0.21, 0.89]), *NO_SKIN
    )
    t = np.linspace(0, 30, 500)
    talking = np.stack([0.12 + 0.12 * np.sin(t), 0.8 + 0.05 * np.cos(t)], 1)
    own = mouth_shapes.estimate_speech_range(talking, prior)
    assert own.trust == 1 and own.high[0] == pytest.approx(0.24, abs=0.01) and own.rest[0] == 0
    still = mouth_shapes.estimate_speech_range(np.tile([0.1, 0.8], (200, 1)), prior)
    assert still.trust == 0 and still.high[0] == pytest.approx(0.21) and still.rest[0] == 0
    at_rest = mouth_shapes.map_motion_to_range(np.zeros(3), np.zeros(3), own)
    assert np.allclose(at_rest, own.rest)
    wide = mouth_shapes.map_motion_to_range(np.ones(1), np.ones(1), own)
    assert np.allclose(wide[0], own.high + (0, own.slope * (own.high[0] - own.rest[0])))
    smiler = talking + np.stack([np.zeros(500), 0.5 * (talking[:, 0] - 0.12)], 1)
    assert mouth_shapes.estimate_speech_range(smiler, prior).slope == pytest.approx(0.35, abs=0.05)


def test_quiet_speech_is_opened_to_the_talkers_range_but_never_boundlessly() -> None:
    quiet, loud, limits = np.linspace(0, 0.7, 500), np.linspace(0, 1.1, 500), mouth_shapes.OPENING_GAIN_LIMITS
    assert 1 < mouth_shapes.estimate_motion_gain(quiet, 20, limits) <= limits[1]
    assert limits[0] <= mouth_shapes.estimate_motion_gain(loud, 20, limits) < 1
    assert mouth_shapes.estimate_motion_gain(np.zeros(100), 20, limits) == 1
    assert abs(mouth_shapes.estimate_motion_gain(quiet, 0.3, limits) - 1) < abs(
        mouth_shapes.estimate_motion_gain(quiet, 20, limits) - 1
    )
    assert mouth_shapes.estimate_motion_gain(-quiet / 9, 20, mouth_shapes.WIDTH_GAIN_LIMITS) > 2
