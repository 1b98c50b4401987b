"""Landmarks of driven faces: the table of 68 points, the neutral face, and a talker's own face saying
something else."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lipdub.faces import geometry, landmark_animation, landmarks, mesh, mouth_rendering, mouth_shapes
from lipdub.faces.detectors.mediapipe import MediaPipeDetector
from lipdub.faces.track_landmarks import TrackLandmarks
from lipdub.media.read import read_frames
from lipdub.training import neutral_face

SAMPLE = Path(__file__).resolve().parent.parent / "sample"
MIRROR_68 = [
    *range(16, -1, -1),
    *range(26, 16, -1),
    27,
    28,
    29,
    30,
    35,
    34,
    33,
    32,
    31,
    45,
    44,
    43,
    42,
    47,
    46,
    39,
    38,
    37,
    36,
    41,
    40,
    54,
    53,
    52,
    51,
    50,
    49,
    48,
    59,
    58,
    57,
    56,
    55,
    64,
    63,
    62,
    61,
    60,
    67,
    66,
    65,
]


def in_order(points: np.ndarray) -> None:
    """What holds of iBUG's 68 points (68, 2 or 3) on any upright face; x to the right, y down."""
    x, y = points[:, 0], points[:, 1]
    assert (np.diff(x[17:27]) > 0).all() and (np.diff(x[31:36]) > 0).all()  # brows, nose base: left to right
    assert (np.diff(x[4:13]) > 0).all() and (np.diff(y[0:9]) > 0).all() and (np.diff(y[8:17]) < 0).all()  # jaw
    assert y[8] == y.max() and x[0] < x[36] < x[39] < x[27] < x[42] < x[45] < x[16]
    assert (np.diff(y[27:31]) > 0).all() and y[30] < y[33] < y[51] < y[57] < y[8]
    assert y[17:27].max() < y[36:48].min()  # brows above eyes
    for a in (36, 42):  # corner, two upper, corner, two lower
        assert x[a] < x[a + 1] < x[a + 2] < x[a + 3] and x[a + 3] > x[a + 4] > x[a + 5] > x[a]
        assert y[a + 1 : a + 3].max() < y[a + 4 : a + 6].min()
    assert (np.diff(x[48:55]) > 0).all() and (np.diff(x[54:60]) < 0).all()  # outer lips, there and back
    assert (np.diff(x[60:65]) > 0).all() and (np.diff(x[64:68]) < 0).all()
    assert y[49:54].max() < y[55:60].min() and (y[61:64] <= y[[67, 66, 65]] + 0.01).all()
    assert x[48] < x[60] < x[31] and x[35] < x[64] < x[54]
    assert (y[50:53] < y[61:64]).all() and (y[56:59] > y[65:68]).all()  # inner lips inside the outer ones


def test_the_table_names_each_point_once() -> None:
    assert len(landmarks.IBUG) == len(set(landmarks.IBUG)) == 68
    counts = [len(part) for part in landmarks.IBUG_PARTS.values()]
    assert counts == [17, 5, 5, 4, 5, 6, 6, 12, 8]
    assert landmarks.IBUG[48] == 61 and landmarks.IBUG[54] == 291 and landmarks.IBUG[8] == 152
    assert set(landmarks.IBUG[48:60]) <= set(mesh.LIPS_OUTER) and set(landmarks.IBUG[60:]) <= set(mesh.LIPS_INNER)
    assert set(landmarks.IBUG[36:42]) >= set(mesh.EYE_LEFT) and set(landmarks.IBUG[42:48]) >= set(mesh.EYE_RIGHT)
    points = np.arange(2 * 478 * 3).reshape(2, 478, 3)
    assert landmarks.to_point_count(points, 478) is points
    np.testing.assert_array_equal(landmarks.to_point_count(points, 68)[1, 48], points[1, 61])
    with pytest.raises(ValueError):
        landmarks.to_point_count(points, 98)


def test_the_neutral_face_is_upright_symmetric_and_shut() -> None:
    face = landmarks.load_neutral_face()
    assert face.shape == (478, 3)
    points = landmarks.to_ibug(face)
    in_order(points)
    np.testing.assert_allclose(points[MIRROR_68] * (-1, 1, 1), points, atol=1e-4)
    eyes = [face[list(eye)].mean(0) for eye in (mesh.EYE_LEFT, mesh.EYE_RIGHT)]
    assert np.linalg.norm(eyes[1] - eyes[0]) == pytest.approx(1, abs=0.02)
    np.testing.assert_allclose((eyes[0] + eyes[1]) / 2, 0, atol=0.02)
    assert mouth_shapes.measure(face[None])[0, 0] == pytest.approx(0, abs=1e-4)
    assert face[4, 2] < face[[33, 263, 152, 234, 454], 2].min()  # the nose is nearest


def test_the_neutral_face_says_what_it_is_told() -> None:
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
        in_order(landmarks.to_ibug(face))
    assert (np.diff(faces[:3, landmarks.IBUG[66], 1] - faces[:3, landmarks.IBUG[62], 1]) > 0.05).all()


