"""Landmark animation: faces whose lips follow other speech.

There are two geometries: a talker's own, in pixels of the video (`animate_talker`), and a neutral face's, canonical
(`animate_neutral_face`): the distance of the eye centres is 1, the origin lies between the eyes, x points to the
picture's right, y down, z away from the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import geometry, landmarks, mesh, mouth_rendering, mouth_shapes, smoothing
from lipdub.faces.track_landmarks import LANDMARK_BLOCK

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I64, Mask
    from lipdub.faces.track_landmarks import TrackLandmarks

# The part of a talker's expression that speech does not explain is averaged over this time: a Gaussian whose standard
# deviation is half of it, cut off at three of them.
RESIDUAL_SECONDS = 0.8
_SIGMAS = 3


def animate_neutral_face(opening: F64, width: F64) -> F64:
    """Compute the neutral face with given lip motion.

    Args:
        opening: (n,) 0..1.
        width: (n,) -1..1.

    Returns:
        (n, 478, 3) float64 canonical faces.
    """
    prior, face = mouth_shapes.load_prior(), landmarks.load_neutral_face()
    response = mouth_shapes.MouthResponse(face, mouth_shapes.measure(face[None])[0], prior.gain)
    span = mouth_shapes.SpeechRange(prior.low, prior.rest, prior.high, trust=0.0)
    measures = mouth_shapes.map_motion_to_range(opening, width, span)
    shapes = mouth_rendering.set_width(response.shape(measures), measures[:, mouth_shapes.WIDTH])
    return mouth_rendering.set_opening(shapes, measures[:, mouth_shapes.OPENING])


def compute_follow_weights(skin: mouth_rendering.SkinMesh) -> F64:
    """Compute how far, 0..1, each vertex (478,) follows the target mouth: the skin by its mesh, the lips fully."""
    out = np.zeros(mesh.VERTICES)
    out[skin.vertices] = skin.weight
    out[list(mesh.LIPS)] = 1
    return out


@dataclass(frozen=True)
class PosedFrames:
    """Successive frames of a track, of which m show the face.

    Attributes:
        first: source frame of the first one.
        valid: (frames,) bool, the face is visible.
        points: (m, 478, 3) landmarks in pixels.
        pose: the m poses.
        shape: (m, 478, 3) canonical faces.
        residual: (m, 478, 3) slow part of the shape that the mouth's measures do not explain.
    """

    first: int
    valid: Mask
    points: F64
    pose: geometry.Pose
    shape: F64
    residual: F64

    def rows(self, frames: I64) -> I64:
        """Find the row of each source frame (n,) among the m; -1 where the face is not visible."""
        index = np.where(self.valid, np.cumsum(self.valid) - 1, -1)
        rows: I64 = index[frames - self.first]
        return rows


def pose_frames(
    track: TrackLandmarks, canonical: F64, response: mouth_shapes.MouthResponse, low: int, high: int
) -> PosedFrames | None:
    """Estimate pose, shape and residual of source frames.

    It reads enough frames around them that the residual does not depend on where the frames are cut.

    Args:
        track: the track's landmarks.
        canonical: (478, 3) the talker's mean face.
        response: the talker's mouth response.
        low: first source frame.
        high: last source frame, inclusive.

    Returns:
        the frames and those around them; None where no frame shows the face.
    """
    margin = count_residual_margin(track)
    first = max(track.first, low - margin)
    points = track.read(first, min(track.last, high + margin) + 1).astype(np.float64)
    valid = np.isfinite(points[:, 0, 0])
    if not valid.any():
        return None
    visible = points[valid]
    pose = geometry.estimate_head_pose(canonical, visible)
    shape = pose.invert(visible)
    unexplained = shape - response.shape(mouth_shapes.measure(shape))
    residual = smoothing.gaussian_filter(unexplained, RESIDUAL_SECONDS / 2 / track.interval)
    return PosedFrames(first, valid, visible, pose, shape, residual)


def count_residual_margin(track: TrackLandmarks) -> int:
    """Count the frames on each side of a frame on which its residual depends."""
    return int(np.ceil(_SIGMAS * RESIDUAL_SECONDS / 2 / track.interval))


def animate_talker(
    track: TrackLandmarks,
    canonical: F64,
    response: mouth_shapes.MouthResponse,
    follow: F64,
    frames: I64,
    measures: F64,
) -> F32:
    """Compute a talker's landmarks with target mouths.

    Args:
        track: the track's landmarks.
        canonical: (478, 3) the talker's mean face.
        response: the talker's mouth response.
        follow: (478,) `compute_follow_weights`.
        frames: (n,) source frames in any order.
        measures: (n, 2) target opening and width in eye distances.

    Returns:
        (n, 478, 3) float32 display pixels, z in pixels too; NaN where the face is not visible.
    """
    out = np.full((len(frames), mesh.VERTICES, 3), np.nan, np.float32)
    order = np.argsort(frames, kind="stable")
    inside = order[(frames[order] >= track.first) & (frames[order] <= track.last)]
    for low in range(track.first, track.last + 1, LANDMARK_BLOCK):
        block = inside[(frames[inside] >= low) & (frames[inside] < low + LANDMARK_BLOCK)]
        if not len(block):
            continue
        poses = pose_frames(track, canonical, response, low, low + LANDMARK_BLOCK - 1)
        if poses is None:
            continue
        rows = poses.rows(frames[block])
        block, rows = block[rows >= 0], rows[rows >= 0]
        if not len(block):
            continue
        target = mouth_rendering.build_target_shapes(
            response, poses.residual[rows], measures[block], poses.shape[rows], follow
        )
        out[block] = poses.pose[rows].apply(target)
    return out
