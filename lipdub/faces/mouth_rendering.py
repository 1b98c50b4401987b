"""Mouth rendering: move a talker's lower face to a target mouth shape.

There are two layers. The skin layer is the frame itself, warped from where its lower face is to where it should be; so
light, grain, pose and background are the frame's own, and nothing can ghost. The mouth layer (the lips and what is
between them) comes from units, frames of the same talker with similar mouths. It is warped to the exact target shape
and composited over the skin layer.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.faces import mesh, warp
from lipdub.faces.polygons import fill_polygon
from lipdub.faces.unit_selection import MAX_STRETCH

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I32, I64, Array
    from lipdub.faces.mouth_shapes import MouthPrior, MouthResponse

# Distance of the fixed anchors from the mouth's centre, as multiples of the jaw's: a near ring and a far one.
ANCHOR_REACH = 1.45
FAR_ANCHOR_REACH = 2.0
# The mouth layer fades out beyond the lips' edge, over the larger of two margins: this share of the edge point's
# distance from the mouth's centre, and this share of half the mouth's width. The margin has to cover the part of the
# frame's own mouth that a smaller one leaves visible.
MARGIN_OF_RADIUS = 0.5
MARGIN_OF_WIDTH = 0.32

# Points of the mouth layer: an outer ring, where the layer ends, and the four lip rings.
MOUTH_POINTS = 5 * mesh.LIP_RING_SIZE
MARGIN_RING = slice(0, 20)
LIPS = slice(20, 100)
LIPS_OUTER = slice(20, 40)
LIPS_NEAR = slice(60, 80)
LIPS_INNER = slice(80, 100)

# Corners that move less than this many pixels count as standing still.
STILL_PX = 0.02
# Below this many pixels an opening is a line.
LINE_GAP_PX = 2.0
# An opening below this share of the mouth's width needs no interior: the lips' own shadow, stretched, looks better than
# a painted one. From twice this share on the interior is wholly painted, where the unit has none.
LINE_OPENING_SHARE = 0.06
# Boxes with a shorter side, in pixels, are not drawn.
MIN_BOX_PX = 4

# Shares of a change in opening that move the upper and the lower lip: the jaw carries the lower one.
UPPER_LIP_SHARE = 0.35
LOWER_LIP_SHARE = 0.65
# Shares of that motion by lip ring, from the inner edge outwards; the outer edge belongs to the skin.
RING_SHARES: tuple[tuple[tuple[int, ...], float], ...] = (
    (mesh.LIPS_INNER, 1.0),
    (mesh.LIPS_NEAR, 0.75),
    (mesh.LIPS_MID, 0.4),
)
# Opening in eye distances from which a face's own profile of the opening is trusted.
TRUSTED_OPENING = 0.08
# Largest opening of a pair of lip points, relative to that of the middle pair.
MAX_PROFILE = 1.15


@dataclass(frozen=True)
class SkinMesh:
    """The mesh that warps the skin.

    Attributes:
        vertices: (v,) int face mesh vertices.
        anchors: (a, 3) canonical fixed points, the near ring first.
        triangles: (t, 3) int32 over the vertices and the anchors after them.
        weight: (v,) 0..1 how far a vertex follows the response: 0 at the eyes, 1 from the base of the nose down.
    """

    vertices: I64
    anchors: F64
    triangles: I32
    weight: F64


def build_skin_topology(canonical: F64) -> tuple[I64, I32]:
    """Choose the vertices of the skin mesh and triangulate them.

    `lipdub train mouth-response` does this once, on its mean face. All talkers share the result, because a vertex is
    the same place of every face.

    Args:
        canonical: (478, 3) mean face.

    Returns:
        (v,) int vertices; (t, 3) int32 triangles over the vertices and the anchors after them.
    """
    inner = {i for ring in mesh.LIP_RINGS[1:] for i in ring}
    top = canonical[mesh.NOSE_BRIDGE, 1]
    vertices = np.array([i for i in range(mesh.SURFACE_VERTICES) if i not in inner and canonical[i, 1] > top])
    flat = np.concatenate([canonical[vertices], _place_anchors(canonical)])[:, :2]
    return vertices, mesh.triangulate(flat)


def _place_anchors(canonical: F64) -> F64:
    centre = canonical[list(mesh.LIPS_INNER)].mean(0)
    jaw = canonical[list(mesh.JAW)]
    return np.concatenate([centre + (jaw - centre) * reach for reach in (ANCHOR_REACH, FAR_ANCHOR_REACH)])


def build_skin_mesh(canonical: F64, prior: MouthPrior) -> SkinMesh:
    """Build the skin mesh of a talker with the mean face `canonical` (478, 3)."""
    y, top = canonical[prior.skin_vertices, 1], canonical[mesh.NOSE_BRIDGE, 1]
    weight = np.clip((y - top) / (canonical[mesh.NOSE_BASE, 1] - top), 0, 1) ** 2
    return SkinMesh(prior.skin_vertices, _place_anchors(canonical), prior.skin_triangles, weight)


def build_target_shapes(response: MouthResponse, residual: F64, measures: F64, current: F64, weight: F64) -> F64:
    """Build canonical faces that have the target measures exactly.

    Args:
        response: the talker's mouth response.
        residual: (n, 478, 3) slowly varying part of the talker's face that the response does not explain.
        measures: (n, 2) target opening and width in eye distances.
        current: (n, 478, 3) canonical faces of the frames.
        weight: (478,) 0..1 how far a vertex follows the target; where it is 0 the current face stays.

    Returns:
        (n, 478, 3) canonical faces.
    """
    model = response.shape(measures) + residual
    shape = current + weight[None, :, None] * (model - current)
    return set_opening(set_width(shape, measures[:, 1]), measures[:, 0])


def set_width(shape: F64, width: F64) -> F64:
    """Stretch lips sideways about their middle, so that the corner distance is `width`.

    Args:
        shape: (n, 478, 3) canonical faces.
        width: (n,) eye distances.
    """
    lips = list(mesh.LIPS)
    out = shape.copy()
    left, right = shape[:, mesh.MOUTH_LEFT, 0], shape[:, mesh.MOUTH_RIGHT, 0]
    middle = (left + right)[:, None] / 2
    ratio = (width / np.maximum(right - left, 1e-3))[:, None]
    out[:, lips, 0] = middle + (shape[:, lips, 0] - middle) * ratio
    return out


def set_opening(shape: F64, opening: F64) -> F64:
    """Move the lips so that the middle gap of the inner ones is `opening` and no pair crosses.

    Args:
        shape: (n, 478, 3) canonical faces.
        opening: (n,) eye distances.
    """
    out = shape.copy()
    gap = shape[:, list(mesh.INNER_LOWER), 1] - shape[:, list(mesh.INNER_UPPER), 1]
    middle_gap = gap[:, mesh.MIDDLE_PAIR : mesh.MIDDLE_PAIR + 1]
    # The profile of the opening along the mouth: this face's own where it is open, a parabola where it is closed.
    x = np.linspace(-1, 1, mesh.LIP_PAIRS + 2)[1:-1]
    parabola = 1 - x**2
    face_profile = np.maximum(gap, 0) / np.maximum(middle_gap, 1e-3)
    trust = np.clip(middle_gap / TRUSTED_OPENING, 0, 1)
    profile = np.clip(trust * face_profile + (1 - trust) * parabola, 0, MAX_PROFILE)
    profile[:, mesh.MIDDLE_PAIR] = 1
    excess = profile * np.maximum(opening, 0)[:, None] - gap
    for ring, share in RING_SHARES:
        out[:, list(ring[mesh.UPPER_LIP]), 1] -= UPPER_LIP_SHARE * share * excess
        out[:, list(ring[mesh.LOWER_LIP]), 1] += LOWER_LIP_SHARE * share * excess
    return out


def extract_mouth_points(landmarks: Array) -> Array:
    """Extract the points of the mouth layer from a face.

    Args:
        landmarks: (478, 2 or 3) pixels.

    Returns:
        (100, 2) pixels: the margin's ring, then the four lip rings.
    """
    lips = landmarks[list(mesh.LIPS), :2]
    outer = lips[: mesh.LIP_RING_SIZE]
    arm = outer - outer.mean(0)
    length = np.linalg.norm(arm, axis=1, keepdims=True)
    half = np.linalg.norm(outer[mesh.RIGHT_CORNER] - outer[mesh.LEFT_CORNER]) / 2
    margin = np.maximum(MARGIN_OF_RADIUS * length, MARGIN_OF_WIDTH * half)
    return np.concatenate([outer + arm * (margin / np.maximum(length, 1e-6)), lips])


def _triangulate_mouth_layer() -> I32:
    """Triangulate the points of the mouth layer.

    From `MOUTH_POINTS` on the triangles use a second inner ring: the interior takes its pixels from other places than
    the lips' edge.
    """
    size = mesh.LIP_RING_SIZE
    flesh, opening = mesh.triangulate_mouth()
    margin = np.array(mesh.triangulate_strip(0, size, size), np.int32)
    return np.concatenate([margin, flesh + size, opening + 2 * size])


_MOUTH_TRIANGLES = _triangulate_mouth_layer()


def _compute_interior_source_ring(unit: F64, target: F64, ratio: float) -> F64:
    """Find where in a unit the interior of a target mouth is taken from.

    Teeth do not narrow with the lips: a narrower mouth shows the middle of them, at the same proportions. A wider mouth
    has to stretch the unit's interior.

    Args:
        unit: (100, 2) mouth points in patch pixels.
        target: (100, 2) mouth points in crop pixels.
        ratio: patch pixels per crop pixel.

    Returns:
        (20, 2) patch pixels.
    """
    ring = unit[LIPS_INNER]
    across = ring[mesh.RIGHT_CORNER] - ring[mesh.LEFT_CORNER]
    unit_width, target_width = float(np.linalg.norm(across)), _measure_inner_width(target)
    share = min(1.0, target_width * ratio / max(unit_width, 1e-3))
    along = (ring - ring.mean(0)) @ across / max(unit_width, 1e-3) ** 2
    source: Array = ring + ((share - 1) * along)[:, None] * across
    return source


def _compute_closing_amount(unit: F64, target: F64, ratio: float) -> float:
    """Compute how far, 0..1, the warp closes a unit (100, 2) for a target (100, 2) whose lips all but meet."""
    surplus = measure_gap_px(unit) / ratio - measure_gap_px(target)
    return float(np.clip(surplus / LINE_GAP_PX, 0, 1) * np.clip(2 - measure_gap_px(target) / LINE_GAP_PX, 0, 1))


# How far the inner ring of a closing unit moves into the lips' flesh: at least, and more for a unit that is wide open,
# whose inner edge is wet, lit, or tooth. Gap in pixels that counts as wide open, as a multiple of `LINE_GAP_PX`.
MIN_RETRACTION = 0.45
OPEN_RETRACTION = 0.4
OPEN_RETRACTION_LINES = 3


def _retract_inner_rings(unit: F64, target: F64, ratio: float) -> F64:
    """Move a unit's inner ring into the lips' flesh, as far as the target is more closed than the unit.

    What lies between the lips, teeth above all, must not end up on the line where they meet.

    Args:
        unit: (100, 2) mouth points in patch pixels.
        target: (100, 2) mouth points in crop pixels.
        ratio: patch pixels per crop pixel.

    Returns:
        (100, 2) patch pixels.
    """
    amount = _compute_closing_amount(unit, target, ratio)
    if amount <= 0:
        return unit
    surplus = measure_gap_px(unit) / ratio - measure_gap_px(target)
    depth = MIN_RETRACTION + OPEN_RETRACTION * np.clip(surplus / LINE_GAP_PX / OPEN_RETRACTION_LINES, 0, 1)
    out = unit.copy()
    out[LIPS_INNER] += depth * amount * (unit[LIPS_NEAR] - unit[LIPS_INNER])
    return out


def _move_ring_to_lower_lip(ring: F64, unit: F64, amount: float) -> F64:
    """Move the interior's source ring towards the lower lip's flesh.

    The thread of interior that is left between closed lips then takes the lip's colour.

    Args:
        ring: (20, 2) patch pixels.
        unit: (100, 2) mouth points in patch pixels, inner ring retracted.
        amount: 0..1 how far the ring moves.
    """
    flesh = ring.copy()
    lower = unit[LIPS_INNER][mesh.LOWER_LIP]
    flesh[mesh.UPPER_LIP], flesh[mesh.LOWER_LIP] = lower, lower
    source: Array = ring + amount * (flesh - ring)
    return source


def warp_skin(image: Array, skin: SkinMesh, source: F64, target: F64, anchors: F64, step: int = 2) -> tuple[Array, F32]:
    """Warp the lower face of a crop from source to target landmarks.

    Args:
        image: (h, w, 3) crop.
        skin: the talker's skin mesh.
        source: (478, 2) landmarks in crop pixels.
        target: (478, 2) landmarks in crop pixels.
        anchors: (a, 2) fixed points in crop pixels.
        step: coarseness of the map in pixels.

    Returns:
        (h, w, 3) warped crop, the image itself when nothing moves; (h, w) float32 displacement in pixels.
    """
    h, w = image.shape[:2]
    a = np.concatenate([source[skin.vertices], anchors])
    b = np.concatenate([target[skin.vertices], anchors])
    displacement = np.zeros((h, w), np.float32)
    # Only triangles with a moving corner are computed, and the box they fill.
    is_moving = (np.abs(b - a) > STILL_PX).any(1)
    triangles = skin.triangles[is_moving[skin.triangles].any(1)]
    if len(triangles) == 0:
        return image, displacement
    corners = b[np.unique(triangles)]
    x0, y0 = np.clip(np.floor(corners.min(0)).astype(int), 0, [w - 1, h - 1])
    x1, y1 = np.clip(np.ceil(corners.max(0)).astype(int) + 1, [x0 + 1, y0 + 1], [w, h])
    map_x, map_y, _ = warp.compute_backward_map(a - (x0, y0), b - (x0, y0), triangles, y1 - y0, x1 - x0, step)
    displacement[y0:y1, x0:x1] = np.hypot(
        map_x - np.arange(x1 - x0, dtype=np.float32), map_y - np.arange(y1 - y0, dtype=np.float32)[:, None]
    )
    out = image.copy()
    out[y0:y1, x0:x1] = warp.remap(image, map_x + np.float32(x0), map_y + np.float32(y0))
    return out, displacement


# Blur of the mouth mask, as a share of the margin's mean width, and its least value in pixels.
MASK_SIGMA_SHARE = 0.22
MIN_MASK_SIGMA = 0.8


def draw_mouth_mask(points: F64, height: int, width: int) -> F32:
    """Draw the weight of the mouth layer: 1 on the lips, fading to 0 at the margin's ring.

    Args:
        points: (100, 2) mouth points in pixels of the mask.
        height: of the mask in pixels.
        width: of the mask in pixels.

    Returns:
        (height, width) float32 0..1.
    """
    labels = np.zeros((height, width), np.uint8)
    half = (points[MARGIN_RING] + points[LIPS_OUTER]) / 2
    fill_polygon(labels, half, 255)
    reach = np.linalg.norm(points[MARGIN_RING] - points[LIPS_OUTER], axis=1).mean()
    sigma = max(reach * MASK_SIGMA_SHARE, MIN_MASK_SIGMA)
    mask = cv2.GaussianBlur(labels.astype(np.float32) / 255, (0, 0), sigma)
    limit = np.zeros_like(labels)
    fill_polygon(limit, points[MARGIN_RING], 1)
    weight: F32 = mask * limit
    return weight


@dataclass(frozen=True)
class MouthUnit:
    """A mouth to show.

    Attributes:
        patch: (h, w, 3) RGB.
        points: (100, 2) mouth points in patch pixels.
        share: weight 0..1 in the frame's crossfade.
        ratio: patch pixels per crop pixel (the ratio of the faces' sizes).
    """

    patch: Array
    points: Array
    share: float
    ratio: float = 1.0


def measure_gap_px(points: F64) -> float:
    """Measure the gap between the inner lips in pixels, of mouth points (100, 2)."""
    inner = points[LIPS_INNER]
    return float(np.linalg.norm(inner[mesh.LOWER_MIDDLE] - inner[mesh.UPPER_MIDDLE]))


def _measure_inner_width(points: F64) -> float:
    """Measure the distance of the inner corners in pixels, of mouth points (100, 2)."""
    inner = points[LIPS_INNER]
    return float(np.linalg.norm(inner[mesh.RIGHT_CORNER] - inner[mesh.LEFT_CORNER]))


# Range of the mask's weight in which the layer's colour is matched to the skin's.
COLOUR_RING = (0.02, 0.5)
# Steps of brightness between a unit and the skin, as natural logarithms of their ratio: from which the unit's contrast
# changes as well, and the further step after which it does so fully; for a factor of light, and for the distance from
# white. A smaller step is a shift of light and shade.
FACTOR_STEP = (0.15, 0.1)
WHITE_STEP = (0.3, 0.2)
VISIBLE_STEP = 0.03  # of white: a smaller difference changes no contrast, and twice this is as large as need be
CONTRAST_LIMITS = (0.05, 4.0)
MIN_BRIGHTNESS = 0.01  # share of white; darker skin has no ratio


def composite_mouth(skin: Array, points: F64, units: list[MouthUnit], amount: float = 1.0) -> tuple[F32, float]:
    """Composite the units' mouths, warped to the target points, over the warped skin, in place.

    Args:
        skin: (h, w, 3) uint8 or uint16 crop, changed.
        points: (100, 2) target mouth points in crop pixels.
        units: mouths to mix.
        amount: 0..1 weight of the mouth layer.

    Returns:
        float32 mask of the changed pixels, over `compute_mouth_box` of the points; painted share of the interior, 0..1.
    """
    h, w = skin.shape[:2]
    x0, y0, x1, y1 = compute_mouth_box(points, h, w)
    if x1 - x0 < MIN_BOX_PX or y1 - y0 < MIN_BOX_PX:
        return np.zeros((max(y1 - y0, 0), max(x1 - x0, 0)), np.float32), 0.0
    top = 255 if skin.dtype == np.uint8 else 65535
    base = skin[y0:y1, x0:x1].astype(np.float32)
    local = points - (x0, y0)
    mask = draw_mouth_mask(local, y1 - y0, x1 - x0) * amount
    ring = ((mask > COLOUR_RING[0] * amount) & (mask < COLOUR_RING[1] * amount)).astype(np.float32)[..., None]
    mouth = np.zeros_like(base)
    painted_share = 0.0
    for unit in units:
        layer, inside = _warp_unit(unit, local, y1 - y0, x1 - x0)
        mask *= inside  # the mask's edge and the mesh's edge are not rasterised by the same rule
        layer = _match_brightness(base, layer, ring, float(top))
        missing_share = _compute_missing_interior(
            measure_gap_px(unit.points), measure_gap_px(local), _measure_inner_width(local)
        )
        if missing_share > 0:
            layer = _paint_interior(layer, local, missing_share, float(top))
            painted_share += unit.share * missing_share
        mouth += unit.share * layer
    out = base + (mouth - base) * mask[..., None]
    skin[y0:y1, x0:x1] = np.clip(np.rint(out), 0, top).astype(skin.dtype)
    return mask, painted_share


def _match_brightness(base: F32, layer: F32, ring: F32, top: float) -> F32:
    """Match a unit's colour to the skin around the mouth.

    A small difference is a shift. Over a large step of brightness the light itself has changed: by a factor (a fade
    to black, a lamp) or towards white (a fade to white). Then the unit's contrast changes by the same law, so that
    teeth do not glare and the inside of the mouth does not drown. Of both laws, the one is taken that agrees better
    with the contrast of the frame's own mouth.

    Args:
        base: (h, w, 3) the frame's warped skin.
        layer: (h, w, 3) the warped unit, in 0..top.
        ring: (h, w, 1) 1 where both show skin.
        top: white.

    Returns:
        (h, w, 3) the layer with the ring's mean colour.
    """
    count = max(float(ring.sum()), 1.0)
    shift = ((base - layer) * ring).sum((0, 1)) / count
    skin = (base * ring).sum((0, 1)) / count
    own = skin - shift
    floor = MIN_BRIGHTNESS * top
    contrast = float(np.log(max(float(base.std()), floor) / max(float(layer.std()), floor)))
    laws = (
        (np.maximum(skin, floor) / np.maximum(own, floor), FACTOR_STEP),
        (np.maximum(top - skin, floor) / np.maximum(top - own, floor), WHITE_STEP),
    )
    slope, (start, ramp) = min(laws, key=lambda law: abs(contrast - float(np.log(law[0].mean()))))
    share = np.clip((abs(float(np.log(slope.mean()))) - start) / ramp, 0, 1)
    share *= np.clip((float(np.abs(shift).mean()) / top - VISIBLE_STEP) / VISIBLE_STEP, 0, 1)
    if share == 0:
        layer += shift
        return layer
    result: F32 = (skin + np.clip(1 + share * (slope - 1), *CONTRAST_LIMITS) * (layer - own)).astype(np.float32)
    return result


def _warp_unit(unit: MouthUnit, target: F64, height: int, width: int) -> tuple[F32, Array]:
    """Warp a unit's mouth to target points (100, 2).

    Returns:
        (height, width, 3) float32 layer; (height, width) bool, inside the mesh.
    """
    source = _retract_inner_rings(unit.points, target, unit.ratio)
    interior = _move_ring_to_lower_lip(
        _compute_interior_source_ring(source, target, unit.ratio),
        source,
        _compute_closing_amount(unit.points, target, unit.ratio),
    )
    map_x, map_y, inside = warp.compute_backward_map(
        np.concatenate([source, interior]),
        np.concatenate([target, target[LIPS_INNER]]),
        _MOUTH_TRIANGLES,
        height,
        width,
    )
    return warp.remap(unit.patch, map_x, map_y).astype(np.float32), inside


def compute_mouth_box(points: F64, height: int, width: int) -> tuple[int, int, int, int]:
    """Compute the box (x0, y0, x1, y1) of the mouth layer with points (100, 2) inside a crop of that size."""
    low, high = np.floor(points.min(0) - 2).astype(int), np.ceil(points.max(0) + 3).astype(int)
    x0, y0 = max(int(low[0]), 0), max(int(low[1]), 0)
    return x0, y0, max(min(int(high[0]), width), x0), max(min(int(high[1]), height), y0)


def _compute_missing_interior(unit_gap: float, target_gap: float, target_width: float) -> float:
    """Compute how much of the interior, 0..1, must be painted when the warp opens a unit; all in pixels."""
    stretch = target_gap / max(unit_gap, 0.5)
    excess = np.clip(stretch / MAX_STRETCH - 1, 0, 1)
    return float(excess * np.clip(target_gap / (LINE_OPENING_SHARE * max(target_width, 1.0)) - 1, 0, 1))


# Blur of the painted interior's edge, as a share of the gap, and its least value in pixels.
INTERIOR_SIGMA_SHARE = 0.12
MIN_INTERIOR_SIGMA = 0.6
# Colour of the interior's dark, as shares of the lips' RGB: light that comes back from a mouth is reddish.
DARK_SHARE = (0.30, 0.22, 0.22)
# RGB of enamel, as a share of white in full light, and its brightness by that of the lips: offset, slope and limits.
ENAMEL = (0.92, 0.88, 0.82)
ENAMEL_OFFSET, ENAMEL_SLOPE = 0.35, 0.6
ENAMEL_LIMITS = (0.2, 0.9)
TEETH_OPACITY = 0.8
# The upper teeth end at this share of the gap, over this soft edge; they follow the arch of the upper lip, and fade
# towards the corners.
TEETH_LENGTH, TEETH_EDGE = 0.32, 0.06
TEETH_ARCH = 0.25
TEETH_FADE_OFFSET, TEETH_FADE_SLOPE = 1.15, 1.6


def _paint_interior(layer: F32, points: F64, amount: float, top: float) -> F32:
    """Paint a mouth's interior: dark, with a hint of the upper teeth, and soft towards the lips.

    Args:
        layer: (h, w, 3) warped unit.
        points: (100, 2) target mouth points in pixels of the layer.
        amount: 0..1 opacity.
        top: white.
    """
    h, w = layer.shape[:2]
    inner = points[LIPS_INNER]
    fill = np.zeros((h, w), np.uint8)
    fill_polygon(fill, inner, 255)
    gap = measure_gap_px(points)
    sigma = max(gap * INTERIOR_SIGMA_SHARE, MIN_INTERIOR_SIGMA)
    inside = cv2.GaussianBlur(fill.astype(np.float32) / 255, (0, 0), sigma)
    lip = _measure_lip_colour(layer, points)
    dark = lip * np.array(DARK_SHARE, np.float32)
    light = np.clip(ENAMEL_OFFSET + ENAMEL_SLOPE * (float(lip.mean()) / top), *ENAMEL_LIMITS)
    enamel = np.array(ENAMEL, np.float32) * top * light
    teeth = _shape_teeth(inner, h, w, gap)
    colour = dark + (enamel - dark) * (TEETH_OPACITY * teeth)[..., None]
    result: F32 = layer + (colour - layer) * (inside * amount)[..., None]
    return result


def _measure_lip_colour(layer: F32, points: F64) -> F32:
    """Measure the mean RGB (3,) float32 of the lips' flesh."""
    flesh = np.zeros(layer.shape[:2], np.uint8)
    cv2.fillPoly(flesh, [np.round(points[LIPS_OUTER]).astype(np.int32)], 1)
    cv2.fillPoly(flesh, [np.round(points[LIPS_NEAR]).astype(np.int32)], 0)
    return np.array(cv2.mean(layer, flesh)[:3], np.float32)


def _shape_teeth(inner: F64, height: int, width: int, gap: float) -> F32:
    """Compute the opacity (height, width) of the upper teeth in an inner lip ring (20, 2) with that gap in pixels."""
    upper, lower = inner[mesh.UPPER_MIDDLE], inner[mesh.LOWER_MIDDLE]
    down = (lower - upper) / max(gap, 1e-3)
    across = np.array([-down[1], down[0]])
    half = max(float(np.linalg.norm(inner[mesh.RIGHT_CORNER] - inner[mesh.LEFT_CORNER])) / 2, 1.0)
    y, x = np.mgrid[:height, :width].astype(np.float32)
    along = ((x - upper[0]) * down[0] + (y - upper[1]) * down[1]) / max(gap, 1e-3)
    aside = ((x - upper[0]) * across[0] + (y - upper[1]) * across[1]) / half
    along = along - TEETH_ARCH * aside**2
    edge = 1 / (1 + np.exp(np.clip((along - TEETH_LENGTH) / TEETH_EDGE, -30, 30)))
    opacity: Array = edge * np.clip(TEETH_FADE_OFFSET - TEETH_FADE_SLOPE * aside**2, 0, 1)
    return opacity
