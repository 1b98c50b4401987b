"""Landmark animation: the neutral face, and a talker's own face, with other lips."""

from __future__ import annotations

import numpy as np
import pytest

from lipdub.faces import geometry, landmark_animation, landmarks, mesh, mouth_rendering, mouth_shapes
from lipdub.faces.detectors.mediapipe import MediaPipeDetector
from lipdub.media.read import read_frames
from tests.faces.made_faces import check_order, open_track
from tests.sample import TALKER


def test_the_neutral_face_follows_the_lip_motion() -> None:
    opening, width = np.array([0.0, 0.5, 1.0, 0.0, 0.3]), np.array([0.0, 0.0, 0.0, 1.0, -1.0])
    faces = landmark_animation.animate_neutral_face(opening, width)
    width_of, prior = mouth_shapes.measure(faces)[:, 1], mouth_shapes.load_prior()
    np.testing.assert_allclose(faces[0], landmarks.load_neutral_face(), atol=1e-3)
    np.testing.assert_allclose(faces[:, 14, 1] - faces[:, 13, 1], opening * prior.high[0], atol=1e-6)
    assert width_of[3] == pytest.approx(prior.high[1], abs=1e-3) and width_of[4] == pytest.approx(
        prior.low[1], abs=1e-3
    )
    chin = faces[:, 152, 1]
    assert chin[0] < chin[1] < chin[2]
    for face in faces:
        check_order(landmarks.to_ibug(face))
    assert (np.diff(faces[:3, landmarks.IBUG[66], 1] - faces[:3, landmarks.IBUG[62], 1]) > 0.05).all()


@pytest.fixture(scope="module")
def detected() -> np.ndarray:
    """Landmarks of the sample's talker, (60, 478, 3)."""
    with MediaPipeDetector(1) as finder:
        return np.stack([finder.detect([f.picture.rgb()], [False])[0][0] for f in read_frames(TALKER, 0, 60)])


def test_points_of_a_real_picture_are_check_order(detected: np.ndarray) -> None:
    for face in detected[::10]:
        check_order(geometry.to_canonical(face)[list(landmarks.IBUG)])
        points = landmarks.to_ibug(face)
        assert points[48, 0] < points[54, 0] and points[0, 0] < points[16, 0]


def test_a_talker_gets_the_target_mouth_and_keeps_the_head(detected: np.ndarray) -> None:
    prior = mouth_shapes.load_prior()
    canonical = geometry.estimate_canonical_face(detected)
    own = geometry.estimate_head_pose(canonical, detected).invert(detected)
    fit = mouth_shapes.ResponseFit(2)
    fit.add(own, mouth_shapes.measure(own))
    response = fit.solve(canonical, prior)
    follow = landmark_animation.compute_follow_weights(mouth_rendering.build_skin_mesh(canonical, prior))
    assert follow.min() == 0 and (follow[list(mesh.LIPS)] == 1).all() and follow[33] == 0
    frames = np.array([40, 41, 3, 3, 59])
    targets = np.array([[0.0, 0.8], [0.2, 0.8], [0.1, 0.75], [0.0, 0.85], [0.15, 0.8]])
    view = open_track(detected)
    result = landmark_animation.animate_talker(view, canonical, response, follow, frames, targets)
    assert result.shape == (5, 478, 3) and result.dtype == np.float32
    smoothed = np.concatenate([view.read(k, k + 1) for k in frames])
    pose = geometry.estimate_head_pose(canonical, smoothed.astype(np.float64))
    own = pose.invert(result.astype(np.float64))
    np.testing.assert_allclose(own[:, 14, 1] - own[:, 13, 1], targets[:, 0], atol=2e-3)
    np.testing.assert_allclose(own[:, 291, 0] - own[:, 61, 0], targets[:, 1], atol=2e-3)
    upper = [i for i in range(468) if follow[i] == 0]
    np.testing.assert_allclose(result[:, upper], smoothed[:, upper], atol=0.01)
    assert np.linalg.norm(result - detected[frames], axis=2).max() < 60


def test_frames_without_the_face_are_nan_and_order_does_not_matter(detected: np.ndarray) -> None:
    prior, canonical = mouth_shapes.load_prior(), geometry.estimate_canonical_face(detected)
    response = mouth_shapes.MouthResponse(canonical, mouth_shapes.measure(canonical[None])[0], prior.gain)
    follow = landmark_animation.compute_follow_weights(mouth_rendering.build_skin_mesh(canonical, prior))
    gone = np.concatenate([detected, detected[::-1], detected]).copy()  # longer than a block
    gone[20:40] = np.nan
    frames = np.concatenate([np.arange(180), [10, 500]])
    targets = np.tile([0.1, 0.8], (len(frames), 1))
    result = landmark_animation.animate_talker(open_track(gone), canonical, response, follow, frames, targets)
    assert np.isnan(result[20:40]).all() and np.isnan(result[-1]).all() and np.isfinite(result[:20]).all()
    assert np.isfinite(result[40:181]).all()
    np.testing.assert_array_equal(result[10], result[180])
    shuffled = np.random.default_rng(0).permutation(len(frames))
    again = landmark_animation.animate_talker(
        open_track(gone), canonical, response, follow, frames[shuffled], targets[shuffled]
    )
    np.testing.assert_array_equal(again, result[shuffled])
