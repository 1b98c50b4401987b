"""A head and its parts, as arrays. Lengths are metres, y points up, and the face looks towards +z."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I32, U8

JOINTS = ("Neck", "Head", "LeftEye", "RightEye")
"""Joints that move, by column of `Part.weights`; the rest of the weight stays where it is."""


@dataclass(frozen=True)
class Part:
    """A mesh of a head.

    Attributes:
        name: name of the mesh.
        kind: "skin", "teeth", "eye", "gland" or "hair".
        points: (n, 3) float32 metres at rest.
        normals: (n, 3) float32 of unit length.
        uv: (n, 2) float32 in the pictures.
        weights: (n, 4) float32, shares of `JOINTS`.
        faces: (m, 3) int32.
        morphs: names of the morphs, without prefix and the suffix `_h`.
        moves: (k, n, 6) float32, what each morph adds to points and normals.
        colour: (h, w, 4) uint8 RGBA.
        bumps: (h, w, 3) uint8 normal map, None if there is none.
    """

    name: str
    kind: str
    points: F32
    normals: F32
    uv: F32
    weights: F32
    faces: I32
    morphs: tuple[str, ...]
    moves: F32
    colour: U8
    bumps: U8 | None


@dataclass(frozen=True)
class Head:
    """A head.

    Attributes:
        name: the person's name.
        parts: its meshes.
        joints: (4, 3) float64, places of `JOINTS`, metres.
        eyes: (2, 3) float64, middles of the left and the right eyeball.
    """

    name: str
    parts: tuple[Part, ...]
    joints: F64
    eyes: F64

    @property
    def skin(self) -> Part:
        """The mesh of the face."""
        return next(part for part in self.parts if part.kind == "skin")
