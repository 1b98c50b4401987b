"""Leaves out triangles that a small picture does not show: the clothes', the back of the head's and the teeth's."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lipdub.training.rendered.extra import import_extra

if TYPE_CHECKING:
    from lipdub.arrays import F64, Array, Mask
    from lipdub.training.rendered.parts import Part

_BODY_SHARE, _TEETH_SHARE, _EYE_SHARE = 0.16, 0.28, 0.5  # of the triangles that are kept, about
_MOST_ERROR = 0.02  # of the mesh's extent
_FACE_M = (0.055, 0.125, 0.06)  # above the eyes, below them, and behind them


def simplify_part(part: Part, eyes: F64) -> Part:
    """Simplify a part of a head; the face stays as it is.

    Args:
        part: the part.
        eyes: (3,) middle between the eyes, metres.
    """
    if part.kind == "skin":
        up, down, back = _FACE_M
        height, depth = part.points[:, 1] - eyes[1], part.points[:, 2] - eyes[2]
        is_face = (height < up) & (height > -down) & (depth > -back)
        return _simplify(part, is_face, _BODY_SHARE)
    share = {"teeth": _TEETH_SHARE, "eye": _EYE_SHARE, "gland": _EYE_SHARE}.get(part.kind)
    return part if share is None else _simplify(part, np.zeros(len(part.points), bool), share)


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
