"""Pastes a crop into a frame, in the frame's own pixel format."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np

from lipdub.blending.feather import crop_weight

if TYPE_CHECKING:
    from lipdub.arrays import Array
    from lipdub.media.pixels import Picture
    from lipdub.stages.paste_back.options import PasteBackOptions
    from lipdub.stages.sync.store import CropStore


def paste_crop(picture: Picture, crop: Array, box: Array, options: PasteBackOptions) -> Picture:
    """Paste a crop into a frame.

    Args:
        picture: The frame.
        crop: (h, w, 4), with room to spare.
        box: (4,) its place, display pixels.
        options: Blender, feather, colour match.

    Returns:
        A new frame; the same object where there is nothing to paste.
    """
    from lipdub.blending import BLENDERS, colour_match

    x0, y0, x1, y1 = (int(v) for v in box)
    if x1 <= x0 or y1 <= y0:
        return picture
    crop = crop[: y1 - y0, : x1 - x0]
    weight = crop_weight(crop, options.feather)
    rows, columns = np.flatnonzero(weight.any(1)), np.flatnonzero(weight.any(0))
    if len(rows) == 0:
        return picture
    # The rest of the crop stays as it is: only the box the mask fills is worked on.
    part = np.s_[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    crop, weight = crop[part], np.ascontiguousarray(weight[part])
    x0, y0 = x0 + int(columns[0]), y0 + int(rows[0])
    x1, y1 = x0 + weight.shape[1], y0 + weight.shape[0]
    background = picture.rgb((x0, y0, x1, y1))
    foreground = cv2.cvtColor(crop, cv2.COLOR_RGBA2RGB)
    if options.colour_match:
        foreground = colour_match.match_colour(background, foreground, weight, picture.scale)
    patch = BLENDERS.get(options.method).blend(background, foreground, weight)
    return picture.patch((x0, y0, x1, y1), patch.rgb, patch.weight, background)


def pasted_region(crops: CropStore, k: int, options: PasteBackOptions) -> tuple[tuple[int, int, int, int], Array]:
    """Return what paste-back may have changed in an output frame.

    Args:
        crops: The crops that are pasted, sync's or enhance's.
        k: The output frame.
        options: Blender, feather.

    Returns:
        box: (x0, y0, x1, y1), empty where the frame was passed through.
        weight: (h, w) float32 0..1, the feathered mask.
    """
    crop, box = crops.read_crop(k)
    x0, y0, x1, y1 = (int(v) for v in box)
    return (x0, y0, x1, y1), crop_weight(crop, options.feather)
