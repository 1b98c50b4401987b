"""Moving a talker's lower face to a wanted mouth shape.

Two layers. The **skin** layer is the current frame itself, bent by the difference between where its lower face is and
where it should be; so light, grain, pose and background are the frame's own and nothing can ghost. The **mouth** layer
(lips and what is between them) comes from a unit, a frame of the same talker whose mouth is like the wanted one, bent
to the exact shape and laid over the skin layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.faces import mesh, warp
from lipdub.faces.unit_selection import MAX_STRETCH

if TYPE_CHECKING:
    from lipdub.faces.mouth_shapes import MouthPrior, MouthResponse

# Ring of fixed anchors outside the jaw, as a multiple of the distance from the mouth's centre.
ANCHOR_REACH = 1.45
# How far beyond the lips' edge the mouth layer fades out: the larger of these shares of the edge point's distance from
# the mouth's centre and of half the mouth's width. It has to cover what the frame's own mouth leaves around a smaller one.
MARGIN_OF_RADIUS = 0.5
MARGIN_OF_WIDTH = 0.32


@dataclass(frozen=True)
class SkinMesh:
    """Vertices that bend the skin, and their triangles.

    vertices: (v,) mesh numbers; anchors: (a, 3) canonical fixed points; triangles over both;
    weight: (v,) 0..1 how far a vertex follows the response (0 at the eyes, 1 from the nose base down).
    """

    vertices: np.ndarray
    anchors: np.ndarray
    triangles: np.ndarray
    weight: np.ndarray


def build_skin_topology(canonical: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (v,) of the skin mesh and triangles (t, 3) over them and the anchors, from a mean face (478, 3).

    Worked out once, on the face of `lipdub train mouth-response`, and used for every talker: the mesh's vertices are
    the same places of every face.
    """
    inner = {i for ring in mesh.LIP_RINGS[1:] for i in ring}
    top = canonical[_TOP, 1]
    vertices = np.array([i for i in range(468) if i not in inner and canonical[i, 1] > top])
    flat = np.concatenate([canonical[vertices], _anchors(canonical)])[:, :2]
    return vertices, mesh.triangulate(flat)


# The skin mesh begins at this point of the nose's bridge.
_TOP = 6


def _anchors(canonical: np.ndarray) -> np.ndarray:
    centre = canonical[list(mesh.LIPS_INNER)].mean(0)
    ring = canonical[list(mesh.JAW)]
    return np.concatenate([centre + (ring - centre) * reach for reach in (ANCHOR_REACH, 2.0)])


def build_skin_mesh(canonical: np.ndarray, prior: MouthPrior) -> SkinMesh:
    """The skin mesh of a talker with mean face `canonical` (478, 3)."""
    y, top = canonical[prior.skin_vertices, 1], canonical[_TOP, 1]
    weight = np.clip((y - top) / (canonical[mesh.NOSE_BASE, 1] - top), 0, 1) ** 2
    return SkinMesh(prior.skin_vertices, _anchors(canonical), prior.skin_triangles, weight)


def build_target_shapes(
    response: MouthResponse, residual: np.ndarray, measures: np.ndarray, current: np.ndarray, weight: np.ndarray
) -> np.ndarray:
    """Canonical faces (n, 478, 3) that have the wanted measures (n, 2) exactly.

    Args:
        residual: (n, 478, 3) slowly varying part of the talker's face that the response does not explain.
        current: (n, 478, 3) canonical faces of the frames, kept where `weight` (478,) is 0.
    """
    model = response.shape(measures) + residual
    shape = current + weight[None, :, None] * (model - current)
    return set_opening(set_width(shape, measures[:, 1]), measures[:, 0])


def set_width(shape: np.ndarray, width: np.ndarray) -> np.ndarray:
    """Lips stretched sideways about their middle so that the corner distance is `width` (n,)."""
    lips = list(mesh.LIPS)
    out = shape.copy()
    left, right = shape[:, 61, 0], shape[:, 291, 0]
    middle = (left + right)[:, None] / 2
    ratio = (width / np.maximum(right - left, 1e-3))[:, None]
    out[:, lips, 0] = middle + (shape[:, lips, 0] - middle) * ratio
    return out


