"""Landmarks of faces whose lips say something else: the whole mesh, and the 68 points of iBUG (300-W) among
it.

Two geometries: a talker's own, in the pixels of his video (`driven`), and a neutral face, canonical
(`neutral`): distance of the eye centres = 1, origin between the eyes, x to the picture's right, y down, z
away from the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from . import geometry, mesh, reshape, shapes, smooth

if TYPE_CHECKING:
    from .view import TrackView

# The 68 points of iBUG by the mesh vertex that lies there. "Left" and "right" are the picture's. Jaw, brows
# and nose run from the picture's left to its right; eyes and lips from their left corner along the upper side
# and back along the lower one.
IBUG_PARTS = {
    "jaw": (127, 234, 93, 132, 58, 172, 150, 176, 152, 400, 379, 397, 288, 361, 323, 454, 356),
    "left brow": (70, 63, 105, 66, 107),
    "right brow": (336, 296, 334, 293, 300),
    "nose bridge": (168, 197, 5, 4),
    "nose base": (98, 97, 2, 326, 327),
    "left eye": (33, 160, 158, 133, 153, 144),
    "right eye": (362, 385, 387, 263, 373, 380),
    "outer lips": (61, 39, 37, 0, 267, 269, 291, 321, 314, 17, 84, 91),
    "inner lips": (78, 81, 13, 311, 308, 402, 14, 178),
}
"""Mesh vertices of iBUG's points, part by part in iBUG's order: 0-16, 17-21, 22-26, 27-30, 31-35, 36-41,
42-47, 48-59, 60-67."""
IBUG = tuple(vertex for part in IBUG_PARTS.values() for vertex in part)
COUNTS = (68, 478)

WEIGHTS = "neutral-face.safetensors"
NEUTRAL = "face"  # name of the array in it

# The part of a talker's expression that speech does not explain is averaged over this long.
RESIDUAL_SECONDS = 0.8
BLOCK = 96  # frames worked out together: bounds memory


def ibug(points: np.ndarray) -> np.ndarray:
    """The 68 points of meshes (..., 478, c): (..., 68, c)."""
    return points[..., list(IBUG), :]


def of_count(points: np.ndarray, count: int) -> np.ndarray:
    """Meshes (..., 478, c) as `count` points, of `COUNTS`. ValueError for another number."""
    if count not in COUNTS:
        raise ValueError(f"there are {' or '.join(map(str, COUNTS))} landmarks, not {count}")
    return points if count == 478 else ibug(points)


def load_neutral() -> np.ndarray:
    """The shipped neutral face, float64 (478, 3), canonical, symmetric, lips closed. Raises WeightsError."""
    from safetensors.numpy import load_file

    from lipdub.weights import shipped

    return load_file(shipped(WEIGHTS))[NEUTRAL].astype(np.float64)


def neutral(opening: np.ndarray, width: np.ndarray) -> np.ndarray:
    """The neutral face saying lip motion of opening 0..1 and width -1..1, each (n,): float64 (n, 478, 3),
    canonical.
    """
    prior, face = shapes.load_prior(), load_neutral()
    response = shapes.Response(face, shapes.measure(face[None])[0], prior.gain)
    wanted = shapes.wanted_measures(opening, width, shapes.Range(prior.low, prior.rest, prior.high, 0.0))
    return reshape.set_opening(reshape.set_width(response.shape(wanted), wanted[:, 1]), wanted[:, 0])


def follow_weight(skin: reshape.SkinMesh) -> np.ndarray:
    """How far each vertex follows the wanted mouth, (478,): the skin by its mesh's weight, the lips fully."""
    out = np.zeros(478)
    out[skin.vertices] = skin.weight
    out[list(mesh.LIPS)] = 1
    return out


@dataclass(frozen=True)
class Posed:
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


def posed(view: TrackView, canonical: np.ndarray, response: shapes.Response, low: int, high: int) -> Posed | None:
    """A talker's faces in the source frames low..high, read with enough around them that the residual does not depend
    on where they are cut; None where no face is seen. canonical: (478, 3) his mean face.
    """
    sigma = RESIDUAL_SECONDS / 2 / view.interval
    margin = residual_margin(view)
    first = max(view.first, low - margin)
    points = view.read(first, min(view.last, high + margin) + 1).astype(np.float64)
    valid = np.isfinite(points[:, 0, 0])
    if not valid.any():
        return None
    seen = points[valid]
    pose = geometry.head_pose(canonical, seen)
    shape = pose.invert(seen)
    residual = smooth.gaussian(shape - response.shape(shapes.measure(shape)), sigma)
    return Posed(first, valid, seen, pose, shape, residual)


def residual_margin(view: TrackView) -> int:
    """Frames on each side that a frame's residual depends on."""
    return int(np.ceil(3 * RESIDUAL_SECONDS / 2 / view.interval))


def driven(
    view: TrackView,
    canonical: np.ndarray,
    response: shapes.Response,
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
    for low in range(view.first, view.last + 1, BLOCK):
        here = inside[(frames[inside] >= low) & (frames[inside] < low + BLOCK)]
        if not len(here):
            continue
        found = posed(view, canonical, response, low, low + BLOCK - 1)
        if found is None:
            continue
        row = found.rows(frames[here])
        here, row = here[row >= 0], row[row >= 0]
        if not len(here):
            continue
        target = reshape.wanted_shape(response, found.residual[row], wanted[here], found.shape[row], follow)
        out[here] = found.pose[row].apply(target)
    return out
