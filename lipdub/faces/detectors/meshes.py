"""Measure the meshes of a detector, and drop duplicates and small faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import mesh

if TYPE_CHECKING:
    from lipdub.arrays import F32, Array

MIN_FACE_PX = 24.0  # side of the oval of a mesh; smaller faces are dropped
_SAME_FACE_DISTANCE = 0.4  # share of the larger face's size within which two meshes are of one face


def measure_oval(face: F32) -> tuple[float, float, float]:
    """Measure the oval of a mesh (478, 3): its middle x, y and its larger side, pixels."""
    oval = face[list(mesh.OVAL), :2]
    low, high = oval.min(0), oval.max(0)
    centre = (low + high) / 2
    return float(centre[0]), float(centre[1]), float((high - low).max())


def measure_mesh_tilt(face: F32) -> float:
    """Measure the tilt of a mesh (478, 3) in degrees clockwise, -180 to 180: where its mouth lies from its eyes."""
    eyes = face[[*mesh.EYE_LEFT, *mesh.EYE_RIGHT], :2].mean(0)
    return measure_tilt(eyes, face[list(mesh.LIPS_OUTER), :2].mean(0))


def measure_tilt(eyes: Array, mouth: Array) -> float:
    """Measure a head's tilt in degrees clockwise from the middles (2,) of its eyes and its mouth.

    The line between the eyes would not do: in a profile it is a point.
    """
    down = np.asarray(mouth, np.float64) - eyes
    return float(np.degrees(np.arctan2(-down[0], down[1])))


def drop_duplicates(faces: list[F32]) -> list[F32]:
    """Drop second meshes of the same face, and faces smaller than `MIN_FACE_PX`; the first of two stays."""
    distinct: list[F32] = []
    for face in faces:
        x, y, size = measure_oval(face)
        near = (np.hypot(x - a, y - b) < _SAME_FACE_DISTANCE * max(size, s) for a, b, s in map(measure_oval, distinct))
        if size >= MIN_FACE_PX and not any(near):
            distinct.append(face)
    return distinct
