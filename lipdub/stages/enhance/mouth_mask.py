"""The mouth of a restored face as a soft mask, from the face mesh or from a face parser."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import Array

# Shares of the way from the eyes to the mouth: how tall the lips' outline is at least, what is added around
# it, and the softness (sigma) of the edge.
MIN_HEIGHT, MARGIN, SOFTNESS = 0.45, 0.06, 0.03
# What is mouth is looked for no further from the outline than this share of the way from the eyes to the mouth, and
# found where it is at least this share of the outline.
SEARCH_REACH, MIN_SHARE = 0.2, 0.1


def parsed_mouth_mask(mouth: Array, mesh: Array) -> tuple[Array, bool]:
    """Make a soft mask of the mouth from what a face parser saw.

    Only pixels near the mesh's outline count: a wrong parser sees lips anywhere. Where it sees hardly any there, as
    behind a hand, the mesh's own outline stands in. The face was restored all the same, and the mouth must not change
    its sharpness for some frames.

    Args:
        mouth: (SIZE, SIZE) of `parse_faces`.
        mesh: (478, 2) pixels of the restored face.

    Returns:
        The mask (SIZE, SIZE) float32 0..1, and whether it is the parser's.
    """
    import cv2

    outline, far = _mouth_outline(mesh)
    area = np.zeros(mouth.shape, np.uint8)
    cv2.fillConvexPoly(area, np.round(outline * 16).astype(np.int32), 1, shift=4)
    found = np.where(_dilate(area, SEARCH_REACH * far) > 0, mouth, 0).astype(np.float32)
    if (found > 0.5).sum() < MIN_SHARE * max(int(area.sum()), 1):
        return _soften(area, far), False
    return _soften(found, far), True


def draw_mouth_mask(mesh: Array, height: int, width: int) -> Array:
    """Draw a soft mask of mouth and lips from the mesh.

    Args:
        mesh: (478, 2) pixels of the picture the mask is for.
        height: Of the mask.
        width: Of the mask.

    Returns:
        (height, width) float32 0..1, exactly 0 away from the mouth.
    """
    import cv2

    outline, far = _mouth_outline(mesh)
    mask = np.zeros((height, width), np.uint8)
    cv2.fillConvexPoly(mask, np.round(outline * 16).astype(np.int32), 1, shift=4)
    return _soften(mask, far)


def _mouth_outline(mesh: Array) -> tuple[Array, float]:
    """Return the lips' outline of a mesh (478, 2), as low as an open mouth's, and the eye-to-mouth distance in pixels.

    Returns:
        (n, 1, 2) float32, convex; and pixels.
    """
    import cv2

    from lipdub.faces.mesh import EYE_LEFT, EYE_RIGHT, LIPS_OUTER

    points = np.asarray(mesh, np.float64)
    lips = points[list(LIPS_OUTER)]
    down = lips.mean(0) - points[[*EYE_LEFT, *EYE_RIGHT]].mean(0)
    far = max(float(np.hypot(*down)), 1e-6)
    down /= far
    lower = lips + down * max(0.0, MIN_HEIGHT * far - float(np.ptp(lips @ down)))
    return cv2.convexHull(np.concatenate([lips, lower]).astype(np.float32)), far


def _dilate(mask: Array, reach: float) -> Array:
    """A mask with a border of so many pixels around it."""
    import cv2

    size = 2 * max(1, round(reach)) + 1
    result: Array = cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (size, size)))
    return result


def _soften(mask: Array, far: float) -> Array:
    """A mask 0..1, grown and with a soft edge, float32. far: pixels from the eyes to the mouth."""
    import cv2

    sigma = max(SOFTNESS * far, 0.5)
    kernel = 2 * int(np.ceil(2.5 * sigma)) + 1
    result: Array = cv2.GaussianBlur(_dilate(mask, MARGIN * far).astype(np.float32), (kernel, kernel), sigma)
    return result
