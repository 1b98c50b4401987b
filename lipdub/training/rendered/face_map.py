"""Where the features of a head are: MediaPipe's landmarks on its picture from in front, and the edges of its lips."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.errors import InputError
from lipdub.training.rendered.renderer import (
    PAINT_M,
    Camera,
    Light,
    Renderer,
    Stage,
    Surface,
    make_parallel_view,
    move_part,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lipdub.arrays import F32, F64, I64
    from lipdub.training.rendered.parts import Part

_LOOKS = 4  # at the same picture, until the tracker has settled
_OPEN_POSE = {"MouthOpen": 0.5}  # in which the edges of the lips lie apart
_INNER_LIPS, _CORNERS = (13, 14), (78, 308)  # in MediaPipe's mesh
_MIDDLE_M, _LIP_M, _BEHIND_M = 0.004, 0.012, 0.012  # about the middle of a lip: to each side, its height, its depth
_LIGHTS = Stage(
    (
        Light((0.2, 0.5, 1.0), (1.1, 1.1, 1.1)),
        Light((-1.0, 0.2, 0.6), (0.3, 0.3, 0.3)),
        Light((1, 0, 1), (0.2, 0.2, 0.2)),
    )
)


@dataclass(frozen=True)
class FaceMap:
    """The features of a head.

    Attributes:
        landmarks: (478, 2) float32 over the painted square, 0..1, x right and y down.
        upper: vertices of the skin about the middle of the upper lip.
        lower: the same of the lower lip.
        corners: (2,) vertices at the corners of the mouth.
    """

    landmarks: F32
    upper: I64
    lower: I64
    corners: I64


def find_features(renderer: Renderer) -> FaceMap:
    """Find the features of a renderer's head.

    Raises:
        InputError: no face is found in the head's picture.
    """
    from lipdub.faces.detectors.mediapipe import MediaPipeDetector

    head = renderer.head
    middle = head.eyes.mean(0) - np.array([0.0, 0.035, 0.0])
    camera = Camera(
        make_parallel_view(middle, np.array([0.0, 0.0, 1.0]), PAINT_M / 2), middle + np.array([0.0, 0.0, 5.0])
    )
    joints = np.repeat(np.eye(4)[None], 4, 0)
    renderer.set_background(np.full((1, 1, 3), 128, np.uint8))
    found = []
    with MediaPipeDetector(1) as detector:
        for shape in ({}, _OPEN_POSE):
            renderer.pose(shape)
            picture = renderer.draw(camera, joints, _LIGHTS, Surface())
            for i in range(_LOOKS):
                faces = detector.detect([picture], [i == 0])[0]
            if not faces:
                raise InputError(f"no face is found in the picture of the head {head.name}")
            found.append(faces[0][:, :2] / renderer.side)
    return FaceMap(found[0].astype(np.float32), *_find_lips(renderer, camera, found[1]))


def _find_lips(renderer: Renderer, camera: Camera, landmarks: F32) -> tuple[I64, I64, I64]:
    """Find the vertices of `FaceMap` in the open pose."""
    skin = renderer.head.skin
    points = np.frombuffer(move_part(skin, _OPEN_POSE), np.float32).reshape(-1, 6)
    at = camera.project(points[:, :3], 1, 1)
    facing = points[:, 5] > -0.2
    depth = renderer.head.eyes[:, 2].mean()
    near = facing & (points[:, 2] > depth - 0.02)
    ends = []
    for number in (*_INNER_LIPS, *_CORNERS):
        distance = np.linalg.norm(at - landmarks[number], axis=1) - 0.1 * (points[:, 2] - depth)
        ends.append(int(np.argmin(np.where(near, distance, np.inf))))
    x, y, z = points[:, :3].T
    top, bottom = ends[0], ends[1]
    middle = (points[top, :3] + points[bottom, :3]) / 2
    is_middle = (np.abs(x - middle[0]) < _MIDDLE_M) & (z > min(z[top], z[bottom]) - _BEHIND_M)
    upper = is_middle & (y > middle[1]) & (y < y[top] + _LIP_M)
    lower = is_middle & (y < middle[1]) & (y > y[bottom] - _LIP_M)
    upper[top] = lower[bottom] = True
    return np.flatnonzero(upper), np.flatnonzero(lower), np.array(ends[2:])


def measure_mouth(renderer: Renderer, features: FaceMap, shape: Mapping[str, float]) -> tuple[float, float]:
    """Measure the mouth of a head in a shape from its vertices.

    Returns:
        Gap that is seen from in front between the middles of the lips, and width between the corners, in eye distances.
    """
    head = renderer.head
    upper, lower, corners = (
        _move_vertices(head.skin, vertices, shape) for vertices in (features.upper, features.lower, features.corners)
    )
    unit = float(np.linalg.norm(head.eyes[0] - head.eyes[1]))
    opening = float(upper[:, 1].min() - lower[:, 1].max())
    return max(opening, 0.0) / unit, float(np.linalg.norm(corners[0] - corners[1])) / unit


def _move_vertices(part: Part, vertices: I64, shape: Mapping[str, float]) -> F64:
    """Give the places (n, 3) of some vertices (n,) of a part in a shape."""
    places = part.points[vertices].astype(np.float64)
    for i, name in enumerate(part.morphs):
        if shape.get(name):
            places += shape[name] * part.moves[i][vertices, :3]
    return places
