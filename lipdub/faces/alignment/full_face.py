"""Square crops of a whole face whose lower half is the crop of `lower_face`.

The generators of Yaman et al., Audio-Driven Talking Face Generation with Stabilized Synchronization Loss (ECCV 2024),
redraw them. The crops follow the head and not the jaw, so a crop does not reveal how far the mouth is open. Boxes
around all landmarks grow with the jaw, and five-point alignment moves with the corners of the mouth. Both would reveal
it.

Placements (4,) are those of `lower_face`, of the square's middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces.alignment import lower_face
from lipdub.faces.alignment.lower_face import PlacementAlignment
from lipdub.media.pixels import to_eight_bits

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.arrays import F32, F64, I32, U8, Array
    from lipdub.media.pixels import Picture

SIDE = lower_face.WIDTH  # of the square, in distances between the eyes
_BORDER_PX = 4  # of the frame and of the crop, beyond the square, that `crop_picture` converts for its blur


@dataclass(frozen=True)
class FullFaceAlignment(PlacementAlignment):
    """A square crop of a whole face, level with its eyes."""

    def crop_picture(self, picture: Picture) -> U8:
        """Cut the crop uint8 RGB out of a decoded picture, of which only the part around it is converted to RGB."""
        reach = measure_reach(np.array([self.x, self.y, self.scale, self.roll]), self.zoom)
        around = reach * (1 + _BORDER_PX / self.width) + _BORDER_PX
        left, right = np.clip([self.x - around, self.x + around], 0, picture.width).astype(int)
        top, bottom = np.clip([self.y - around, self.y + around], 0, picture.height).astype(int)
        right, bottom = max(right, left + 2), max(bottom, top + 2)
        left, top = min(left, picture.width - 2), min(top, picture.height - 2)
        rgb = picture.rgb((left, top, min(right, picture.width), min(bottom, picture.height)))
        return self.shift(left, top).crop(to_eight_bits(rgb))


def align(placement: F64, pixels: int, zoom: float = 1.0) -> FullFaceAlignment:
    """Align a whole face at a placement (4,).

    Args:
        placement: of the square's middle; see the module.
        pixels: side of the crop.
        zoom: factor by which the visible area is larger than the square.
    """
    return FullFaceAlignment.from_placement(placement, pixels, pixels, zoom)


def fit_placements(points: F32, interval: float) -> F64:
    """Fit the placements of the crops of one track, (n, 4) float64; arguments as of `lower_face.fit_placements`."""
    return fit_placements_blockwise(lambda start, stop: points[start:stop], len(points), interval)


def fit_placements_blockwise(read: Callable[[int, int], F32], count: int, interval: float) -> F64:
    """Fit the placements of a track of any length; arguments as of `lower_face.fit_placements_blockwise`."""
    placements = lower_face.fit_placements_blockwise(read, count, interval)
    up = placements[:, 2] * (SIDE - lower_face.HEIGHT) / 2
    placements[:, 0] += up * np.sin(placements[:, 3])
    placements[:, 1] -= up * np.cos(placements[:, 3])
    return placements


def measure_reach(placements: F64, zoom: float = 1.0) -> F64:
    """Measure how far the corners of crops are from their middles along the frame's sides.

    Args:
        placements: (..., 4).
        zoom: factor by which the visible area is larger than the square.

    Returns:
        (...) float64 pixels of the frame.
    """
    scale, roll = placements[..., 2], placements[..., 3]
    reach: F64 = SIDE * zoom * scale / 2 * (abs(np.cos(roll)) + abs(np.sin(roll)))
    return reach


def map_to_crops(points: Array, placements: F64, pixels: int, zoom: float = 1.0) -> F64:
    """Map points (n, p, 2 or more) of frames to the crops at placements (n, 4): (n, p, 2)."""
    return np.stack([align(p, pixels, zoom).to_crop(q) for p, q in zip(placements, points, strict=True)])


def map_mesh_to_crop(points: Array, placement: F64, pixels: int, zoom: float = 1.0) -> F64:
    """Map a mesh (p, 3) of a frame to the crop at a placement (4,), its depth included: (p, 3)."""
    flat = align(placement, pixels, zoom).to_crop(points[:, :2])
    return np.concatenate([flat, points[:, 2:] * (pixels / (SIDE * zoom * placement[2]))], 1)


def bound_crops(placements: Array, width: int, height: int, zoom: float = 1.0) -> I32:
    """Return boxes around crops, inside a picture of this size.

    Args:
        placements: (n, 4), of the crops.
        width: of the picture, pixels.
        height: of the picture, pixels.
        zoom: factor by which the visible area is larger than the square.

    Returns:
        (n, 4) int32 of even corners, empty where the placement is NaN or outside.
    """
    out = np.zeros((len(placements), 4), np.int32)
    known = np.isfinite(placements[:, 0])
    here = placements[known]
    reach = measure_reach(here, zoom)[:, None]
    low = np.clip(np.floor(here[:, :2] - reach), 0, [width, height]).astype(np.int32)
    high = np.clip(np.ceil(here[:, :2] + reach), 0, [width, height]).astype(np.int32)
    low -= low % 2
    found = np.concatenate([low, high], 1)
    found[(high <= low).any(1)] = 0
    out[known] = found
    return out