def set_opening(shape: np.ndarray, opening: np.ndarray) -> np.ndarray:
    """Inner lips moved so that their middle gap is `opening` (n,) and no pair crosses; the flesh follows by ring."""
    out = shape.copy()
    up, low = list(mesh.INNER_UPPER), list(mesh.INNER_LOWER)
    gap = shape[:, low, 1] - shape[:, up, 1]
    # The profile of the opening along the mouth: this face's own where it is open, a parabola where it is shut.
    x = np.linspace(-1, 1, 11)[1:-1]
    parabola = 1 - x**2
    own = np.maximum(gap, 0) / np.maximum(gap[:, 4:5], 1e-3)
    trust = np.clip(gap[:, 4:5] / 0.08, 0, 1)
    profile = np.clip(trust * own + (1 - trust) * parabola, 0, 1.15)
    profile[:, 4] = 1
    excess = (profile * np.maximum(opening, 0)[:, None] - gap)[..., None]
    for ring, share in ((mesh.LIPS_INNER, 1.0), (mesh.LIPS_NEAR, 0.75), (mesh.LIPS_MID, 0.4)):
        upper, lower = list(ring[1:10]), list(ring[:10:-1])
        out[:, upper, 1] -= 0.35 * share * excess[..., 0]
        out[:, lower, 1] += 0.65 * share * excess[..., 0]
    return out


def extract_mouth_points(landmarks: np.ndarray) -> np.ndarray:
    """Vertices of the mouth layer in pixels: (100, 2), the ring outside the lips first, then the four lip rings."""
    lips = landmarks[list(mesh.LIPS), :2]
    outer = lips[:20]
    arm = outer - outer.mean(0)
    length = np.linalg.norm(arm, axis=1, keepdims=True)
    half = np.linalg.norm(outer[10] - outer[0]) / 2
    margin = np.maximum(MARGIN_OF_RADIUS * length, MARGIN_OF_WIDTH * half)
    return np.concatenate([outer + arm * (margin / np.maximum(length, 1e-6)), lips])


def _triangulate_mouth_layer() -> np.ndarray:
    """Triangles over `mouth_points` and, from 100 on, a second inner ring for what is between the lips."""
    flesh, opening = mesh.triangulate_mouth()
    return np.concatenate([np.array(mesh.triangulate_strip(0, 20, 20), np.int32), flesh + 20, opening + 40])


def _interior_source_ring(unit: np.ndarray, target: np.ndarray, ratio: float) -> np.ndarray:
    """Where in a unit (100, 2) the inside of a mouth `target` (100, 2) is taken from: (20, 2).

    Teeth do not narrow with the lips: a narrower mouth shows the middle of them, at the same proportions. (A wider one
    has to stretch what there is.) `ratio` is how many unit pixels make a target pixel.
    """
    ring = unit[80:]
    across = ring[10] - ring[0]
    have, need = float(np.linalg.norm(across)), float(np.linalg.norm(target[90] - target[80]))
    share = min(1.0, need * ratio / max(have, 1e-3))
    along = (ring - ring.mean(0)) @ across / max(have, 1e-3) ** 2
    return ring + ((share - 1) * along)[:, None] * across


def _closing_amount(unit: np.ndarray, target: np.ndarray, ratio: float) -> float:
    """How far, 0..1, a unit (100, 2) has to be shut by the warp for a `target` (100, 2) whose lips all but meet."""
    surplus = measure_gap_px(unit) / ratio - measure_gap_px(target)
    return float(np.clip(surplus / LINE_GAP_PX, 0, 1) * np.clip(2 - measure_gap_px(target) / LINE_GAP_PX, 0, 1))


def _retract_inner_rings(unit: np.ndarray, target: np.ndarray, ratio: float) -> np.ndarray:
    """A unit's vertices (100, 2) with its inner rings drawn back into the lips' flesh as far as `target` (100, 2) is
    more shut than the unit: what lies between the lips, teeth above all, must not end up on the line where they meet.
    """
    amount = _closing_amount(unit, target, ratio)
    if amount <= 0:
        return unit
    # The wider the unit is open, the more of its inner edge is wet, lit, or tooth.
    surplus = measure_gap_px(unit) / ratio - measure_gap_px(target)
    depth = 0.45 + 0.4 * np.clip(surplus / LINE_GAP_PX / 3, 0, 1)
    out = unit.copy()
    out[80:] += depth * amount * (unit[60:80] - unit[80:])
    return out


def _closed_lip_source_ring(ring: np.ndarray, shown: np.ndarray, amount: float) -> np.ndarray:
    """The inside's source `ring` (20, 2) moved towards the lower lip's flesh by `amount`: the thread of inside that is
    left between shut lips takes the lip's colour.
    """
    flesh = ring.copy()
    lower = shown[80:][:10:-1]
    flesh[1:10], flesh[:10:-1] = lower, lower
    return ring + amount * (flesh - ring)


