"""The surroundings of a mask's edge, for the metrics of seams and of colour steps.

Lengths are in units of a hundredth of the distance between the eyes, at least a pixel, so that numbers compare between
faces of different size. Pictures of large faces are reduced to less than two pixels a unit. Along the edge there are
`SECTORS` sectors, by direction from the mask's middle.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.faces.masks import outlines
from lipdub.metrics import regions

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I64, Array, Mask

SECTORS = 24
REACH = 26  # units looked at on either side
_OVAL_CLEAR = 6  # units inside the face's oval from which on it counts as skin
_EYES_CLEAR = 1.35  # growth of the eyes' outlines, which do not count


@dataclass(frozen=True)
class MaskEdge:
    """The edge of a mask in one frame, for the pixels (h, w) of `part`.

    Attributes:
        box: of the part in the frame, x0, y0, x1, y1.
        unit: pixels of the part.
        distance: (h, w) float32 signed distance from the edge in units, positive inside.
        inwards: (2, h, w) float32, x and y of the direction to the inside, of unit length.
        sector: (h, w) int.
        counts: (h, w) bool, whether the pixel counts.
    """

    box: regions.Box
    unit: float
    distance: F32
    inwards: F32
    sector: I64
    counts: Mask

    def part(self, frame: Array) -> Array:
        """Cut the part out of a frame (H, W, 3); reduced if a unit is two pixels or more."""
        x0, y0, x1, y1 = self.box
        return _reduce(frame[y0:y1, x0:x1], *self.distance.shape)


def find_mask_edge(
    landmarks: Array, height: int, width: int, mask: Array | None = None, skin: bool = False
) -> MaskEdge | None:
    """Find the edge of a mask over a face.

    Args:
        landmarks: (478, 2 or 3) pixels of the picture, NaN if no face was found.
        height: of the picture.
        width: of the picture.
        mask: (height, width), a weight 0..1 or bool; above one half is inside. By default the lower face, for results
            whose replaced region is unknown.
        skin: whether only skin counts: inside the face's oval, not the eyes. It is for a picture without its source,
            as the jaw against the background looks like a seam and like a step of colour.

    Returns:
        The edge; None if none of it lies in the picture, or no face was found.
    """
    points = np.asarray(landmarks, np.float64)[:, :2]
    if not np.isfinite(points).all():
        return None
    unit = max(1.0, regions.measure_eye_distance(points) / 100)
    inside = outlines.draw_lower_face(points, height, width) > 0 if mask is None else np.asarray(mask) > 0.5
    if not inside.any() or inside.all():
        return None
    rows, columns = np.flatnonzero(inside.any(1)), np.flatnonzero(inside.any(0))
    corners = np.array([[columns[0], rows[0]], [columns[-1], rows[-1]]])
    box = regions.grow_box(corners, (REACH + 2) * unit, height, width)
    x0, y0, x1, y1 = box
    shrink = int(unit)
    height, width = max(1, (y1 - y0) // shrink), max(1, (x1 - x0) // shrink)
    scale = np.array([width / (x1 - x0), height / (y1 - y0)])
    unit *= float(scale.mean())
    inner = (_reduce(inside[y0:y1, x0:x1].astype(np.float32), height, width) > 0.5).astype(np.uint8)
    distance = cv2.distanceTransform(inner, cv2.DIST_L2, 5) - cv2.distanceTransform(1 - inner, cv2.DIST_L2, 5)
    slope = np.stack([cv2.Sobel(distance, cv2.CV_32F, dx, 1 - dx) for dx in (1, 0)])
    middle = np.argwhere(inner).mean(0)
    y, x = np.mgrid[0:height, 0:width]
    turn = np.arctan2(y - middle[0], x - middle[1]) / (2 * np.pi) % 1
    counts = np.abs(distance) <= (REACH + 1) * unit
    if skin:
        counts &= _draw_skin((points - [x0, y0] + 0.5) * scale - 0.5, height, width, unit)
    return MaskEdge(
        box,
        unit,
        distance / np.float32(unit),
        slope / np.maximum(np.hypot(*slope), 1e-6),
        (turn * SECTORS).astype(np.intp) % SECTORS,
        counts,
    )


def _reduce(picture: Array, height: int, width: int) -> Array:
    if picture.shape[:2] == (height, width):
        return picture
    small: Array = cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA)
    return small


def _draw_skin(points: F64, height: int, width: int, unit: float) -> Mask:
    face = outlines.draw_face(points, height, width)
    side = 2 * max(1, round(_OVAL_CLEAR * unit)) + 1
    kernel = cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side))
    skin: Mask = cv2.erode(face, kernel, borderType=cv2.BORDER_CONSTANT, borderValue=0) > 0
    for eye in (regions.LEFT_EYE, regions.RIGHT_EYE):
        skin &= ~regions.fill_hull(points[list(eye)], height, width, _EYES_CLEAR)
    return skin
