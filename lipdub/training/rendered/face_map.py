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

    from lipdub.arrays import F32, I64, Array

_LOOKS = 4  # at the same picture, until the tracker has settled
_OPEN_POSE = {"MouthOpen": 0.5}  # in which the edges of the lips lie apart
_INNER_LIPS, _CORNERS = (13, 14), (78, 308)  # in MediaPipe's mesh
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
        lips: (4,) vertices of the skin: middles of the inner upper and lower lip, and the corners.
    """

    landmarks: F32
    lips: I64


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
    ends = _find_vertices(renderer, camera, found[1])
    return FaceMap(found[0].astype(np.float32), ends)


def _find_vertices(renderer: Renderer, camera: Camera, landmarks: F32) -> I64:
    """Find the skin's vertices nearest to the ends of the mouth's opening and width, in the open pose."""
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
    return np.array(ends)


def measure_mouth(renderer: Renderer, features: FaceMap, shape: Mapping[str, float]) -> tuple[float, float]:
    """Measure the mouth of a head in a shape from its vertices.

    Returns:
        opening of the inner lips and width between the corners, in eye distances.
    """
    skin, head = renderer.head.skin, renderer.head
    ends: Array = skin.points[features.lips].astype(np.float64)
    for i, name in enumerate(skin.morphs):
        if shape.get(name):
            ends = ends + shape[name] * skin.moves[i][features.lips, :3]
    unit = float(np.linalg.norm(head.eyes[0] - head.eyes[1]))
    rest = skin.points[features.lips].astype(np.float64)
    opening = np.linalg.norm(ends[0] - ends[1]) - np.linalg.norm(rest[0] - rest[1])
    return max(float(opening), 0.0) / unit, float(np.linalg.norm(ends[2] - ends[3])) / unit
