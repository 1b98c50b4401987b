"""Head pose and the talker's own canonical space.

A frame's landmarks are a similarity of a canonical face, plus the face's own deformation:
`landmarks = scale * rotation @ canonical + translation`, with z in pixels too (MediaPipe's weak perspective).
In canonical coordinates the distance of the eye centres is 1, the origin lies between the eyes, x points to the
picture's right, y down, z away from the camera.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import mesh

if TYPE_CHECKING:
    from lipdub.arrays import F64, Array


@dataclass(frozen=True)
class Pose:
    """One similarity per frame, from canonical coordinates to pixels.

    Attributes:
        scale: (n,) pixels per eye distance.
        rotation: (n, 3, 3).
        translation: (n, 3) pixels.
    """

    scale: F64
    rotation: F64
    translation: F64

    def apply(self, canonical: F64) -> F64:
        """Transform canonical points (n, p, 3) to pixels (n, p, 3)."""
        return self.scale[:, None, None] * canonical @ self.rotation.transpose(0, 2, 1) + self.translation[:, None]

    def invert(self, points: Array) -> F64:
        """Transform pixels (n, p, 3) to canonical points (n, p, 3)."""
        canonical: F64 = (points - self.translation[:, None]) @ self.rotation / self.scale[:, None, None]
        return canonical

    def angles(self) -> F64:
        """Compute yaw, pitch and roll (n, 3) in degrees; a positive yaw turns the nose to the picture's right.

        Yaw and pitch of a head on its side or upside down are those of the picture turned to bring it about upright.
        """
        r = self.rotation
        quarters = np.rint(np.degrees(np.arctan2(-r[:, 0, 1], r[:, 1, 1])) / 90)
        r = _turn_back(r, quarters) if quarters.any() else r
        yaw = np.degrees(np.arctan2(-r[:, 0, 2], np.hypot(r[:, 0, 0], r[:, 0, 1])))
        pitch = np.degrees(np.arctan2(r[:, 1, 2], r[:, 2, 2]))
        roll = np.degrees(np.arctan2(-r[:, 0, 1], r[:, 0, 0]))
        return np.stack([yaw, pitch, (roll + 90 * quarters + 180) % 360 - 180 if quarters.any() else roll], 1)

    def __getitem__(self, item: slice | Array) -> Pose:
        """Select frames."""
        return Pose(self.scale[item], self.rotation[item], self.translation[item])


def _turn_back(rotation: F64, quarters: F64) -> F64:
    """Undo quarter turns of the picture, (n,) clockwise, in rotations (n, 3, 3)."""
    cos, sin = np.rint(np.cos(np.pi / 2 * quarters)), np.rint(np.sin(np.pi / 2 * quarters))
    back = np.zeros_like(rotation)
    back[:, 0, 0], back[:, 0, 1], back[:, 1, 0], back[:, 1, 1], back[:, 2, 2] = cos, sin, -sin, cos, 1
    return back @ rotation


def fit_similarity(source: Array, target: Array) -> Pose:
    """Fit similarities by least squares (Umeyama, Least-Squares Estimation of Transformation Parameters, 1991).

    Args:
        source: (p, 3) points.
        target: (n, p, 3) points onto which each similarity takes the source.
    """
    src = np.asarray(source, np.float64)
    dst = np.asarray(target, np.float64)
    mu_s, mu_d = src.mean(0), dst.mean(1)
    a, b = src - mu_s, dst - mu_d[:, None]
    cov = np.einsum("npi,pj->nij", b, a) / len(src)
    u, d, vt = np.linalg.svd(cov)
    sign = np.ones_like(d)
    sign[:, 2] = np.sign(np.linalg.det(u @ vt))
    rotation = (u * sign[:, None]) @ vt
    scale = (d * sign).sum(1) / a.var(0).sum()
    translation = mu_d - scale[:, None] * (rotation @ mu_s)
    return Pose(scale, rotation, translation)


def estimate_axes(points: Array) -> F64:
    """Estimate a face's own axes from its symmetric points.

    Args:
        points: (478, 3) pixels.

    Returns:
        (3, 3) rotation whose rows are the axes: right, down, away from the camera.
    """
    pts = np.asarray(points, np.float64)
    left = pts[[a for a, _ in mesh.MIRROR]].mean(0)
    right = pts[[b for _, b in mesh.MIRROR]].mean(0)
    x = right - left
    x /= np.linalg.norm(x)
    down = pts[list(mesh.NOSE_LINE)].mean(0) - pts[list(mesh.FOREHEAD)].mean(0)
    y = down - x * (x @ down)
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)])


def estimate_angles(points: Array) -> F64:
    """Estimate yaw, pitch and roll (3,) in degrees of a face (478, 3) without its mean face; good to a few degrees."""
    angles: F64 = Pose(np.ones(1), estimate_axes(points).T[None], np.zeros((1, 3))).angles()[0]
    return angles


def estimate_own_pose(points: Array) -> Pose:
    """Estimate the pose of one face (478, 3) by its own symmetric points; a `Pose` of one frame."""
    pts = np.asarray(points, np.float64)
    eyes = np.stack([pts[list(mesh.EYE_LEFT)].mean(0), pts[list(mesh.EYE_RIGHT)].mean(0)])
    scale = np.linalg.norm(eyes[1] - eyes[0])
    return Pose(np.array([scale]), estimate_axes(pts).T[None], eyes.mean(0)[None])


def to_canonical(points: Array) -> F64:
    """Bring one face (478, 3) to canonical axes, origin and unit, by its own symmetric points."""
    canonical: F64 = estimate_own_pose(points).invert(np.asarray(points, np.float64)[None])[0]
    return canonical


def estimate_canonical_face(landmarks: Array, sample: int = 300, rounds: int = 3) -> F64:
    """Estimate a talker's mean face in canonical coordinates.

    Args:
        landmarks: (n, 478, 3) pixels.
        sample: largest number of frames that are used, spread evenly.
        rounds: of aligning the frames and averaging them.

    Returns:
        (478, 3) canonical face.
    """
    pick = np.linspace(0, len(landmarks) - 1, min(sample, len(landmarks))).astype(int)
    faces = np.asarray(landmarks[pick], np.float64)
    rigid = list(mesh.RIGID)
    # The first face is the most frontal one: both ears are equally far away.
    frontal = int(np.argmin(np.abs(faces[:, mesh.EAR_LEFT, 2] - faces[:, mesh.EAR_RIGHT, 2])))
    mean = to_canonical(faces[frontal])
    for _ in range(rounds):
        mean = to_canonical(np.median(fit_similarity(mean[rigid], faces[:, rigid]).invert(faces), 0))
    return mean


def estimate_head_pose(canonical: F64, landmarks: Array) -> Pose:
    """Estimate head poses by the points that speech does not move.

    Args:
        canonical: (478, 3) the talker's mean face.
        landmarks: (n, 478, 3) pixels.
    """
    rigid = list(mesh.RIGID)
    return fit_similarity(canonical[rigid], landmarks[:, rigid])
