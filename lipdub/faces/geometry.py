"""Head pose and the talker's own canonical space.

A frame's landmarks are a similarity of a canonical face plus the face's own deformation:
``landmarks = scale * rotation @ canonical + translation`` with z in pixels too (MediaPipe's weak perspective).
Canonical coordinates have the distance of the eye centres as unit and the point between the eyes as origin;
x to the picture's right, y down, z away from the camera.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lipdub.faces import mesh


@dataclass(frozen=True)
class Pose:
    """Similarity per frame: scale (n,), rotation (n, 3, 3), translation (n, 3), in pixels."""

    scale: np.ndarray
    rotation: np.ndarray
    translation: np.ndarray

    def apply(self, canonical: np.ndarray) -> np.ndarray:
        """Canonical (n, p, 3) to pixels (n, p, 3)."""
        return self.scale[:, None, None] * canonical @ self.rotation.transpose(0, 2, 1) + self.translation[:, None]

    def invert(self, points: np.ndarray) -> np.ndarray:
        """Pixels (n, p, 3) to canonical (n, p, 3)."""
        return (points - self.translation[:, None]) @ self.rotation / self.scale[:, None, None]

    def angles(self) -> np.ndarray:
        """(n, 3) yaw, pitch, roll in degrees; yaw positive: the nose points to the picture's right."""
        r = self.rotation
        yaw = np.degrees(np.arctan2(-r[:, 0, 2], np.hypot(r[:, 0, 0], r[:, 0, 1])))
        pitch = np.degrees(np.arctan2(r[:, 1, 2], r[:, 2, 2]))
        roll = np.degrees(np.arctan2(-r[:, 0, 1], r[:, 0, 0]))
        return np.stack([yaw, pitch, roll], 1)

    def __getitem__(self, item: slice | np.ndarray) -> Pose:
        return Pose(self.scale[item], self.rotation[item], self.translation[item])


def fit_similarity(source: np.ndarray, target: np.ndarray) -> Pose:
    """Least-squares similarities that take `source` (p, 3) onto each `target` (n, p, 3) (Umeyama 1991)."""
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


def estimate_axes(points: np.ndarray) -> np.ndarray:
    """Rotation (3, 3) whose rows are a face's own axes (right, down, away) by its symmetric points; face (478, 3)."""
    pts = np.asarray(points, np.float64)
    left = pts[[a for a, _ in mesh.MIRROR]].mean(0)
    right = pts[[b for _, b in mesh.MIRROR]].mean(0)
    x = right - left
    x /= np.linalg.norm(x)
    down = pts[[168, 6, 197]].mean(0) - pts[[10, 151]].mean(0)
    y = down - x * (x @ down)
    y /= np.linalg.norm(y)
    return np.stack([x, y, np.cross(x, y)])


def estimate_angles(points: np.ndarray) -> np.ndarray:
    """Yaw, pitch, roll in degrees (3,) of one face (478, 3) without knowing whose it is: good to a few degrees."""
    return Pose(np.ones(1), estimate_axes(points).T[None], np.zeros((1, 3))).angles()[0]


def to_canonical(points: np.ndarray) -> np.ndarray:
    """One face (478, 3) brought to canonical axes, origin and unit from its own symmetric points."""
    pts = np.asarray(points, np.float64)
    axes = estimate_axes(pts)
    eyes = np.stack([pts[list(mesh.EYE_LEFT)].mean(0), pts[list(mesh.EYE_RIGHT)].mean(0)])
    return (pts - eyes.mean(0)) @ axes.T / np.linalg.norm(eyes[1] - eyes[0])


def estimate_canonical_face(landmarks: np.ndarray, sample: int = 300, rounds: int = 3) -> np.ndarray:
    """The talker's mean face (478, 3) in canonical coordinates, from pixel landmarks (n, 478, 3)."""
    pick = np.linspace(0, len(landmarks) - 1, min(sample, len(landmarks))).astype(int)
    faces = np.asarray(landmarks[pick], np.float64)
    rigid = list(mesh.RIGID)
    frontal = int(np.argmin(np.abs(faces[:, 234, 2] - faces[:, 454, 2])))
    mean = to_canonical(faces[frontal])
    for _ in range(rounds):
        mean = to_canonical(np.median(fit_similarity(mean[rigid], faces[:, rigid]).invert(faces), 0))
    return mean


def estimate_head_pose(canonical: np.ndarray, landmarks: np.ndarray) -> Pose:
    """Poses of landmarks (n, 478, 3) against a canonical face (478, 3), by the points speech does not move."""
    rigid = list(mesh.RIGID)
    return fit_similarity(canonical[rigid], landmarks[:, rigid])