def warp_skin(
    image: np.ndarray, skin: SkinMesh, source: np.ndarray, target: np.ndarray, anchors: np.ndarray, step: int = 2
) -> tuple[np.ndarray, np.ndarray]:
    """The frame's crop with its lower face moved from `source` to `target` landmarks (478, 2), crop pixels.

    Args:
        image: (h, w, 3). anchors: (a, 2) fixed points in crop pixels.

    Returns:
        the bent crop; float32 (h, w) displacement length in pixels.
    """
    h, w = image.shape[:2]
    a = np.concatenate([source[skin.vertices], anchors])
    b = np.concatenate([target[skin.vertices], anchors])
    moved = np.zeros((h, w), np.float32)
    # Only what moves is worked out: the triangles with a moving corner, and the box they fill.
    moving = (np.abs(b - a) > STILL_PX).any(1)
    triangles = skin.triangles[moving[skin.triangles].any(1)]
    if len(triangles) == 0:
        return image, moved
    corners = b[np.unique(triangles)]
    x0, y0 = np.clip(np.floor(corners.min(0)).astype(int), 0, [w - 1, h - 1])
    x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int) + 1, [x0 + 1, y0 + 1], [w, h])
    map_x, map_y, _ = warp.compute_backward_map(a - (x0, y0), b - (x0, y0), triangles, y1 - y0, x1 - x0, step)
    moved[y0:y1, x0:x1] = np.hypot(
        map_x - np.arange(x1 - x0, dtype=np.float32), map_y - np.arange(y1 - y0, dtype=np.float32)[:, None]
    )
    out = image.copy()
    out[y0:y1, x0:x1] = warp.remap(image, map_x + np.float32(x0), map_y + np.float32(y0))
    return out, moved


# Corners that move less than this are taken to stand still.
STILL_PX = 0.02


def draw_mouth_mask(points: np.ndarray, height: int, width: int) -> np.ndarray:
    """Weight of the mouth layer, float32 (h, w): 1 on the lips, fading to 0 at the margin's outer ring."""
    labels = np.zeros((height, width), np.uint8)
    half = (points[:20] + points[20:40]) / 2
    cv2.fillPoly(labels, [np.round(half * 16).astype(np.int32)], 255, shift=4)
    reach = np.linalg.norm(points[:20] - points[20:40], axis=1).mean()
    sigma = max(reach * 0.22, 0.8)
    mask = cv2.GaussianBlur(labels.astype(np.float32) / 255, (0, 0), sigma)
    limit = np.zeros_like(labels)
    cv2.fillPoly(limit, [np.round(points[:20] * 16).astype(np.int32)], 1, shift=4)
    return mask * limit


@dataclass(frozen=True)
class MouthUnit:
    """A mouth to show: its patch (h, w, 3), its vertices (100, 2) in the patch, its share of the mixture, and how many
    of its pixels make one of the frame's (the faces' sizes).
    """

    patch: np.ndarray
    points: np.ndarray
    share: float
    ratio: float = 1.0


def measure_gap_px(points: np.ndarray) -> float:
    """Inner-lip gap in pixels of mouth vertices (100, 2)."""
    inner = points[80:]
    return float(np.linalg.norm(inner[15] - inner[5]))


# Below this many pixels an opening is a line.
LINE_GAP_PX = 2.0
# An opening under this share of the mouth's width needs nothing shown in it: the lips' own shadow, drawn out, looks better
# than a painted inside. At twice as much the inside is wholly painted, where the unit has none.
LINE_OPENING_SHARE = 0.06


