"""Single faces of a dataset with their landmarks, each augmented on its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import torch

from lipdub.faces import landmarks
from lipdub.training.face_augmentation import FaceAugmentation, augment_faces
from lipdub.training.neutral_face import match_mirror_vertices

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I64, Array
    from lipdub.training.dataset import Dataset

NO_AUGMENTATION = FaceAugmentation(
    shift=0.0,
    scale=0.0,
    stretch=0.0,
    turn=0.0,
    light=0.0,
    slope=0.0,
    contrast=0.0,
    blur=0.0,
    noise=0.0,
    flip=0.0,
    blurred=0.0,
)


@dataclass(frozen=True)
class SingleFaces:
    """n faces of P pixels.

    Attributes:
        pictures: (n, 3, P, P) float32 RGB in 0..1, augmented.
        clean: (n, 3, P, P) float32 RGB in 0..1, with the changes of place and size, not those of light and focus.
        points: (n, 478, 2) float64 landmarks as shares of the picture; outside 0..1 where it does not reach so far.
    """

    pictures: torch.Tensor
    clean: torch.Tensor
    points: F64


def draw_faces(
    data: Dataset, faces: int, rng: np.random.Generator, augmentation: FaceAugmentation | None = None
) -> SingleFaces:
    """Draw single faces, each augmented on its own; without `augmentation` as they are."""
    windows = [data.draw(rng, 1) for _ in range(faces)]
    crops = torch.from_numpy(np.concatenate([window.crops for window in windows])).permute(0, 3, 1, 2).float() / 255
    points = np.concatenate([window.landmarks[..., :2] for window in windows])
    reach = augmentation or NO_AUGMENTATION
    # The clean picture shares the geometric changes, not those of light, focus and noise.
    geometric = replace(reach, light=0.0, slope=0.0, contrast=0.0, noise=0.0, blurred=0.0)
    photometric = replace(reach, shift=0.0, scale=0.0, stretch=0.0, turn=0.0, flip=0.0)
    ramp = torch.linspace(0, 1, data.side).expand(faces, 1, data.side, data.side)
    views = augment_faces(torch.cat([crops, ramp, ramp.transpose(2, 3)], 1), data.size, data.size, rng, geometric)
    clean, origins = views[:, :3].contiguous(), views[:, 3:].numpy() * (data.side - 1)
    pictures = augment_faces(clean, data.size, data.size, rng, photometric)
    return SingleFaces(
        pictures.contiguous(memory_format=torch.channels_last), clean, _transform_points(points, origins)
    )


def _transform_points(points: F32, origins: F32) -> F64:
    """Transform landmarks from crops to the views of them.

    Args:
        points: (n, 478, 2) float32 pixels of the crops.
        origins: (n, 2, P, P) float32, x and y in the crop of each pixel of the view.

    Returns:
        (n, 478, 2) float64 shares of the view. In a mirrored view partners have changed places.
    """
    size = origins.shape[-1]
    low, high = size // 4, size - 1 - size // 4  # a view may reach beyond the crop's edge, its middle does not
    corner = origins[:, :, low, low]
    across = (origins[:, :, low, high] - corner) / (high - low)
    down = (origins[:, :, high, low] - corner) / (high - low)
    affine = np.stack([across, down], 2).astype(np.float64)
    views: Array = (points - corner[:, None]) @ np.linalg.inv(affine).transpose(0, 2, 1) + low
    mirrored = np.linalg.det(affine) < 0
    views[mirrored] = views[mirrored][:, mirror_partners()]
    return (views + 0.5) / size


@lru_cache(maxsize=1)
def mirror_partners() -> I64:
    """Give the mirror partner of each vertex, (478,) int64."""
    return match_mirror_vertices(landmarks.load_neutral_face())
