"""The mask `pose`: the lower face from the shut to the wide-open mouth, in the head's own pose.

Pose-aware masking of Ki and Min, "StyleLipSync: Style-based Personalized Lip-sync Video Generation" (ICCV 2023),
section 3.1 and Fig. 2: the face's shape is moved to a wide-open and to a shut mouth and its pose is taken away. Its
lower frontal vertices are kept, and both shapes are united and projected back. The mask hardly tells how far the mouth
is open (1.5 % of its pixels), and covers the chin wherever speech may bring it.

The paper moves the expression of a 3D morphable model. Here the vertices of MediaPipe's mesh are moved by the shipped
response of faces to the mouth's opening and width (`faces.mouth_shapes`).
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces import geometry, mesh, mouth_shapes
from lipdub.faces.masks.outlines import draw_hull
from lipdub.faces.masks.shape import MaskShape

if TYPE_CHECKING:
    from lipdub.arrays import F64, U8, Array, Mask
    from lipdub.faces.mouth_shapes import MouthPrior

WIDE_OPENING = 0.5
"""Opening of the wide-open mouth in eye distances; ordinary speech stays below 0.25."""

_FRONTAL_DEPTH = 0.5  # beyond the chin's depth, in eye distances; what lies deeper is the face's side
_GROWTH = 1.06  # of the shapes about their middles, for the softness of the jaw's edge


def draw_pose_mask(landmarks: Array, height: int, width: int) -> U8:
    """Draw the mask of a face (478, 3) in pixels: (height, width) uint8, 1 inside."""
    pose = geometry.estimate_own_pose(landmarks)
    canonical = pose.invert(np.asarray(landmarks, np.float64)[None])[0]
    mask = np.zeros((height, width), np.uint8)
    shapes = make_shut_and_open(canonical, _load_prior())
    kept = find_lower_front(shapes[0])
    for shape in shapes:
        points = pose.apply(shape[None, kept])[0, :, :2]
        middle = points.mean(0)
        mask |= draw_hull((middle + _GROWTH * (points - middle)).astype(np.float32), height, width)
    return mask


def make_shut_and_open(canonical: F64, prior: MouthPrior) -> F64:
    """Move a canonical face (478, 3) to a shut and to a wide-open mouth, both of the width at rest: (2, 478, 3)."""
    wanted = np.array([[0.0, prior.rest[mouth_shapes.WIDTH]], [WIDE_OPENING, prior.rest[mouth_shapes.WIDTH]]])
    response = mouth_shapes.MouthResponse(canonical, mouth_shapes.measure(canonical[None])[0], prior.gain)
    return response.shape(wanted)


def find_lower_front(canonical: F64) -> Mask:
    """Find the vertices (478,) of a canonical face from the nose's base downwards, without the sides of the face."""
    is_low = canonical[:, 1] >= canonical[mesh.NOSE_BASE, 1]
    is_front = canonical[:, 2] <= canonical[mesh.CHIN, 2] + _FRONTAL_DEPTH
    kept: Mask = is_low & is_front
    return kept


@lru_cache(maxsize=1)
def _load_prior() -> MouthPrior:
    return mouth_shapes.load_prior()


MASK = MaskShape(
    "pose", "The lower face from the shut to the wide-open mouth, in the head's own pose (Ki and Min).", draw_pose_mask
)