def composite_mouth(
    skin: np.ndarray, points: np.ndarray, units: list[MouthUnit], amount: float = 1.0
) -> tuple[np.ndarray, float]:
    """Lays the units' mouths, bent to `points`, over the bent skin, in place.

    Args:
        skin: (h, w, 3) crop, changed. points: (100, 2) target mouth vertices in crop pixels.
        amount: 0..1, how much of the mouth layer shows.

    Returns:
        mask float32 of what was changed, over `mouth_box` of the points; and how much of the inside was painted, 0..1.
    """
    h, w = skin.shape[:2]
    x0, y0, x1, y1 = compute_mouth_box(points, h, w)
    if x1 - x0 < 4 or y1 - y0 < 4:
        return np.zeros((max(y1 - y0, 0), max(x1 - x0, 0)), np.float32), 0.0
    base = skin[y0:y1, x0:x1].astype(np.float32)
    local = points - (x0, y0)
    mask = draw_mouth_mask(local, y1 - y0, x1 - x0) * amount
    ring = ((mask > 0.02 * amount) & (mask < 0.5 * amount)).astype(np.float32)[..., None]
    total = max(float(ring.sum()), 1.0)
    triangles = _MOUTH_TRIANGLES
    mouth = np.zeros_like(base)
    painted = 0.0
    for unit in units:
        shown = _retract_inner_rings(unit.points, local, unit.ratio)
        thread = _closed_lip_source_ring(
            _interior_source_ring(shown, local, unit.ratio), shown, _closing_amount(unit.points, local, unit.ratio)
        )
        from_points = np.concatenate([shown, thread])
        to_points = np.concatenate([local, local[80:]])
        map_x, map_y, inside = warp.compute_backward_map(from_points, to_points, triangles, y1 - y0, x1 - x0)
        mask *= inside  # the mask's foot and the mesh's edge are not drawn by the same rule
        layer = warp.remap(unit.patch, map_x, map_y).astype(np.float32)
        layer += ((base - layer) * ring).sum((0, 1)) / total
        lack = _missing_interior(
            measure_gap_px(unit.points), measure_gap_px(local), float(np.linalg.norm(local[90] - local[80]))
        )
        if lack > 0:
            layer = _paint_interior(layer, local, lack, 255.0 if skin.dtype == np.uint8 else 65535.0)
            painted += unit.share * lack
        mouth += unit.share * layer
    out = base + (mouth - base) * mask[..., None]
    top = 255 if skin.dtype == np.uint8 else 65535
    skin[y0:y1, x0:x1] = np.clip(np.rint(out), 0, top).astype(skin.dtype)
    return mask, painted


def compute_mouth_box(points: np.ndarray, height: int, width: int) -> tuple[int, int, int, int]:
    """Box (x0, y0, x1, y1) of the mouth layer inside a crop of that size."""
    low, high = np.floor(points.min(0) - 2).astype(int), np.ceil(points.max(0) + 3).astype(int)
    x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
    return x0, y0, max(min(int(high[0]), width), x0), max(min(int(high[1]), height), y0)


def _missing_interior(have: float, need: float, wide: float) -> float:
    """How much of the inside must be painted, 0..1, when a unit opened by `have` pixels shows `need` in a mouth `wide`
    pixels wide.
    """
    stretch = need / max(have, 0.5)
    return float(
        np.clip(stretch / MAX_STRETCH - 1, 0, 1) * np.clip(need / (LINE_OPENING_SHARE * max(wide, 1.0)) - 1, 0, 1)
    )


def _paint_interior(layer: np.ndarray, points: np.ndarray, amount: float, top: float) -> np.ndarray:
    """A mouth's inside where the footage shows none: dark, a hint of the upper teeth, soft towards the lips."""
    h, w = layer.shape[:2]
    inner, lips = points[80:], points[20:80]
    fill = np.zeros((h, w), np.uint8)
    cv2.fillPoly(fill, [np.round(inner * 16).astype(np.int32)], 255, shift=4)
    gap = measure_gap_px(points)
    soft = max(gap * 0.12, 0.6)
    inside = cv2.GaussianBlur(fill.astype(np.float32) / 255, (0, 0), soft)
    flesh = np.zeros((h, w), np.uint8)
    cv2.fillPoly(flesh, [np.round(lips[:20]).astype(np.int32)], 1)
    cv2.fillPoly(flesh, [np.round(lips[40:60]).astype(np.int32)], 0)
    lip = np.array(cv2.mean(layer, flesh)[:3], np.float32)
    dark = lip * np.array([0.30, 0.22, 0.22], np.float32)
    upper, lower = inner[5], inner[15]
    down = (lower - upper) / max(gap, 1e-3)
    across = np.array([-down[1], down[0]])
    half = max(float(np.linalg.norm(inner[10] - inner[0])) / 2, 1.0)
    y, x = np.mgrid[:h, :w].astype(np.float32)
    along = ((x - upper[0]) * down[0] + (y - upper[1]) * down[1]) / max(gap, 1e-3)
    aside = ((x - upper[0]) * across[0] + (y - upper[1]) * across[1]) / half
    # Teeth follow the arch of the upper lip and show their lower edge once the mouth is open enough.
    along = along - 0.25 * aside**2
    teeth = 1 / (1 + np.exp(np.clip((along - 0.32) / 0.06, -30, 30))) * np.clip(1.15 - 1.6 * aside**2, 0, 1)
    bright = float(lip.mean()) / top
    enamel = np.array([0.92, 0.88, 0.82], np.float32) * top * np.clip(0.35 + 0.6 * bright, 0.2, 0.9)
    colour = dark + (enamel - dark) * (0.8 * teeth)[..., None]
    return layer + (colour - layer) * (inside * amount)[..., None]


_MOUTH_TRIANGLES = _triangulate_mouth_layer()