def test_a_leaning_face_is_matched_to_its_mirror_image() -> None:
    face = landmarks.load_neutral_face()
    rng = np.random.default_rng(0)
    index = neutral_face.match_mirror_vertices(face + rng.normal(0, 0.004, face.shape))
    np.testing.assert_array_equal(index[index], np.arange(478))
    assert index[61] == 291 and index[33] == 263 and index[70] == 300 and index[13] == 13 and index[159] == 386
    still = np.repeat(face[None] * 100 + (200, 150, 0), 3, 0)
    fitted = neutral_face.fit_neutral_face(still, mouth_shapes.load_prior())
    np.testing.assert_allclose(fitted, face, atol=0.01)


class Frames:
    """Landmarks as a store keeps them: (frames, 1, 478, 3)."""

    chunk = 7

    def __init__(self, points: np.ndarray) -> None:
        self.points = points[:, None].astype(np.float32)

    def read(self, start: int, stop: int) -> np.ndarray:
        return self.points[start:stop]


@pytest.fixture(scope="module")
def seen() -> np.ndarray:
    """Landmarks of the sample's talker, (60, 478, 3)."""
    with MediaPipeDetector(1) as finder:
        return np.stack(
            [finder.detect([f.picture.rgb()], [False])[0][0] for f in read_frames(SAMPLE / "talker.mp4", 0, 60)]
        )


def viewed(points: np.ndarray) -> TrackLandmarks:
    owner = np.isfinite(points[:, :1, 0]).astype(np.int16)
    return TrackLandmarks(Frames(points), owner, 1, 0, len(points) - 1, 0.04)  # type: ignore[arg-type]


def test_points_of_a_real_picture_are_in_order(seen: np.ndarray) -> None:
    for face in seen[::10]:
        in_order(geometry.to_canonical(face)[list(landmarks.IBUG)])
        points = landmarks.to_ibug(face)
        assert points[48, 0] < points[54, 0] and points[0, 0] < points[16, 0]


def test_a_talker_gets_the_wanted_mouth_and_keeps_his_head(seen: np.ndarray) -> None:
    prior = mouth_shapes.load_prior()
    canonical = geometry.estimate_canonical_face(seen)
    own = geometry.estimate_head_pose(canonical, seen).invert(seen)
    fit = mouth_shapes.ResponseFit(2)
    fit.add(own, mouth_shapes.measure(own))
    response = fit.solve(canonical, prior)
    follow = landmark_animation.compute_follow_weights(mouth_rendering.build_skin_mesh(canonical, prior))
    assert follow.min() == 0 and (follow[list(mesh.LIPS)] == 1).all() and follow[33] == 0
    frames = np.array([40, 41, 3, 3, 59])
    wanted = np.array([[0.0, 0.8], [0.2, 0.8], [0.1, 0.75], [0.0, 0.85], [0.15, 0.8]])
    view = viewed(seen)
    made = landmark_animation.animate_talker(view, canonical, response, follow, frames, wanted)
    assert made.shape == (5, 478, 3) and made.dtype == np.float32
    smoothed = np.concatenate([view.read(k, k + 1) for k in frames])
    pose = geometry.estimate_head_pose(canonical, smoothed.astype(np.float64))
    own = pose.invert(made.astype(np.float64))
    np.testing.assert_allclose(own[:, 14, 1] - own[:, 13, 1], wanted[:, 0], atol=2e-3)
    np.testing.assert_allclose(own[:, 291, 0] - own[:, 61, 0], wanted[:, 1], atol=2e-3)
    upper = [i for i in range(468) if follow[i] == 0]
    np.testing.assert_allclose(made[:, upper], smoothed[:, upper], atol=0.01)
    assert np.linalg.norm(made - seen[frames], axis=2).max() < 60


def test_frames_without_the_face_are_nan_and_order_does_not_matter(seen: np.ndarray) -> None:
    prior, canonical = mouth_shapes.load_prior(), geometry.estimate_canonical_face(seen)
    response = mouth_shapes.MouthResponse(canonical, mouth_shapes.measure(canonical[None])[0], prior.gain)
    follow = landmark_animation.compute_follow_weights(mouth_rendering.build_skin_mesh(canonical, prior))
    gone = np.concatenate([seen, seen[::-1], seen]).copy()  # longer than a block
    gone[20:40] = np.nan
    frames = np.concatenate([np.arange(180), [10, 500]])
    wanted = np.tile([0.1, 0.8], (len(frames), 1))
    made = landmark_animation.animate_talker(viewed(gone), canonical, response, follow, frames, wanted)
    assert np.isnan(made[20:40]).all() and np.isnan(made[-1]).all() and np.isfinite(made[:20]).all()
    assert np.isfinite(made[40:181]).all()
    np.testing.assert_array_equal(made[10], made[180])
    turned = np.random.default_rng(0).permutation(len(frames))
    again = landmark_animation.animate_talker(viewed(gone), canonical, response, follow, frames[turned], wanted[turned])
    np.testing.assert_array_equal(again, made[turned])
