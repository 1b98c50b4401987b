"""What every blender offers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.arrays import F32, Array


class Patch(NamedTuple):
    """What is written into a frame.

    Attributes:
        rgb: (h, w, 3) float32 pixels.
        weight: (h, w) float32 0..1 weight of the pixels; where it is 0 the frame stays as it is.
    """

    rgb: F32
    weight: F32


@dataclass(frozen=True)
class Blender:
    """A way to blend a generated crop into a frame.

    Attributes:
        name: as the command line has it.
        summary: one line for help and manual.
        blend: makes the patch from background (h, w, 3), foreground (h, w, 3) in the same range, and the feathered mask
            (h, w) float32 0..1, in which 1 takes the foreground.
    """

    name: str
    summary: str
    blend: Callable[[Array, Array, F32], Patch]

    def composite(self, background: Array, foreground: Array, mask: F32) -> F32:
        """Blend the foreground into the background and return the result.

        Args:
            background: (h, w, 3).
            foreground: (h, w, 3), same range.
            mask: (h, w) float32 0..1 feathered mask.

        Returns:
            (h, w, 3) float32; the background wherever the mask is 0.
        """
        import numpy as np

        patch = self.blend(background, foreground, mask)
        base = background.astype(np.float32)
        result: F32 = base + patch.weight[..., None] * (patch.rgb - base)
        return result
