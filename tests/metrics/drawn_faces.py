"""The neutral face, masks and pictures whose slopes, colours and detail are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.metrics.mask_edge import MaskEdge, find_mask_edge

if TYPE_CHECKING:
    from lipdub.arrays import U8, Array, Mask

SIZE = 480


def draw_disc(radius: float = 110) -> Mask:
    """Return a disc in the middle of a picture."""
    y, x = np.mgrid[0:SIZE, 0:SIZE]
    disc: Mask = np.hypot(x - SIZE / 2, y - SIZE / 2) < radius
    return disc


def find_edge(face: Array, mask: Array | None = None, skin: bool = False) -> MaskEdge:
    """Return the edge of a mask, which must be there."""
    edge = find_mask_edge(face, SIZE, SIZE, mask, skin)
    assert edge is not None
    return edge


def to_grey(values: Array) -> U8:
    """Return a picture (h, w, 3) of grey levels."""
    return np.repeat(np.clip(np.rint(values), 0, 255).astype(np.uint8)[..., None], 3, 2)
