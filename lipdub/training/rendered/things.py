"""Things beside a head: glasses, and what hides the mouth: a hand or a microphone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.training.rendered.parts import JOINTS
from lipdub.training.rendered.renderer import Thing

if TYPE_CHECKING:
    from lipdub.arrays import F64, Array
    from lipdub.training.rendered.parts import Head

_HEAD = JOINTS.index("Head")
_SIDES = 8  # of a tube
_FINGERS = ((-0.033, 0.058), (-0.011, 0.066), (0.011, 0.063), (0.033, 0.050))  # place and length, metres


def _join(pieces: list[tuple[F64, F64, Array]]) -> tuple[F64, F64, Array]:
    """Join meshes of points, normals and faces."""
    offsets = np.cumsum([0, *(len(points) for points, _, _ in pieces)])
    return (
        np.concatenate([points for points, _, _ in pieces]),
        np.concatenate([normals for _, normals, _ in pieces]),
        np.concatenate([faces + offset for (_, _, faces), offset in zip(pieces, offsets, strict=False)]),
    )


def make_tube(line: Array, radii: Array) -> tuple[F64, F64, Array]:
    """Make a tube along a line (n, 3) with a radius (n,) at each point, closed by its first and last ring."""
    along = np.gradient(line, axis=0)
    along /= np.maximum(np.linalg.norm(along, axis=1, keepdims=True), 1e-12)
    guide = np.array([0.0, 0.0, 1.0]) if np.abs(along[:, 2]).mean() < 0.9 else np.array([1.0, 0.0, 0.0])
    side = np.cross(along, guide)
    side /= np.maximum(np.linalg.norm(side, axis=1, keepdims=True), 1e-12)
    other = np.cross(along, side)
    turns = np.linspace(0, 2 * np.pi, _SIDES, endpoint=False)
    rings = np.cos(turns)[None, :, None] * side[:, None] + np.sin(turns)[None, :, None] * other[:, None]
    points = (line[:, None] + rings * np.asarray(radii)[:, None, None]).reshape(-1, 3)
    i, j = np.meshgrid(np.arange(len(line) - 1), np.arange(_SIDES), indexing="ij")
    a, b = i * _SIDES + j, i * _SIDES + (j + 1) % _SIDES
    faces = np.stack([np.stack([a, b, a + _SIDES], -1), np.stack([b, b + _SIDES, a + _SIDES], -1)], 2)
    return points, rings.reshape(-1, 3), faces.reshape(-1, 3)


def make_capsule(start: Array, end: Array, radius: float) -> tuple[F64, F64, Array]:
    """Make a rod with round ends."""
    start, end = np.asarray(start, np.float64), np.asarray(end, np.float64)
    way = end - start
    length = np.linalg.norm(way)
    bends = np.linspace(-np.pi / 2, np.pi / 2, 7)
    shifts = np.concatenate([radius * np.sin(bends[:4]), length + radius * np.sin(bends[3:])])
    radii = np.concatenate([radius * np.cos(bends[:4]), radius * np.cos(bends[3:])])
    return make_tube(start + shifts[:, None] * way / length, np.maximum(radii, 1e-5))


def _make_thing(mesh: tuple[F64, F64, Array], colour: Array, *, joint: int | None, is_occluder: bool) -> Thing:
    points, normals, faces = mesh
    red, green, blue = (float(c) for c in np.clip(colour, 0, 1))
    return Thing(
        points.astype(np.float32), normals.astype(np.float32), faces.astype(np.int32), (red, green, blue), joint,
        is_occluder,
    )  # fmt: skip


def make_glasses(head: Head, rng: np.random.Generator) -> Thing:
    """Make glasses for a head: two rims, a bridge and temples."""
    distance = float(np.linalg.norm(head.eyes[0] - head.eyes[1]))
    wide, high = distance * rng.uniform(0.37, 0.45), distance * rng.uniform(0.27, 0.42)
    square = rng.uniform(0.6, 1.0)  # exponent of the outline: 1 round, less angular
    thick = rng.uniform(0.0009, 0.0028)
    turns = np.linspace(0, 2 * np.pi, 33)
    pieces = []
    for eye in head.eyes:
        ring = np.stack([np.cos(turns), np.sin(turns)], 1)
        ring = np.sign(ring) * np.abs(ring) ** square
        outward = np.sign(eye[0])
        line = np.stack([eye[0] + outward * 0.002 + wide * ring[:, 0], eye[1] - 0.004 + high * ring[:, 1],
                         eye[2] + 0.029 - 0.1 * np.abs(wide * ring[:, 0] * outward)], 1)  # fmt: skip
        pieces.append(make_tube(line, np.full(len(line), thick)))
        hinge = np.array([eye[0] + outward * (wide + 0.002), eye[1] + 0.3 * high, eye[2] + 0.025])
        ear = np.array([outward * (abs(eye[0]) + 0.046), eye[1] + 0.3 * high, eye[2] - 0.09])
        pieces.append(make_tube(np.linspace(hinge, ear, 6), np.full(6, thick)))
    inner = wide - 0.001
    ends = [np.array([e[0] - np.sign(e[0]) * inner, e[1] + 0.2 * high, e[2] + 0.028]) for e in head.eyes]
    middle = np.mean(ends, 0) + np.array([0, 0.003, 0.004])
    pieces.append(make_tube(np.stack([ends[0], middle, ends[1]]), np.full(3, thick)))
    return _make_thing(_join(pieces), rng.uniform(0.02, 0.5, 3) * rng.uniform(0.1, 1.0), joint=_HEAD, is_occluder=False)


def make_microphone(head: Head, rng: np.random.Generator) -> list[Thing]:
    """Make a microphone before the chin and the mouth: a dark ball on a handle, held still."""
    mouth = head.eyes.mean(0) + np.array([0.0, -0.068, 0.025])
    ball = mouth + np.array([rng.uniform(-0.03, 0.03), rng.uniform(-0.035, 0.005), rng.uniform(0.035, 0.06)])
    size = rng.uniform(0.019, 0.028)
    foot = ball + np.array([rng.uniform(-0.08, 0.08), -0.2, rng.uniform(0.0, 0.08)])
    grey = rng.uniform(0.03, 0.3)
    top = make_capsule(ball, ball + (foot - ball) * 0.05, size)
    handle = make_tube(np.linspace(ball, foot, 5), np.linspace(size * 0.62, size * 0.45, 5))
    return [
        _make_thing(top, np.full(3, grey) * [1, 1, 1.05], joint=None, is_occluder=True),
        _make_thing(handle, np.full(3, grey * 0.5), joint=None, is_occluder=True),
    ]


def make_hand(head: Head, rng: np.random.Generator, skin: Array) -> Thing:
    """Make a hand before the mouth: a palm and four fingers, of a skin's colour (3,) sRGB."""
    side = rng.choice([-1.0, 1.0])
    mouth = head.eyes.mean(0) + np.array([0.0, -0.07, 0.03])
    place = mouth + np.array([side * rng.uniform(0.0, 0.035), rng.uniform(-0.03, 0.01), rng.uniform(0.022, 0.04)])
    angle = rng.uniform(0.3, 1.2)
    up = np.array([-side * np.sin(angle), np.cos(angle), 0.0])
    across = np.array([up[1], -up[0], 0.0])
    inward = np.array([0.0, 0.0, -1.0])
    pieces = []
    for shift, length in _FINGERS:
        base = place + across * shift - up * 0.03
        knuckle = base + up * length * 0.55
        tip = knuckle + up * length * 0.45 + inward * rng.uniform(0.0, 0.008)
        pieces += [make_capsule(base, knuckle, 0.0095), make_capsule(knuckle, tip, 0.0085)]
    for shift in np.linspace(-0.034, 0.034, 5):
        pieces.append(
            make_capsule(place + across * shift - up * 0.035, place + across * shift * 0.8 - up * 0.1, 0.0125)
        )
    pieces.append(make_capsule(place - up * 0.1, place - up * 0.26, 0.028))
    thumb = place + across * side * 0.048 - up * 0.075
    pieces.append(make_capsule(thumb, thumb + up * 0.055 + across * side * 0.012, 0.0105))
    return _make_thing(_join(pieces), skin, joint=None, is_occluder=True)
