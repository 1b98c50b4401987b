"""Leaves out triangles that a small picture does not show: the clothes', the back of the head's and the teeth's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lipdub.training.rendered.extra import import_extra

if TYPE_CHECKING:
    from lipdub.arrays import F64, Array, Mask
    from lipdub.training.rendered.parts import Part

_BODY_SHARE, _FACE_SHARE = 0.15, 0.7  # of the triangles that are kept, about
_SHARES = {"teeth": 0.22, "eye": 0.5, "gland": 0.5, "hair": 0.5}
_MOST_ERROR = 0.02  # of the mesh's extent
_FACE_M = (0.055, 0.125, 0.06)  # above the eyes, below them, and behind them
_MOUTH_M = (0.045, -0.115, -0.045)  # to each side, and lowest and highest against the eyes
_EYES_M = (0.05, -0.018, 0.022)


def simplify_part(part: Part, eyes: F64) -> Part:
    """Simplify a part of a head; mouth and eyes stay as they are.

    Args:
        part: the part.
        eyes: (3,) middle between the eyes, metres.
    """
    nothing = np.zeros(len(part.points), bool)
    if part.kind != "skin":
        share = _SHARES.get(part.kind)
        return part if share is None else _simplify(part, nothing, share)
    up, down, back = _FACE_M
    part = _simplify(part, _find_box(part, eyes, (np.inf, -down, up), back), _BODY_SHARE)
    fine = _find_box(part, eyes, _MOUTH_M, back) | _find_box(part, eyes, _EYES_M, back)
    is_body = ~_find_box(part, eyes, (np.inf, -down, up), back)
    return _simplify(part, fine | is_body, _FACE_SHARE)


def _find_box(part: Part, eyes: F64, sides: tuple[float, float, float], back: float) -> Mask:
    """Find the vertices (n,) in a box: so far to each side, between two heights, and not so far behind the eyes."""
    across, low, high = sides
    x, y, z = (part.points - eyes).T
    inside: Mask = (np.abs(x) < across) & (y > low) & (y < high) & (z > -back)
    return inside


def _simplify(part: Part, kept: Mask, share: float) -> Part:
    """Simplify the triangles of which no corner is kept to about a share of them."""
    meshoptimizer = import_extra("meshoptimizer")
    is_fixed = kept[part.faces].any(1)
    loose = np.ascontiguousarray(part.faces[~is_fixed].ravel(), np.uint32)
    if not len(loose):
        return part
    out = np.zeros_like(loose)
    count = meshoptimizer.simplify(
        out,
        loose,
        np.ascontiguousarray(part.points),
        target_index_count=int(len(loose) * share) // 3 * 3,
        target_error=_MOST_ERROR,
        options=meshoptimizer.SIMPLIFY_LOCK_BORDER,
    )
    faces = np.concatenate([part.faces[is_fixed], out[:count].astype(np.int32).reshape(-1, 3)])
    return keep_faces(part, faces)


def keep_faces(part: Part, faces: Array) -> Part:
    """Keep some faces (m, 3) of a part, and the vertices that they use."""
    used, index = np.unique(faces, return_inverse=True)
    return replace(
        part,
        points=part.points[used],
        normals=part.normals[used],
        uv=part.uv[used],
        weights=part.weights[used],
        faces=index.reshape(-1, 3).astype(np.int32),
        moves=np.ascontiguousarray(part.moves[:, used]),
    )
