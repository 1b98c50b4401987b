"""Piecewise-affine warps over triangle meshes, as backward maps for `cv2.remap`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.faces.polygons import SUBPIXEL_BITS, to_fixed_point

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I32, Array, Mask

# Twice the area, in square pixels, below which a triangle is flat.
_FLAT_AREA = 1e-6


def _invert_triangles(points: F64, triangles: I32) -> F64:
    """Compute per triangle the matrix from offsets to its first corner to barycentric coordinates.

    Returns:
        (m, 2, 2) float64; 0 for flat triangles.
    """
    t = points[triangles]
    e1, e2 = t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]
    det = e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]
    flat = np.abs(det) < _FLAT_AREA
    rows = np.stack([np.stack([e2[:, 1], -e2[:, 0]], 1), np.stack([-e1[:, 1], e1[:, 0]], 1)], 1)
    inverses: F64 = np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, det))[:, None, None] * rows
    return inverses


def rasterise(points: F64, triangles: I32, height: int, width: int) -> I32:
    """Draw the number of the triangle that covers each pixel.

    Args:
        points: (p, 2) pixels.
        triangles: (m, 3) point numbers.
        height: of the picture in pixels.
        width: of the picture in pixels.

    Returns:
        (height, width) int32; -1 outside all triangles.
    """
    labels, fill = np.full((height, width), -1, np.int32), cv2.fillConvexPoly
    for k, corners in enumerate(list(to_fixed_point(points[triangles]))):
        fill(labels, corners, k, cv2.LINE_8, SUBPIXEL_BITS)
    return labels


def compute_backward_map(
    source: F64, target: F64, triangles: I32, height: int, width: int, step: int = 1
) -> tuple[F32, F32, Mask]:
    """Compute where each pixel of a picture comes from when source points move to target points.

    Args:
        source: (p, 2) float pixels.
        target: (p, 2) float pixels of the same grid.
        triangles: (m, 3) point numbers.
        height: of the picture in pixels.
        width: of the picture in pixels.
        step: compute on a grid that is this much coarser, and interpolate. The map is piecewise linear.

    Returns:
        (height, width) float32 x; (height, width) float32 y, both the identity outside the mesh; (height, width) bool,
        inside the mesh.
    """
    h, w = -(-height // step), -(-width // step)
    centre = (step - 1) / 2
    labels = rasterise((target - centre) / step, triangles, h, w)
    inside = labels >= 0
    dx, dy = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
    x = np.arange(w, dtype=np.float32) * step + centre
    y = np.arange(h, dtype=np.float32)[:, None] * step + centre
    px, py = np.broadcast_to(x, (h, w))[inside], np.broadcast_to(y, (h, w))[inside]
    dx[inside], dy[inside] = _interpolate_moves(source, target, triangles, labels[inside], px, py)
    if step > 1:
        size = (w * step, h * step)
        dx = cv2.resize(dx, size, interpolation=cv2.INTER_LINEAR)[:height, :width]
        dy = cv2.resize(dy, size, interpolation=cv2.INTER_LINEAR)[:height, :width]
        inside = cv2.resize(inside.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)[:height, :width] > 0
    map_x = dx + np.arange(width, dtype=np.float32)
    map_y = dy + np.arange(height, dtype=np.float32)[:, None]
    return map_x, map_y, inside


def _interpolate_moves(source: F64, target: F64, triangles: I32, labels: I32, x: F32, y: F32) -> tuple[F32, F32]:
    """Interpolate the corners' displacements at pixels, by barycentric coordinates.

    The coordinates are clipped to the triangle: the rasteriser's edge pixels of a sliver would be carried far away.

    Args:
        source: (p, 2) pixels.
        target: (p, 2) pixels.
        triangles: (m, 3) point numbers.
        labels: (k,) triangle of each pixel.
        x: (k,) of the pixels.
        y: (k,) of the pixels.

    Returns:
        (k,) float32 displacements in x; (k,) float32 displacements in y.
    """
    moves = (source - target)[triangles]
    table = np.concatenate(
        [target[triangles[:, 0]], _invert_triangles(target, triangles).reshape(-1, 4), moves.reshape(-1, 6)], 1
    )
    columns = np.ascontiguousarray(table.T, np.float32).take(labels, axis=1)
    t0, t1, i00, i01, i10, i11, ax, ay, bx, by, cx, cy = columns
    u, v = x - t0, y - t1
    first, second = np.clip(i00 * u + i01 * v, 0, 1), np.clip(i10 * u + i11 * v, 0, 1)
    over = np.maximum(first + second, 1)
    first, second = first / over, second / over
    return ax + first * (bx - ax) + second * (cx - ax), ay + first * (by - ay) + second * (cy - ay)


def remap(image: Array, map_x: F32, map_y: F32) -> Array:
    """Sample an image (h, w, c) at a map, bicubic, with repeated edges; the dtype is kept."""
    result: Array = cv2.remap(image, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    return result
