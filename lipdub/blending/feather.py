"""Feather: a soft edge of the mask, and plain mixing by it."""

from __future__ import annotations

import cv2
import numpy as np


def feather_mask(mask: np.ndarray, width: float) -> np.ndarray:
    """Soft-edged mask that is never wider than the given one by more than `width` pixels.

    Args:
        mask: (h, w) float32 0..1, or uint8 0..255. width: pixels over which it fades, half inside and half outside.

    Returns:
        float32 (h, w) 0..1, exactly 0 further than `width` from the mask, and at the picture's border.
    """
    if width > 0:
        radius = max(1, int(round(width / 2)))
        mask = cv2.blur(cv2.blur(mask, (2 * radius + 1,) * 2), (2 * (radius // 2) + 1,) * 2)
    if mask.dtype == np.uint8:
        return mask.astype(np.float32) / 255
    soft = np.clip(mask, 0, 1).astype(np.float32)
    soft[soft < 1 / 512] = 0
    return soft


def blend_feathered(background: np.ndarray, foreground: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Background + weight * (foreground - background), float32 (h, w, 3)."""
    return background + weight[..., None] * (foreground.astype(np.float32) - background)


def crop_weight(crop: np.ndarray, feather: float) -> np.ndarray:
    """The feathered mask of a crop (h, w, 4): float32 (h, w) 0..1; exactly 0 where the frame must stay as it is."""
    from lipdub.blending.feather import feather_mask as soften

    mask = crop[..., 3] if crop.dtype == np.uint8 else (crop[..., 3] >> 8).astype(np.uint8)
    soft = soften(np.ascontiguousarray(mask), feather * crop.shape[1])
    return np.where(mask > 0, soft, np.float32(0))
