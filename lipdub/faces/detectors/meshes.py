"""Measure the meshes of a detector, and drop duplicates and small faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import mesh

if TYPE_CHECKING:
    from lipdub.arrays import F32

MIN_FACE_PX = 24.0  # side of the oval of a mesh; smaller faces are dropped
_SAME_FACE_DISTANCE = 0.4  # share of the larger face's size within which two meshes are of one face


def measure_oval(face: F32) -> tuple[float, float, float]:
    """Measure the oval of a mesh (478, 3): its middle x, y and its larger side, pixels."""
    oval = face[list(mesh.OVAL), :2]
    low, high = oval.min(0), oval.max(0)
    centre = (low + high) / 2
    return float(centre[0]), float(centre[1]), float((high - low).max())


def drop_duplicates(faces: list[F32]) -> list[F32]:
    """Drop second meshes of the same face, and faces smaller than `MIN_FACE_PX`; the first of two stays."""
    distinct: list[F32] = []
    for face in faces:
        x, y, size = measure_oval(face)
        near = (np.hypot(x - a, y - b) < _SAME_FACE_DISTANCE * max(size, s) for a, b, s in map(measure_oval, distinct))
        if size >= MIN_FACE_PX and not any(near):
            distinct.append(face)
    return distinct
