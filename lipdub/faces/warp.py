"""Piecewise-affine warps over triangle meshes, as backward maps for `cv2.remap`."""

from __future__ import annotations

import cv2
import numpy as np

_SHIFT = 4  # sub-pixel bits of the rasteriser


def _invert_triangles(points: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Per triangle the 2x2 matrix from offsets to its first corner to barycentric coordinates; 0 for flat ones."""
    t = points[triangles]
    e1, e2 = t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]
    det = e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]
    flat = np.abs(det) < 1e-6
    rows = np.stack([np.stack([e2[:, 1], -e2[:, 0]], 1), np.stack([-e1[:, 1], e1[:, 0]], 1)], 1)
    return np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, det))[:, None, None] * rows


def rasterise(points: np.ndarray, triangles: np.ndarray, height: int, width: int) -> np.ndarray:
    """Number of the triangle at each pixel, int32 (height, width); -1 outside all of them."""
    labels = np.full((height, width), -1, np.int32)
    corners = np.round(points[triangles] * (1 << _SHIFT)).astype(np.int32)
    for k in range(len(corners)):
        cv2.fillConvexPoly(labels, corners[k], k, lineType=cv2.LINE_8, shift=_SHIFT)
    return labels


def compute_backward_map(
    source: np.ndarray, target: np.ndarray, triangles: np.ndarray, height: int, width: int, step: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Where each pixel of a (height, width) picture comes from when `source` points move to `target` points.

    Args:
        source, target: (p, 2) float positions in the same pixel grid. triangles: (m, 3).
        step: compute on a grid `step` times coarser and interpolate (the map is piecewise linear).

    Returns:
        map_x, map_y float32 (height, width), identity outside the mesh; inside bool (height, width).
    """
    h, w = -(-height // step), -(-width // step)
    labels = rasterise((target - (step - 1) / 2) / step, triangles, h, w)
    x = np.arange(w, dtype=np.float32) * step + (step - 1) / 2
    y = np.arange(h, dtype=np.float32)[:, None] * step + (step - 1) / 2
    dx, dy = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
    inside = labels >= 0
    px, py = np.broadcast_to(x, (h, w))[inside], np.broadcast_to(y, (h, w))[inside]
    # Barycentric mixing of the corners' displacements. Kept inside the triangle: the rasteriser's edge pixels of a
    # sliver would otherwise be carried far away.
    moves = (source - target)[triangles]
    table = np.concatenate(
        [target[triangles[:, 0]], _invert_triangles(target, triangles).reshape(-1, 4), moves.reshape(-1, 6)], 1
    )
    t0, t1, i00, i01, i10, i11, ax, ay, bx, by, cx, cy = table.astype(np.float32)[labels[inside]].T
    u, v = px - t0, py - t1
    first, second = np.clip(i00 * u + i01 * v, 0, 1), np.clip(i10 * u + i11 * v, 0, 1)
    over = np.maximum(first + second, 1)
    first, second = first / over, second / over
    dx[inside] = ax + first * (bx - ax) + second * (cx - ax)
    dy[inside] = ay + first * (by - ay) + second * (cy - ay)
    if step > 1:
        dx = cv2.resize(dx, (w * step, h * step), interpolation=cv2.INTER_LINEAR)[:height, :width]
        dy = cv2.resize(dy, (w * step, h * step), interpolation=cv2.INTER_LINEAR)[:height, :width]
        inside = cv2.resize(inside.astype(np.uint8), (w * step, h * step), interpolation=cv2.INTER_NEAREST)
        inside = inside[:height, :width] > 0
    map_x = dx + np.arange(width, dtype=np.float32)
    map_y = dy + np.arange(height, dtype=np.float32)[:, None]
    return map_x, map_y, inside


def remap(image: np.ndarray, map_x: np.ndarray, map_y: np.ndarray) -> np.ndarray:
    """`image` sampled at the map, bicubic, edges repeated; dtype kept."""
    return cv2.remap(image, map_x, map_y, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
