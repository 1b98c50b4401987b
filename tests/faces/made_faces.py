"""Faces made by code, for the tests of this folder."""

from __future__ import annotations

import numpy as np

from lipdub.faces import mesh
from lipdub.faces.track_landmarks import TrackLandmarks


def make_face(rng: np.random.Generator) -> np.ndarray:
    """A mirror-symmetric cloud with the mesh's named points where a face has them: (478, 3) canonical."""
    points = rng.normal(0, 0.4, (mesh.VERTICES, 3))
    for a, b in mesh.MIRROR:
        points[a] = (-abs(points[a, 0]) - 0.2, points[a, 1], points[a, 2])
        points[b] = points[a] * (-1, 1, 1)
    points[list(mesh.FOREHEAD)] = [(0, -1.0, 0), (0, -0.8, 0)]
    points[list(mesh.NOSE_LINE)] = [(0, 0.0, 0), (0, 0.1, 0), (0, 0.2, 0)]
    for i in mesh.EYE_LEFT:
        points[i] = (-0.5, 0, 0)
    for i in mesh.EYE_RIGHT:
        points[i] = (0.5, 0, 0)
    return with_lips(points, 0.1, 0.8)


def with_lips(points: np.ndarray, opening: float, width: float) -> np.ndarray:
    """The same face (478, 3) with lip rings of that opening and width about (0, 0.9)."""
    out = points.copy()
    angle = np.linspace(np.pi, -np.pi, mesh.LIP_RING_SIZE + 1)[:-1]
    for r, ring in enumerate(mesh.LIP_RINGS):
        grow = 1 - 0.1 * r
        height = (0.12 * (3 - r) / 3 + opening / 2, 0.16 * (3 - r) / 3 + opening / 2)
        y = np.where(np.sin(angle) > 0, -np.sin(angle) * height[0], -np.sin(angle) * height[1])
        out[list(ring)] = np.stack([np.cos(angle) * width / 2 * grow, 0.9 + y, np.zeros(mesh.LIP_RING_SIZE)], 1)
    out[mesh.MOUTH_LEFT], out[mesh.MOUTH_RIGHT] = (-width / 2, 0.9, 0), (width / 2, 0.9, 0)
    return out


def rotation(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Rotation (3, 3) by angles in degrees."""
    y, p, r = np.radians([yaw, pitch, roll])
    ry = np.array([[np.cos(y), 0, np.sin(y)], [0, 1, 0], [-np.sin(y), 0, np.cos(y)]])
    rx = np.array([[1, 0, 0], [0, np.cos(p), -np.sin(p)], [0, np.sin(p), np.cos(p)]])
    rz = np.array([[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]])
    return rz @ rx @ ry


def make_grid(step: int = 40, size: int = 200) -> np.ndarray:
    """Points (n, 2) of a square grid."""
    x, y = np.meshgrid(np.arange(0, size + 1, step), np.arange(0, size + 1, step))
    return np.stack([x.ravel(), y.ravel()], 1).astype(float)


def check_order(points: np.ndarray) -> None:
    """Check what holds of iBUG's 68 points (68, 2 or 3) on any upright face; x to the right, y down."""
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


class StoredLandmarks:
    """Landmarks as the detect store keeps them: (frames, 1, 478, 3)."""

    chunk = 7

    def __init__(self, points: np.ndarray) -> None:
        self.points = points[:, None].astype(np.float32)

    def read(self, start: int, stop: int) -> np.ndarray:
        """Frames start..stop-1."""
        return self.points[start:stop]


def open_track(points: np.ndarray, first: int = 0) -> TrackLandmarks:
    """A track whose landmarks (frames, 478, 3) are these, from source frame `first` to the last one."""
    owner = np.isfinite(points[:, :1, 0]).astype(np.int16)
    stored = StoredLandmarks(points)
    return TrackLandmarks(stored, owner, 1, first, len(points) - 1, 0.04)  # type: ignore[arg-type]
