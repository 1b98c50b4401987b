"""Landmark animation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import geometry, mesh, mouth_rendering, mouth_shapes, smoothing

if TYPE_CHECKING:
    from lipdub.faces.track_landmarks import TrackLandmarks
from lipdub.faces.landmarks import load_neutral_face

# The part of a talker's expression that speech does not explain is averaged over this long.
RESIDUAL_SECONDS = 0.8


BLOCK_FRAMES = 96  # frames worked out together: bounds memory


def animate_neutral_face(opening: np.ndarray, width: np.ndarray) -> np.ndarray:
    """The neutral face saying lip motion of opening 0..1 and width -1..1, each (n,): float64 (n, 478, 3),
    canonical.
    """
    prior, face = mouth_shapes.load_prior(), load_neutral_face()
    response = mouth_shapes.MouthResponse(face, mouth_shapes.measure(face[None])[0], prior.gain)
    wanted = mouth_shapes.map_motion_to_range(
        opening, width, mouth_shapes.SpeechRange(prior.low, prior.rest, prior.high, 0.0)
    )
    return mouth_rendering.set_opening(mouth_rendering.set_width(response.shape(wanted), wanted[:, 1]), wanted[:, 0])


def compute_follow_weights(skin: mouth_rendering.SkinMesh) -> np.ndarray:
    """How far each vertex follows the wanted mouth, (478,): the skin by its mesh's weight, the lips fully."""
    out = np.zeros(478)
    out[skin.vertices] = skin.weight
    out[list(mesh.LIPS)] = 1
    return out


@dataclass(frozen=True)
class PosedFrames:
    """Frames of a track, of which `valid`, bool (frames,), show the face; for those, in order: points (m, 478, 3) as
    read, their pose, their canonical shape (m, 478, 3), and the slow part of it that the mouth's measures do not
    explain.
    """

    first: int
    valid: np.ndarray
    points: np.ndarray
    pose: geometry.Pose
    shape: np.ndarray
    residual: np.ndarray

    def rows(self, frames: np.ndarray) -> np.ndarray:
        """Row of each of the source frames among the valid ones, -1 where the face is not seen; int (n,)."""
        index = np.where(self.valid, np.cumsum(self.valid) - 1, -1)
        return index[frames - self.first]


def pose_frames(
    view: TrackLandmarks, canonical: np.ndarray, response: mouth_shapes.MouthResponse, low: int, high: int
) -> PosedFrames | None:
    """A talker's faces in the source frames low..high, read with enough around them that the residual does not depend
    on where they are cut; None where no face is seen. canonical: (478, 3) his mean face.
    """
    sigma = RESIDUAL_SECONDS / 2 / view.interval
    margin = count_residual_margin(view)
    first = max(view.first, low - margin)
    points = view.read(first, min(view.last, high + margin) + 1).astype(np.float64)
    valid = np.isfinite(points[:, 0, 0])
    if not valid.any():
        return None
    seen = points[valid]
    pose = geometry.estimate_head_pose(canonical, seen)
    shape = pose.invert(seen)
    residual = smoothing.gaussian_filter(shape - response.shape(mouth_shapes.measure(shape)), sigma)
    return PosedFrames(first, valid, seen, pose, shape, residual)


def count_residual_margin(view: TrackLandmarks) -> int:
    """Frames on each side that a frame's residual depends on."""
    return int(np.ceil(3 * RESIDUAL_SECONDS / 2 / view.interval))


def animate_talker(
    view: TrackLandmarks,
    canonical: np.ndarray,
    response: mouth_shapes.MouthResponse,
    follow: np.ndarray,
    frames: np.ndarray,
    wanted: np.ndarray,
) -> np.ndarray:
    """A talker's faces with the wanted mouths, float32 (n, 478, 3): display pixels, z in pixels too; NaN
    where the face is not seen.

    Args:
        canonical: (478, 3) his mean face. follow: (478,) of `follow_weight`.
        frames: (n,) source frames, in any order; wanted: (n, 2) measures for them (`shapes.wanted_measures`).
    """
    out = np.full((len(frames), 478, 3), np.nan, np.float32)
    order = np.argsort(frames, kind="stable")
    inside = order[(frames[order] >= view.first) & (frames[order] <= view.last)]
    for low in range(view.first, view.last + 1, BLOCK_FRAMES):
        here = inside[(frames[inside] >= low) & (frames[inside] < low + BLOCK_FRAMES)]
        if not len(here):
            continue
        found = pose_frames(view, canonical, response, low, low + BLOCK_FRAMES - 1)
        if found is None:
            continue
        row = found.rows(frames[here])
        here, row = here[row >= 0], row[row >= 0]
        if not len(here):
            continue
        target = mouth_rendering.build_target_shapes(
            response, found.residual[row], wanted[here], found.shape[row], follow
        )
        out[here] = found.pose[row].apply(target)
    return out
