"""Find the 68 iBUG points of a face with FAN: run it on crops and decode its heatmaps.

Bulat and Tzimiropoulos, How far are we from solving the 2D & 3D Face Alignment problem? (ICCV 2017). Its published
code, the `face-alignment` package, gives points in whole pixels of the frame, from peaks known to half a cell of the
heatmap; a cell is some 6 pixels of a face 200 wide. Here a peak is the summit of the parabola through the logarithms
around it. That is exact for a Gaussian, which FAN was trained to give (Zhang et al., Distribution-Aware Coordinate
Representation for Human Pose Estimation, CVPR 2020, take the form of two dimensions).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.alignment.fan import SIZE, fit_boxes
from lipdub.faces.alignment.five_point import select_five_points

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, U8, Array, Mask

POINT_COUNT = 68
GPU_BATCH = 8  # faces a GPU is given at once; a processor is no faster with more than one
PEAK_FLOOR = 1e-4  # share of their peak below which cells say no more about where it is
# FAN and the mesh mean the same eyes, nose and corners of the mouth. Where those differ on average by more than this
# share of the square, FAN saw something else.
MAX_DISAGREEMENT = 0.06


def find_landmarks(network: Any, crops: U8) -> F64:
    """Find the points (n, 68, 2) float64 in crops.

    Args:
        network: `networks.fan.fan`.
        crops: (n, 256, 256, 3) uint8 RGB of `alignment.fan`.

    Returns:
        Pixels of the crops.
    """
    import torch

    like = next(network.parameters())
    batch = GPU_BATCH if like.device.type != "cpu" else 1
    points = np.empty((len(crops), POINT_COUNT, 2))
    for i in range(0, len(crops), batch):
        images = torch.from_numpy(crops[i : i + batch]).permute(0, 3, 1, 2).contiguous().float() / 255
        with torch.inference_mode():
            heatmaps = network(images.to(like))[-1].float().cpu().numpy()
        points[i : i + batch] = decode_heatmaps(heatmaps)
    return points


def decode_heatmaps(heatmaps: F32) -> F64:
    """Find the peaks of heatmaps (n, p, h, w) over a whole crop: (n, p, 2) float64, pixels of the crop.

    Peaks lie between the cells, within half a cell of the highest; at the heatmap's edge in the middle of that cell.
    """
    n, count, h, w = heatmaps.shape
    flat = np.asarray(heatmaps, np.float64).reshape(n * count, h, w)
    maps = np.arange(len(flat))
    row, column = np.divmod(flat.reshape(len(flat), h * w).argmax(1), w)
    peak = flat[maps, row, column]
    is_inside = (peak > 0) & (row > 0) & (row < h - 1) & (column > 0) & (column < w - 1)
    cell = np.stack([column, row], 1).astype(np.float64)
    floor = np.maximum(PEAK_FLOOR * peak[is_inside], np.finfo(np.float64).tiny)
    for axis, (right, down) in enumerate(((1, 0), (0, 1))):
        previous, middle, following = (
            np.log(np.maximum(flat[maps[is_inside], row[is_inside] + i * down, column[is_inside] + i * right], floor))
            for i in (-1, 0, 1)
        )
        bend = previous - 2 * middle + following
        summit = np.where(bend < 0, (previous - following) / np.where(bend < 0, 2 * bend, -1), 0)
        cell[is_inside, axis] += summit.clip(-0.5, 0.5)
    return (((cell + 0.5) * [SIZE / w, SIZE / h]) - 0.5).reshape(n, count, 2)


def match_known(points: Array, known: Array) -> Mask:
    """Find which of FAN's points belong to the roughly known faces: (n,) bool.

    Eyes, nose and corners of the mouth are compared. Where something covers a face, the peaks may lie anywhere.

    Args:
        points: (n, 68, 2) of FAN, pixels.
        known: (n, 68, 2) of the mesh, pixels.
    """
    distance = [
        np.linalg.norm(select_five_points(a) - select_five_points(b), axis=1).mean()
        for a, b in zip(points, known, strict=True)
    ]
    boxes = fit_boxes(known)
    return np.array(distance) <= MAX_DISAGREEMENT * (boxes[:, 2] - boxes[:, 0])
