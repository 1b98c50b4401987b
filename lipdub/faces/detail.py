"""A picture's fine detail, moved along with what a network of few pixels changed.

A generated face has the pixels of its small crop. What it moved, such as a chin that drops, is in the picture at full
size, only elsewhere. Optical flow finds where (Kroeger et al., "Fast Optical Flow using Dense Inverse Search", ECCV
2016). Detail that the crop lacks is taken from there: the texture of skin, beards, the outline of the jaw. What no part
of the picture explains, such as the inside of a mouth that was shut, stays as it was generated.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import cv2
import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, Array

# Differences, as shares of white, from which a pixel counts as changed, and as wholly changed.
CHANGED_FROM, CHANGED_FULLY = 0.02, 0.08
# Blur of differences and of the flow, as a share of the crop's side.
BLUR = 1 / 64
_LEAST_FLOW_SIDE = 128  # pixels; smaller crops are enlarged before flow is sought


@dataclass(frozen=True)
class Motion:
    """Where the pixels of a generated crop were before.

    Attributes:
        flow: (h, w, 2) float32, pixels of the crop to the right and down; 0 where nothing changed.
        share: (h, w) float32 0..1, how far the crop before explains the generated one there.
    """

    flow: F32
    share: F32


def find_motion(before: F32, generated: F32) -> Motion:
    """Find how a generated crop moved the one before: (h, w, 3) float32 RGB 0..1 each."""
    side = len(before)
    flow = _find_flow(generated, before) * _measure_change(generated, before)[..., None]
    y, x = np.mgrid[:side, : before.shape[1]].astype(np.float32)
    moved = cv2.remap(before, x + flow[..., 0], y + flow[..., 1], cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return Motion(flow, 1 - _measure_change(generated, moved))


def move_detail(detail: F32, flow: F32, to_crop: F64, top: int = 0) -> F32:
    """Take the detail of a picture from where it was before.

    Args:
        detail: (h, w, 3) float32, the detail of the whole picture.
        flow: (rows, w, 2) float32, the flow of each pixel of the picture's rows from `top` on, in pixels of the crop.
        to_crop: (2, 3), the map from pixels of the picture to those of the crop.
        top: The first of these rows.

    Returns:
        (rows, w, 3) float32.
    """
    height, width = flow.shape[:2]
    steps = flow @ np.linalg.inv(to_crop[:, :2]).T.astype(np.float32)
    y, x = np.mgrid[top : top + height, :width].astype(np.float32)
    moved: Array = cv2.remap(
        detail, x + steps[..., 0], y + steps[..., 1], cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
    )
    return moved.astype(np.float32, copy=False)


def _measure_change(first: F32, second: F32) -> F32:
    """Measure 0..1 how far each pixel (h, w) of two crops differs."""
    difference = cv2.GaussianBlur(np.abs(first - second).max(2), (0, 0), BLUR * len(first))
    change: F32 = np.clip((difference - CHANGED_FROM) / (CHANGED_FULLY - CHANGED_FROM), 0, 1)
    return change


def _find_flow(first: F32, second: F32) -> F32:
    """Find where in the second crop each pixel of the first lies, (h, w, 2) float32 pixels away."""
    size = first.shape[1::-1]
    times = -(-_LEAST_FLOW_SIDE // min(size))
    greys = [
        cv2.cvtColor((crop * 255).clip(0, 255).round().astype(np.uint8), cv2.COLOR_RGB2GRAY) for crop in (first, second)
    ]
    if times > 1:
        greys = [cv2.resize(grey, None, fx=times, fy=times, interpolation=cv2.INTER_CUBIC) for grey in greys]
    search = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    flow = search.calc(greys[0], greys[1], np.zeros((*greys[0].shape, 2), np.float32))
    flow = cv2.GaussianBlur(flow, (0, 0), BLUR * len(flow))
    if times > 1:
        flow = cv2.resize(flow, size, interpolation=cv2.INTER_AREA) / times
    return np.asarray(flow, np.float32)
