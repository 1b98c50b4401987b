"""The MediaPipe face mesh: its size, index sets and triangles.

The numbering is that of MediaPipe's canonical face model. "Left" and "right" are the picture's, not the person's.
A lip ring starts at the left corner, runs along the upper lip to the right corner and back along the lower lip. The
same position in every ring is the same place of the lip.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import I32, Array

# Vertices of the face's surface; ten iris points follow them.
SURFACE_VERTICES = 468
VERTICES = 478

# Lip rings from the skin edge of the lips inwards.
LIPS_OUTER: tuple[int, ...] = (
    61,
    185,
    40,
    39,
    37,
    0,
    267,
    269,
    270,
    409,
    291,
    375,
    321,
    405,
    314,
    17,
    84,
    181,
    91,
    146,
)
LIPS_MID: tuple[int, ...] = (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306, 307, 320, 404, 315, 16, 85, 180, 90, 77)
LIPS_NEAR: tuple[int, ...] = (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292, 325, 319, 403, 316, 15, 86, 179, 89, 96)
LIPS_INNER: tuple[int, ...] = (
    78,
    191,
    80,
    81,
    82,
    13,
    312,
    311,
    310,
    415,
    308,
    324,
    318,
    402,
    317,
    14,
    87,
    178,
    88,
    95,
)
LIP_RINGS = (LIPS_OUTER, LIPS_MID, LIPS_NEAR, LIPS_INNER)
LIPS = tuple(i for ring in LIP_RINGS for i in ring)
LIP_RING_SIZE = 20

# Positions in a lip ring.
LEFT_CORNER = 0
UPPER_MIDDLE = 5
RIGHT_CORNER = 10
LOWER_MIDDLE = 15
# Both run from left to right between the corners, so that their points form pairs.
UPPER_LIP = slice(1, 10)
LOWER_LIP = slice(None, 10, -1)
LIP_PAIRS = 9
MIDDLE_PAIR = 4

MOUTH_LEFT = LIPS_OUTER[LEFT_CORNER]
MOUTH_RIGHT = LIPS_OUTER[RIGHT_CORNER]
INNER_UPPER = LIPS_INNER[UPPER_LIP]
INNER_LOWER = LIPS_INNER[LOWER_LIP]

# fmt: off
OVAL = (
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377,
    152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
)
# The part of the oval that the jaw moves, from ear to ear below.
JAW = (454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234)

# Points that speech does not move on the skull: forehead, temples, bridge of the nose, eye corners.
RIGID = (
    10, 109, 338, 67, 297, 103, 332, 54, 284, 21, 251, 162, 389, 127, 356, 234, 454, 151, 9,
    8, 168, 6, 197, 195, 5, 33, 133, 263, 362,
)
# fmt: on
EYE_LEFT = (33, 133)  # outer and inner corner
EYE_RIGHT = (362, 263)  # inner and outer corner
LIDS_LEFT = (33, 133, 159, 145)  # corners, and the middles of the upper and the lower lid
LIDS_RIGHT = (362, 263, 386, 374)
EAR_LEFT = 234
EAR_RIGHT = 454
NOSE_BRIDGE = 6
BARE_SKIN = (9, 8, 168, 6, 197, 195, 5, 50, 280, 205, 425, 151)  # brow, nose and cheeks: without beard and lips
BROW_MIDDLE = (9, 8)  # between the eyebrows
NOSE_BASE = 2
# Points on the middle of the face, which show its downward axis.
NOSE_LINE = (168, 6, 197)
FOREHEAD = (10, 151)
CHIN = 152
# Pairs of left and right partners, which show the face's sideways axis.
MIRROR = ((33, 263), (133, 362), (234, 454), (127, 356), (162, 389), (21, 251), (54, 284), (103, 332), (67, 297))


def triangulate(points: Array) -> I32:
    """Compute the Delaunay triangles of a planar point set.

    Args:
        points: (n, 2) positions.

    Returns:
        (m, 3) int32 point numbers.
    """
    from scipy.spatial import Delaunay

    triangles: I32 = Delaunay(np.asarray(points, np.float64)).simplices.astype(np.int32)
    return triangles


def triangulate_strip(ring_a: int, ring_b: int, size: int) -> list[tuple[int, int, int]]:
    """Triangulate the band between two closed rings of `size` points, numbered from `ring_a` and from `ring_b` on."""
    out = []
    for i in range(size):
        j = (i + 1) % size
        out += [(ring_a + i, ring_a + j, ring_b + j), (ring_a + i, ring_b + j, ring_b + i)]
    return out


def triangulate_mouth() -> tuple[I32, I32]:
    """Triangulate the vertices `LIPS`, numbered 0 to 79.

    Returns:
        (m, 3) int32 triangles of the lips' flesh; (k, 3) int32 triangles of the opening, flat when the mouth is closed.
    """
    size = LIP_RING_SIZE
    flesh = [triangle for ring in range(3) for triangle in triangulate_strip(ring * size, (ring + 1) * size, size)]
    inner = 3 * size
    opening = []
    for i in range(RIGHT_CORNER):
        upper, next_upper = inner + i, inner + i + 1
        lower, next_lower = inner + (size - i) % size, inner + size - i - 1
        if upper != lower:
            opening.append((upper, next_upper, lower))
        if next_upper != next_lower:
            opening.append((next_upper, next_lower, lower))
    return np.array(flesh, np.int32), np.array(opening, np.int32)
