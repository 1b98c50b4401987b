"""Flicker: brightness that jumps from frame to frame where a face stands still. A measure of lipdub's own."""

from __future__ import annotations

import math

import numpy as np

from lipdub.metrics import regions

# Places inside what dubs replace, and at last one outside it: light that flickers in the source does so on both.
PATCHES = (regions.NOSE_TIP, regions.LEFT_SIDE, regions.RIGHT_SIDE, regions.FOREHEAD)
#: Above this it is to be seen. Measured on real clips: at most 1.7 grey levels alone, 0.2 more than the source.
VISIBLE, VISIBLE_AGAINST_SOURCE = 2.5, 1.0


def measure_patches(rgb: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Mean brightness of each of `PATCHES`, float64 (4,) in grey levels; NaN for one outside the frame, and
    for all where no face was seen (landmarks of NaN).

    rgb: (h, w, 3), uint8 or uint16; landmarks: (478, 2 or 3) pixels.
    """
    out = np.full(len(PATCHES), math.nan)
    if not np.isfinite(landmarks).all():
        return out
    part = regions.crop_face(rgb, landmarks)
    grey = regions.to_luma(part.rgb) if part.rgb.size else np.zeros((0, 0), np.float32)
    for i, vertices in enumerate(PATCHES):
        inside = grey[regions.fill_hull(part.landmarks[list(vertices)], *grey.shape)] if grey.size else grey
        if inside.size:
            out[i] = inside.mean(dtype=np.float64)
    return out


def flicker(brightness: np.ndarray) -> float:
    """Grey levels by which the lower face flickers against the forehead, from `patches` of successive frames (n, 4).

    Root mean square of what a frame differs from the middle of its neighbours (second differences, which slow changes
    and motion hardly have, over sqrt(6): the deviation of white noise); the median of the patches. Rows of NaN, where
    no face was seen or a cut lies, part the series. NaN when three frames in a row are nowhere to be had. To compare
    with the source's own, subtract that.
    """
    against = brightness[:, :-1] - brightness[:, -1:]
    second = np.diff(against, 2, axis=0)
    kept = second[np.isfinite(second).all(1)]
    return float(np.median(np.sqrt(np.square(kept).mean(0) / 6))) if len(kept) else math.nan
