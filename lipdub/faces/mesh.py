"""Index sets of the MediaPipe face mesh (468 vertices, and 10 iris points after them).

The numbering is MediaPipe's canonical face model. "Left" and "right" are the picture's, not the person's.
Lip rings run along the upper lip from the left corner to the right one and back along the lower lip, so the same
position in every ring is the same place of the lip.
"""

from __future__ import annotations

import numpy as np

# Corner, nine upper points, corner, nine lower points: from the skin edge of the lips inwards.
LIPS_OUTER = (61, 185, 40, 39, 37, 0, 267, 269, 270, 409, 291, 375, 321, 405, 314, 17, 84, 181, 91, 146)
LIPS_MID = (76, 184, 74, 73, 72, 11, 302, 303, 304, 408, 306, 307, 320, 404, 315, 16, 85, 180, 90, 77)
LIPS_NEAR = (62, 183, 42, 41, 38, 12, 268, 271, 272, 407, 292, 325, 319, 403, 316, 15, 86, 179, 89, 96)
LIPS_INNER = (78, 191, 80, 81, 82, 13, 312, 311, 310, 415, 308, 324, 318, 402, 317, 14, 87, 178, 88, 95)
LIP_RINGS = (LIPS_OUTER, LIPS_MID, LIPS_NEAR, LIPS_INNER)
LIPS = tuple(i for ring in LIP_RINGS for i in ring)
INNER_UPPER = LIPS_INNER[1:10]
INNER_LOWER = LIPS_INNER[:10:-1]  # same x order as INNER_UPPER

OVAL = (
    10,
    338,
    297,
    332,
    284,
    251,
    389,
    356,
    454,
    323,
    361,
    288,
    397,
    365,
    379,
    378,
    400,
    377,
    152,
    148,
    176,
    149,
    150,
    136,
    172,
    58,
    132,
    93,
    234,
    127,
    162,
    21,
    54,
    103,
    67,
    109,
)
# The part of the oval that the jaw moves, from ear to ear below.
JAW = (454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234)

# Points that speech leaves where they are on the skull: forehead, temples, bridge of the nose, eye corners.
RIGID = (
    10,
    109,
    338,
    67,
    297,
    103,
    332,
    54,
    284,
    21,
    251,
    162,
    389,
    127,
    356,
    234,
    454,
    151,
    9,
    8,
    168,
    6,
    197,
    195,
    5,
    33,
    133,
    263,
    362,
)
EYE_LEFT = (33, 133)
EYE_RIGHT = (362, 263)
NOSE_BASE = 2
# Left and right partners, to find the face's own sideways axis.
MIRROR = ((33, 263), (133, 362), (234, 454), (127, 356), (162, 389), (21, 251), (54, 284), (103, 332), (67, 297))


def triangulate(points: np.ndarray) -> np.ndarray:
    """Delaunay triangles of a planar point set.

    Args:
        points: (n, 2) positions.

    Returns:
        (m, 3) int32 vertex numbers.
    """
    from scipy.spatial import Delaunay

    return Delaunay(np.asarray(points, np.float64)).simplices.astype(np.int32)


def triangulate_strip(ring_a: int, ring_b: int, closed: int) -> list[tuple[int, int, int]]:
    """Triangles of the band between two rings of `closed` points that start at offsets `ring_a` and `ring_b`."""
    out = []
    for i in range(closed):
        j = (i + 1) % closed
        out += [(ring_a + i, ring_a + j, ring_b + j), (ring_a + i, ring_b + j, ring_b + i)]
    return out


def triangulate_mouth() -> tuple[np.ndarray, np.ndarray]:
    """Triangles over the vertices `LIPS` (four rings of twenty): the lips' flesh, and the opening between them.

    Returns:
        (m, 3) int32 of the lip bands; (k, 3) int32 of the opening (degenerate when the mouth is shut).
    """
    n = len(LIPS_OUTER)
    flesh = [t for r in range(3) for t in triangulate_strip(r * n, (r + 1) * n, n)]
    o = 3 * n
    opening = []
    for i in range(10):  # upper i..i+1 against lower
        u0, u1 = o + i, o + i + 1
        l0, l1 = o + (n - i) % n, o + n - i - 1
        if u0 != l0:
            opening.append((u0, u1, l0))
        if u1 != l1:
            opening.append((u1, l1, l0))
    return np.array(flesh, np.int32), np.array(opening, np.int32)
