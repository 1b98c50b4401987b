"""The training of the landmarks' heat maps, for `lipdub train landmark-heatmaps`, on a dataset of `lipdub prepare`.

The network (`networks.landmark_heatmaps`) learns where the 68 points of the face mesh lie, as Gaussians on maps of half
the picture's size; Bulat and Tzimiropoulos, "How Far Are We from Solving the 2D & 3D Face Alignment Problem?" (ICCV
2017), train FAN so. A map is nearly empty, so its peak counts more than the rest.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from lipdub.faces import landmarks
from lipdub.faces.alignment.fan import SIZE
from lipdub.faces.fan_landmarks import decode_heatmaps
from lipdub.networks.landmark_heatmaps import HeatMapSize, LandmarkHeatMaps, draw_heatmaps
from lipdub.training.face_augmentation import FaceAugmentation
from lipdub.training.loop import LoopOptions, Trainer, TrainingTask, prefix_lines
from lipdub.training.single_faces import draw_faces

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

    from lipdub.arrays import F64
    from lipdub.training.dataset import Dataset

AUGMENTATION = FaceAugmentation(
    shift=0.06,
    scale=0.1,
    stretch=0.06,
    turn=10.0,
    light=0.25,
    slope=0.25,
    contrast=0.3,
    blur=2.0,
    blurred=0.4,
    tint=0.1,
)

MOUTH = range(48, 68)
"""The lips among iBUG's points."""

_CHECK_BATCHES = 8  # batches of held-out faces


@dataclass(frozen=True)
class HeatMapOptions:
    """Options that determine the network, besides data and seed.

    Attributes:
        size: of the network.
        faces: faces in a batch.
        augmentation: drawn for each face.
        peak_weight: how much more the squared error counts at a peak than where the true map is empty.
        loop: the training loop.
    """

    size: HeatMapSize = field(default_factory=HeatMapSize)
    faces: int = 12
    augmentation: FaceAugmentation = AUGMENTATION
    peak_weight: float = 30.0
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            steps=3000,
            learning_rate=2e-3,
            weight_decay=0.01,
            warmup=50,
            clip=1.0,
            ema_decay=0.99,
            precision="bf16",
            save_every=100,
            workers=1,
        )
    )


class HeatMapBatch(NamedTuple):
    """A batch of n single faces.

    Attributes:
        pictures: (n, 3, P, P) float32 RGB in 0..1, augmented.
        points: (n, 68, 2) float32, x and y as shares of the picture; outside 0..1 where it does not reach so far.
    """

    pictures: torch.Tensor
    points: torch.Tensor


def train_heatmaps(
    data: Dataset,
    folder: Path,
    options: HeatMapOptions,
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> LandmarkHeatMaps:
    """Train the network, or resume its training.

    Args:
        data: clips to learn.
        folder: folder of the checkpoints (`training.loop`).
        options: network, batches and loop.
        seed: seed of all random choices.
        device: "auto", or PyTorch's name of a device.
        progress: called with one line of text at each report.

    Returns:
        the averaged network, in evaluation mode.
    """
    torch.manual_seed(seed)
    network = LandmarkHeatMaps(options.size)
    network.to(memory_format=torch.channels_last)

    def draw(number: int) -> HeatMapBatch:
        return draw_batch(data, options.faces, np.random.default_rng((seed, number)), options.augmentation)

    def compute_loss(net: nn.Module, batch: HeatMapBatch) -> tuple[torch.Tensor, dict[str, float]]:
        loss = heatmap_loss(net(batch.pictures), batch.points, options)
        return loss, {"maps": float(loss.detach())}

    task = TrainingTask(network, draw, compute_loss)
    report = prefix_lines("landmark heat maps", progress)
    trained = Trainer(task, folder, options.loop, device=device, seed=seed, progress=report).run()
    assert isinstance(trained, LandmarkHeatMaps)
    return trained


def heatmap_loss(maps: torch.Tensor, points: torch.Tensor, options: HeatMapOptions) -> torch.Tensor:
    """Compute the mean squared difference of maps (n, 68, h, h) to the true ones, which counts more at the peaks.

    Args:
        maps: of the network.
        points: (n, 68, 2), the true points, shares of the picture.
        options: peaks and their weight.
    """
    true = draw_heatmaps(points, maps.shape[-1], options.size.sigma)
    return ((1 + options.peak_weight * true) * (maps - true).square()).mean()


def draw_batch(
    data: Dataset, faces: int, rng: np.random.Generator, augmentation: FaceAugmentation | None = None
) -> HeatMapBatch:
    """Draw single faces, each augmented on its own; without `augmentation` as they are."""
    drawn = draw_faces(data, faces, rng, augmentation)
    return HeatMapBatch(drawn.pictures, torch.from_numpy(landmarks.to_ibug(drawn.points).astype(np.float32)))


@torch.no_grad()
def evaluate_heatmaps(network: LandmarkHeatMaps, data: Dataset, options: HeatMapOptions) -> dict[str, float]:
    """Measure on faces without augmentation how far a network's peaks lie from the points.

    Returns:
        "landmarks": mean distance as a share of the picture; "mouth": that of the lips' points.
    """
    distances = []
    for number in range(_CHECK_BATCHES):
        batch = draw_batch(data, options.faces, np.random.default_rng((0, number)))
        distances.append(measure_distances(network(batch.pictures), batch.points))
    far = np.concatenate(distances)
    return {
        "landmarks": round(float(np.nanmean(far)), 4),
        "mouth": round(float(np.nanmean(far[:, list(MOUTH)])), 4),
    }


def measure_distances(maps: torch.Tensor, points: torch.Tensor) -> F64:
    """Measure how far the peaks of maps (n, 68, h, h) lie from points (n, 68, 2).

    Returns:
        (n, 68) float64 shares of the picture; NaN for points outside.
    """
    peaks = (decode_heatmaps(maps.cpu().numpy()) + 0.5) / SIZE
    true = points.double().cpu().numpy()
    outside = ((true < 0) | (true > 1)).any(-1)
    return np.where(outside, np.nan, np.linalg.norm(peaks - true, axis=-1))
