"""The 68 points of iBUG as FAN finds them: where it looks, and what its heatmaps say.

Bulat, Tzimiropoulos, "How far are we from solving the 2D & 3D Face Alignment problem?" (ICCV 2017); numbers of its
published code, the `face-alignment` package. That gives points in whole pixels of the frame, from peaks known to
half a cell of the heatmap, and a cell is some 6 pixels of a face 200 wide. Here a peak is the summit of the parabola
through the logarithms around it: exact for a Gaussian, which FAN was trained to give (Zhang et al.,
"Distribution-Aware Coordinate Representation for Human Pose Estimation", CVPR 2020, take the form of two dimensions).

Whole numbers are the middles of pixels. Boxes are left, top, right, bottom in whole pixels, as those of `headcrop`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from lipdub.faces.alignment import three_dmm

if TYPE_CHECKING:
    from lipdub.media.pixels import Picture

POINT_COUNT = 68
SIZE = 256  # pixels of a crop
# A face of whose points the box is so many pixels, width and height together, fills a square of so many.
REFERENCE_SCALE = 195.0
SQUARE = 200.0
RISE = 0.12  # of the points' height, that the square's middle lies above theirs
BATCH = 8  # faces a device is given at once; a CPU is no faster with more than one
# Cells less than this share of their peak say no more about where it is.
PEAK_FLOOR = 1e-4
# FAN and the mesh mean the same eyes, nose and corners of the mouth: where those are this share of the square apart
# on average, FAN saw something else.
MAX_DISAGREEMENT = 0.06


def fit_boxes(points: np.ndarray) -> np.ndarray:
    """Where FAN looks at faces whose iBUG points (n, 68, 2) are roughly known, as it was trained: int32 (n, 4)."""
    points = np.asarray(points, np.float64)
    low, high = points.min(1), points.max(1)
    middle = (low + high) / 2
    middle[:, 1] -= RISE * (high - low)[:, 1]
    side = np.maximum(np.round((high - low).sum(1) * SQUARE / REFERENCE_SCALE), 2)[:, None]
    corner = np.round(middle + 0.5 - side / 2)
    return np.concatenate([corner, corner + side], axis=1).astype(np.int32)


def crop(picture: Picture, box: np.ndarray) -> np.ndarray:
    """A box of a frame as FAN sees it, uint8 (SIZE, SIZE, 3) RGB; beyond the frame it is black."""
    low = np.clip(box[:2], 0, [picture.width - 1, picture.height - 1])
    high = np.clip(box[2:], low + 1, [picture.width, picture.height])
    part = picture.rgb((int(low[0]), int(low[1]), int(high[0]), int(high[1])))
    if part.dtype != np.uint8:
        part = (part >> 8).astype(np.uint8)
    left, top, right, bottom = (int(v) for v in np.maximum([*(low - box[:2]), *(box[2:] - high)], 0))
    part = cv2.copyMakeBorder(part, top, bottom, left, right, cv2.BORDER_CONSTANT)
    way = cv2.INTER_AREA if len(part) > SIZE else cv2.INTER_LINEAR
    return cv2.resize(part, (SIZE, SIZE), interpolation=way)


def to_frame(points: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Points (..., 2) of the crop of a box as they lie in the frame."""
    return (np.asarray(points, np.float64) + 0.5) * ((box[2] - box[0]) / SIZE) - 0.5 + box[:2]


def to_crop(points: np.ndarray, box: np.ndarray) -> np.ndarray:
    """Points (..., 2) of the frame as they lie in the crop of a box: the inverse of `to_frame`."""
    return (np.asarray(points, np.float64) + 0.5 - box[:2]) * (SIZE / (box[2] - box[0])) - 0.5


def decode_heatmaps(heatmaps: np.ndarray) -> np.ndarray:
    """Where heatmaps (n, p, h, w) over a whole crop have their peaks: float64 (n, p, 2), pixels of the crop.

    Between the cells to half a cell of the highest; at the heatmap's edge the middle of that cell.
    """
    n, count, h, w = heatmaps.shape
    flat = np.asarray(heatmaps, np.float64).reshape(n * count, h, w)
    maps = np.arange(len(flat))
    row, column = np.divmod(flat.reshape(len(flat), h * w).argmax(1), w)
    peak = flat[maps, row, column]
    whole = (peak > 0) & (row > 0) & (row < h - 1) & (column > 0) & (column < w - 1)
    at = np.stack([column, row], 1).astype(np.float64)
    floor = np.maximum(PEAK_FLOOR * peak[whole], np.finfo(np.float64).tiny)
    for axis, (right, down) in enumerate(((1, 0), (0, 1))):
        before, here, after = (
            np.log(np.maximum(flat[maps[whole], row[whole] + i * down, column[whole] + i * right], floor))
            for i in (-1, 0, 1)
        )
        bend = before - 2 * here + after
        at[whole, axis] += np.where(bend < 0, (before - after) / np.where(bend < 0, 2 * bend, -1), 0).clip(-0.5, 0.5)
    return (((at + 0.5) * [SIZE / w, SIZE / h]) - 0.5).reshape(n, count, 2)


def find_landmarks(network: Any, crops: np.ndarray) -> np.ndarray:
    """Points float64 (n, 68, 2) in crops uint8 (n, SIZE, SIZE, 3) RGB. network: `networks.fan.fan`."""
    import torch

    like = next(network.parameters())
    batch = BATCH if like.device.type != "cpu" else 1
    out = np.empty((len(crops), POINT_COUNT, 2))
    for i in range(0, len(crops), batch):
        images = torch.from_numpy(crops[i : i + batch]).permute(0, 3, 1, 2).contiguous().float() / 255
        with torch.inference_mode():
            heatmaps = network(images.to(like))[-1].float().cpu().numpy()
        out[i : i + batch] = decode_heatmaps(heatmaps)
    return out


def match_known(found: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Which of FAN's points (n, 68, 2) are those of the faces that were roughly known (n, 68, 2): bool (n,).

    By eyes, nose and corners of the mouth. Where something covers a face, the peaks may lie anywhere.
    """
    apart = [
        np.linalg.norm(three_dmm.select_five_points(a) - three_dmm.select_five_points(b), axis=1).mean()
        for a, b in zip(found, known, strict=True)
    ]
    side = fit_boxes(known)[:, 2] - fit_boxes(known)[:, 0]
    return np.array(apart) <= MAX_DISAGREEMENT * side
