"""Generated faces laid back at the face's own size, with the mask of what they change."""

from __future__ import annotations

import numpy as np

# Differences, as shares of white, from which on a pixel counts as changed, and as wholly changed.
_CHANGED, _WHOLLY = 0.02, 0.08


def composite_lower_face(
    before: np.ndarray, face: np.ndarray, points: np.ndarray, amount: float, upper: np.ndarray | None = None
) -> np.ndarray:
    """A crop (h, w, 4): the generated lower face (size, size, 3) at the size of the picture (h, w, 3) it was made of, and
    the mask of the lower face, or of as much of it as a face (h, w, 4) says. points: (478, 2) landmarks in the crop; amount:
    0..1 how far it is dubbed; upper: (h, w, 3) whose upper half replaces the picture's, with the mask reaching over the whole
    face.
    """
    import cv2

    from lipdub.faces import masks

    h, w = before.shape[:2]
    top = np.iinfo(before.dtype).max
    way = cv2.INTER_CUBIC if max(h, w) >= len(face) else cv2.INTER_AREA
    told = face[..., 3] if face.shape[2] == 4 else None
    large = np.clip(cv2.resize(np.ascontiguousarray(face[..., :3]), (w, h), interpolation=way), 0, 1) * top
    if upper is not None:
        large[: h // 2] = upper[: h // 2]
    out = np.zeros((h, w, 4), before.dtype)
    out[..., :3] = np.round(before + amount * (large - before))
    inside = masks.draw_lower_face(points, h, w)
    edge = max(2, round(0.02 * w))
    if told is not None:
        out[..., 3] = np.round(inside * told * top)
        return out
    if upper is None:
        inside[: h // 2] = 0  # the network was shown the upper half: there is nothing new in it
    else:
        inside[: h // 2] = masks.draw_face(points, h, w)[: h // 2]
        inside[:edge] = 0
    inside[:, :edge], inside[:, -edge:], inside[-edge:] = 0, 0, 0
    out[..., 3] = inside * top
    return out


# Differences, as shares of white, from which on a pixel counts as changed, and as wholly changed.
_CHANGED, _WHOLLY = 0.02, 0.08
_CHANGE_BLUR = 1 / 64  # blur of what was changed, as a share of the crop


_EDGE_SHARE = 1 / 24  # over which the lower half comes in, and a crop goes out at its sides


def crop_at(picture: np.ndarray, placement: np.ndarray, size: int) -> np.ndarray:
    """The crop uint8 (size, size, 3) at a placement in a picture (h, w, 3), uint8 or uint16."""
    from lipdub.faces.alignment import full_face
    from lipdub.media.pixels import to_eight_bits

    return full_face.align(placement, size).crop(to_eight_bits(picture))


def composite_crop(picture: np.ndarray, before: np.ndarray, made: np.ndarray, placement: np.ndarray) -> np.ndarray:
    """What was made of a crop, at the place and size it was cut out, float32 (h, w, 4): RGB 0..1, and how far it is to be taken.

    Args:
        picture: (h, w, 3) RGB, uint8 or uint16. before: its crop, uint8 (P, P, 3). made: float32 (P, P, 3), 0..1, of which the
            lower half is new. placement: (4,) in the picture.
    """
    import cv2

    from lipdub.faces.alignment import full_face

    high, wide = picture.shape[:2]
    size = len(made)
    old = before.astype(np.float32) / 255
    apart = cv2.GaussianBlur(np.abs(made - old).max(2), (0, 0), _CHANGE_BLUR * size)
    changed = np.clip((apart - _CHANGED) / (_WHOLLY - _CHANGED), 0, 1)
    taken = _crop_window(size)
    planes = np.concatenate([old, made, changed[..., None], taken[..., None]], 2)
    alignment = full_face.align(placement, size)
    back = [alignment.paste(planes[..., a:b], high, wide) for a, b in ((0, 3), (3, 6), (6, 8))]
    coarse, new, shares = back
    shares = shares.clip(0, 1)
    detail = picture.astype(np.float32) / np.iinfo(picture.dtype).max - coarse
    full = (new + (1 - shares[..., :1]) * detail).clip(0, 1)
    return np.concatenate([full, shares[..., 1:]], 2)


def _crop_window(size: int) -> np.ndarray:
    """How far each pixel of a crop is taken, float32 (size, size): 1 in the lower half, 0 at its edges."""
    edge = max(2.0, _EDGE_SHARE * size)
    at = np.arange(size, dtype=np.float32)
    down = np.minimum((at - size // 2 + 1) / edge, (size - 1 - at) / edge)
    across = np.minimum(at, size - 1 - at) / edge
    return down.clip(0, 1)[:, None] * across.clip(0, 1)
