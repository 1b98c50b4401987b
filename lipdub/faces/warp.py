"""Piecewise-affine warps over triangle meshes, as backward maps for `cv2.remap`."""

from __future__ import annotations

import cv2
import numpy as np

_SHIFT = 4  # sub-pixel bits of the rasteriser


def affine_of(source: np.ndarray, target: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Per triangle the 2x3 matrix that takes target coordinates to source coordinates: (m, 2, 3) float32.

    Triangles without area in the target keep their first corner's offset.
    """
    t = target[triangles]
    s = source[triangles]
    e1, e2 = t[:, 1] - t[:, 0], t[:, 2] - t[:, 0]
    det = e1[:, 0] * e2[:, 1] - e1[:, 1] * e2[:, 0]
    flat = np.abs(det) < 1e-6
    det = np.where(flat, 1.0, det)
    inverse = np.stack([np.stack([e2[:, 1], -e2[:, 0]], 1), np.stack([-e1[:, 1], e1[:, 0]], 1)], 1) / det[:, None, None]
    inverse[flat] = np.eye(2)
    linear = np.stack([s[:, 1] - s[:, 0], s[:, 2] - s[:, 0]], 2) @ inverse
    linear[flat] = np.eye(2)
    offset = s[:, 0] - (linear @ t[:, 0, :, None])[..., 0]
    return np.concatenate([linear, offset[..., None]], 2).astype(np.float32)


def rasterise(points: np.ndarray, triangles: np.ndarray, height: int, width: int) -> np.ndarray:
    """Number of the triangle at each pixel, int32 (height, width); -1 outside all of them."""
    labels = np.full((height, width), -1, np.int32)
    corners = np.round(points[triangles] * (1 << _SHIFT)).astype(np.int32)
    for k in range(len(corners)):
        cv2.fillConvexPoly(labels, corners[k], k, lineType=cv2.LINE_8, shift=_SHIFT)
    return labels


def backward_map(
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
    matrices = affine_of(source, target, triangles)
    x = np.arange(w, dtype=np.float32) * step + (step - 1) / 2
    y = np.arange(h, dtype=np.float32)[:, None] * step + (step - 1) / 2
    dx, dy = np.zeros((h, w), np.float32), np.zeros((h, w), np.float32)
    inside = labels >= 0
    m = matrices[labels[inside]]
    px, py = np.broadcast_to(x, (h, w))[inside], np.broadcast_to(y, (h, w))[inside]
    dx[inside] = m[:, 0, 0] * px + m[:, 0, 1] * py + m[:, 0, 2] - px
    dy[inside] = m[:, 1, 0] * px + m[:, 1, 1] * py + m[:, 1, 2] - py
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
