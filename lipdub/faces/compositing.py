"""Compositing: put generated faces back into their frame at its own size, with a mask of the changed pixels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces.masks import DEFAULT_MASK, MASKS

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, U8, Array

# Margin along the crop's sides that stays as it is, as a share of its width, and its least width in pixels.
MARGIN_SHARE = 0.02
MIN_MARGIN_PX = 2
# The lower half fades in, and the crop's sides fade out, over this share of its side; and the least width in pixels.
WINDOW_EDGE_SHARE = 1 / 24
MIN_WINDOW_EDGE_PX = 2.0
# Drawn and given pixels mix inside a mask over this share of the crop's side; and the least width in pixels.
MIX_EDGE_SHARE = 1 / 14
MIN_MIX_EDGE_PX = 2.0
# What moves at the crop's lower edge, such as a chin that reaches beyond it, comes to rest over this share of its side.
REST_SHARE = 1 / 10


def composite_lower_face(
    original: Array,
    face: F32,
    points: Array,
    amount: float,
    upper: Array | None = None,
    mask: str = DEFAULT_MASK,
) -> Array:
    """Composite a generated lower face over its crop.

    Args:
        original: (h, w, 3) uint8 or uint16 RGB crop of the frame.
        face: (size, size, 3) float32 RGB 0..1 generated from the crop, or (h, w, 4) with its own mask 0..1.
        points: (478, 2 or 3) landmarks in crop pixels; the mask `pose` needs their depth.
        amount: 0..1 opacity.
        upper: (h, w, 3) crop whose upper half replaces the generated one; the mask then reaches over the whole face.
        mask: which part of the face may change, a name in `faces.masks.MASKS`.

    Returns:
        (h, w, 4) of the crop's dtype: RGB and mask.
    """
    import cv2

    from lipdub.faces.masks import outlines

    h, w = original.shape[:2]
    top = np.iinfo(original.dtype).max
    interpolation = cv2.INTER_CUBIC if max(h, w) >= len(face) else cv2.INTER_AREA
    large = np.clip(cv2.resize(np.ascontiguousarray(face[..., :3]), (w, h), interpolation=interpolation), 0, 1) * top
    if upper is not None:
        large[: h // 2] = upper[: h // 2]
    out = np.zeros((h, w, 4), original.dtype)
    out[..., :3] = np.round(original + amount * (large - original))
    inside = MASKS.get(mask).draw(points, h, w)
    if face.shape[2] == 4:
        out[..., 3] = np.round(inside * face[..., 3] * top)
        return out
    margin = max(MIN_MARGIN_PX, round(MARGIN_SHARE * w))
    if upper is None:
        inside[: h // 2] = 0  # the upper half is input of the network, so it holds nothing new
    else:
        inside[: h // 2] = outlines.draw_face(points, h, w)[: h // 2]
        inside[:margin] = 0
    inside[:, :margin], inside[:, -margin:], inside[-margin:] = 0, 0, 0
    out[..., 3] = inside * top
    return out


def mix_inside(crop: U8, drawn: F32, mask: U8) -> F32:
    """Take the drawn pixels inside the mask and the given ones outside, which the generator only imitates.

    Args:
        crop: (P, P, 3) uint8 RGB.
        drawn: (P, P, 3) float32 RGB 0..1.
        mask: (P, P) uint8, 1 inside. Drawn pixels fade in from its edge inwards.

    Returns:
        (P, P, 3) float32 RGB 0..1.
    """
    import cv2

    edge = max(MIN_MIX_EDGE_PX, MIX_EDGE_SHARE * len(crop))
    # The border of the crop is an edge, too: nothing is known beyond it.
    depth = cv2.distanceTransform(np.pad(mask, 1), cv2.DIST_L2, 3)[1:-1, 1:-1]
    share = (depth / edge).clip(0, 1)[..., None].astype(np.float32)
    given = crop.astype(np.float32) / 255
    mixed: F32 = given + share * (drawn - given)
    return mixed


def crop_at(picture: Array, placement: F64, size: int, zoom: float = 1.0) -> U8:
    """Cut a full-face crop (size, size, 3) uint8 at a placement (4,) out of a picture (h, w, 3) uint8 or uint16.

    `zoom` is the factor by which the visible area is larger than the full face's square.
    """
    from lipdub.faces.alignment import full_face
    from lipdub.media.pixels import to_eight_bits

    crop: U8 = full_face.align(placement, size, zoom).crop(to_eight_bits(picture))
    return crop


def composite_crop(picture: Array, original: U8, generated: F32, placement: F64, zoom: float = 1.0) -> F32:
    """Composite a generated full-face crop at the place from which it was cut.

    The picture keeps its own detail, which the crop's size would lose, and detail moves along with what the crop moved
    (`faces.detail`). What is new has none. Towards the crop's lower edge the picture itself is moved, less and less. So
    the seam of a chin that reaches beyond the crop is faint.

    Args:
        picture: (h, w, 3) uint8 or uint16 RGB.
        original: (size, size, 3) uint8 crop of the picture.
        generated: (size, size, 3) float32 RGB 0..1, whose lower half is new.
        placement: (4,) of the crop in the picture.
        zoom: factor by which the visible area is larger than the full face's square.

    Returns:
        (h, w, 4) float32: RGB 0..1 and weight 0..1.
    """
    from lipdub.faces.alignment import full_face
    from lipdub.faces.detail import find_motion, move_detail

    height, width = picture.shape[:2]
    size = len(generated)
    old = original.astype(np.float32) / 255
    motion = find_motion(old, generated)
    alignment = full_face.align(placement, size, zoom)
    shares = np.stack([motion.share, _window_crop(size), *_come_to_rest(size)], 2)
    coarse, new, flow, shares = (
        alignment.paste(planes, height, width) for planes in (old, generated, motion.flow, shares)
    )
    explained, window, moves, rests = np.split(shares.clip(0, 1), 4, 2)
    whole = picture.astype(np.float32) / np.iinfo(picture.dtype).max
    full = new + explained * move_detail(whole - coarse, flow, alignment.matrix)
    top = int(np.argmax(rests.any((1, 2))))  # the rows above are of the generated crop alone
    at_rest = move_detail(whole, (moves * flow)[top:], alignment.matrix, top)
    full[top:] += (rests * explained)[top:] * (at_rest - full[top:])
    return np.concatenate([full.clip(0, 1), window], 2)


def _come_to_rest(size: int) -> tuple[F32, F32]:
    """Compute how much of its motion each pixel of a crop (size, size) keeps, and how far it is that of the picture."""
    up = np.repeat((size - 1 - np.arange(size, dtype=np.float32))[:, None], size, 1) / (REST_SHARE * size)
    moves, rests = (share**2 * (3 - 2 * share) for share in (up.clip(0, 1), (2 - 2 * up).clip(0, 1)))
    return moves, rests


def _window_crop(size: int) -> F32:
    """Compute the weight (size, size) float32 of each pixel of a crop: 1 in the lower half, 0 at its edges."""
    edge = max(MIN_WINDOW_EDGE_PX, WINDOW_EDGE_SHARE * size)
    pixel = np.arange(size, dtype=np.float32)
    down = np.minimum((pixel - size // 2 + 1) / edge, (size - 1 - pixel) / edge)
    across = np.minimum(pixel, size - 1 - pixel) / edge
    weight: F32 = down.clip(0, 1)[:, None] * across.clip(0, 1)
    return weight
