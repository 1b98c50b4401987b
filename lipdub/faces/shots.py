"""Cuts between shots, from how much small thumbnails of successive frames differ."""

from __future__ import annotations

import cv2
import numpy as np

# Mean change per channel of hue-saturation-value (0..255), as PySceneDetect's content detector counts it.
CUT_THRESHOLD = 27.0
# A cut must also stand out from the change around it, else fast motion or flicker would count as cuts.
CUT_PROMINENCE = 3.0
CUT_NEIGHBOURS = 4
THUMBNAIL_SIZE = (64, 36)


def make_thumbnail(rgb: np.ndarray) -> np.ndarray:
    """Small HSV picture (36, 64, 3) uint8 of an RGB one."""
    return cv2.cvtColor(cv2.resize(rgb, THUMBNAIL_SIZE, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2HSV_FULL)


def measure_change(before: np.ndarray, after: np.ndarray) -> float:
    """Mean absolute difference of two thumbnails; hue counts on its circle and only where there is colour."""
    a, b = before.astype(np.int16), after.astype(np.int16)
    d = np.abs(a - b)
    hue = np.minimum(d[..., 0], 256 - d[..., 0]) * (np.minimum(a[..., 1], b[..., 1]) / 255.0)
    return float((hue.mean() + d[..., 1].mean() + d[..., 2].mean()) / 3)


def find_cuts(changes: np.ndarray) -> list[int]:
    """Frames that begin a new shot.

    Args:
        changes: (n,) `change` of each frame from the one before; the first is 0.
    """
    out = []
    for i in np.flatnonzero(changes >= CUT_THRESHOLD):
        around = np.concatenate([changes[max(1, i - CUT_NEIGHBOURS) : i], changes[i + 1 : i + 1 + CUT_NEIGHBOURS]])
        if len(around) == 0 or changes[i] >= CUT_PROMINENCE * max(float(np.median(around)), 1.0):
            out.append(int(i))
    return out


def find_shots(changes: np.ndarray) -> list[tuple[int, int]]:
    """Half-open frame spans of the shots."""
    edges = [0, *find_cuts(changes), len(changes)]
    return [(a, b) for a, b in zip(edges, edges[1:], strict=False) if b > a]
