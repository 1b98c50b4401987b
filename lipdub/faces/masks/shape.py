"""What the shape of a mask is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.arrays import U8, Array

Draw: TypeAlias = "Callable[[Array, int, int], U8]"
"""Takes landmarks (478, 3) in pixels of the mask, its height and its width. Returns (height, width) uint8, 1 inside."""


@dataclass(frozen=True)
class MaskShape:
    """A shape of the mask.

    Attributes:
        name: As on the command line.
        summary: One line for the manual.
        draw: Draws it for one face.
    """

    name: str
    summary: str
    draw: Draw
