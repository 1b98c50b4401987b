"""Measure the meshes of a detector, and drop duplicates and small faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import mesh

if TYPE_CHECKING:
    from lipdub.arrays import F32, Array

# Distance of a mouth's lips from the picture's border, in sizes of the face, from which the mouth shows whole. Lips of
# faces that the border cuts at the nose or the mouth end beyond it; of those cut below the lips, at most 0.053 before.
MIN_LIPS_MARGIN = 0.06
MIN_FACE_PX = 24.0  # side of the oval of a mesh; smaller faces are dropped
_SAME_FACE_DISTANCE = 0.4  # share of the larger face's size within which two meshes are of one face


def measure_oval(face: F32) -> tuple[float, float, float]:
    """Measure the oval of a mesh (478, 3): its middle x, y and its larger side, pixels."""
    oval = face[list(mesh.OVAL), :2]
    low, high = oval.min(0), oval.max(0)
    centre = (low + high) / 2
    return float(centre[0]), float(centre[1]), float((high - low).max())


def is_mouth_inside(face: F32, width: float, height: float) -> bool:
    """Whether the mouth of a mesh (478, 3) lies inside the picture, at least `MIN_LIPS_MARGIN` from its border."""
    margin = MIN_LIPS_MARGIN * measure_oval(face)[2]
    return _is_inside(face[list(mesh.LIPS_OUTER), :2], width, height, margin)


def is_forehead_inside(face: F32, width: float, height: float) -> bool:
    """Whether the middle of a mesh's (478, 3) forehead lies inside the picture."""
    return _is_inside(face[list(mesh.FOREHEAD), :2], width, height, 0.0)


def is_forehead_cut(face: F32, width: float, height: float) -> bool:
    """Whether the border of the picture cuts off the forehead of a mesh (478, 3), but not the eyes."""
    eyes = face[[*mesh.EYE_LEFT, *mesh.EYE_RIGHT], :2]
    margin = MIN_LIPS_MARGIN * measure_oval(face)[2]
    return not is_forehead_inside(face, width, height) and _is_inside(eyes, width, height, margin)


def is_face_inside(face: F32, width: float, height: float) -> bool:
    """Whether the oval of a mesh (478, 3) lies inside the picture."""
    return _is_inside(face[list(mesh.OVAL), :2], width, height, 0.0)


def _is_inside(points: F32, width: float, height: float, margin: float) -> bool:
    low, high = points.min(0), points.max(0)
    return bool((low >= margin).all() and (high <= np.array([width, height]) - margin).all())


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
