"""Feathering: a soft edge of the mask, and plain mixing by it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.blending.blender import Blender, Patch

if TYPE_CHECKING:
    from lipdub.arrays import F32, Array

# Weights below this are 0: no sample of 8 bits changes by them.
MIN_WEIGHT = 1 / 512


def feather_mask(mask: Array, width: float) -> F32:
    """Soften a mask's edge.

    Args:
        mask: (h, w) float32 0..1, or uint8 0..255.
        width: pixels over which the mask fades, half of them inside and half outside.

    Returns:
        (h, w) float32 0..1; exactly 0 further than `width` from the mask.
    """
    if width > 0:
        radius = max(1, round(width / 2))
        mask = cv2.blur(cv2.blur(mask, (2 * radius + 1,) * 2), (2 * (radius // 2) + 1,) * 2)
    if mask.dtype == np.uint8:
        from_bytes: F32 = mask.astype(np.float32) / 255
        return from_bytes
    soft: F32 = np.clip(mask, 0, 1).astype(np.float32)
    soft[soft < MIN_WEIGHT] = 0
    return soft


def blend_feathered(background: Array, foreground: Array, mask: F32) -> Patch:
    """Take the foreground (h, w, 3) as it is, with the feathered mask (h, w) as its weight."""
    return Patch(foreground.astype(np.float32), mask)


def crop_weight(crop: Array, feather: float) -> F32:
    """Compute the feathered mask of a crop.

    Args:
        crop: (h, w, 4) uint8 or uint16, whose fourth channel is the mask.
        feather: width of the soft edge as a share of the crop's width.

    Returns:
        (h, w) float32 0..1; exactly 0 where the frame must stay as it is.
    """
    mask = crop[..., 3] if crop.dtype == np.uint8 else (crop[..., 3] >> 8).astype(np.uint8)
    soft = feather_mask(np.ascontiguousarray(mask), feather * crop.shape[1])
    return np.where(mask > 0, soft, np.float32(0))


BLENDER = Blender("feather", "crop and frame mixed by the feathered mask", blend_feathered)
