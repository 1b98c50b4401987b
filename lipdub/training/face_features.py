"""The training of the small perceptual network, for `lipdub train face-features`, on a dataset of `lipdub prepare`.

Perceptual losses use this network (`networks.face_features`) where VGG-19 is not in the weights store. It sees single
faces with changed light, focus and noise. It learns where the landmarks of lips, jaw, nose and eyes lie, and which
colours the face had before. Neither needs labels made by people.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.functional import interpolate

from lipdub.faces import mesh
from lipdub.networks.face_features import COLOUR_GRID_SIZE, FaceFeatures, FaceTasks
from lipdub.training.config import setting
from lipdub.training.face_augmentation import FaceAugmentation
from lipdub.training.loop import LoopOptions, Trainer, TrainingTask, prefix_lines
from lipdub.training.single_faces import draw_faces

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lipdub.training.dataset import Dataset

# fmt: off
_NOSE = (1, 2, 4, 5, 6, 168, 48, 64, 98, 278, 294, 327)
_EYES = (
    33, 7, 163, 144, 145, 153, 154, 155, 133, 173, 157, 158, 159, 160, 161, 246,
    263, 249, 390, 373, 374, 380, 381, 382, 362, 398, 384, 385, 386, 387, 388, 466,
)
# fmt: on
LANDMARK_VERTICES = np.array((*mesh.LIPS_OUTER, *mesh.LIPS_INNER, *mesh.JAW, *_NOSE, *_EYES))
"""Vertices of the face mesh that the network locates. The mirror partner of each is among them."""

_CHECK_BATCHES = 8  # batches of held-out faces

# Less blur than elsewhere: the features of an unfocused face must differ.
AUGMENTATION = FaceAugmentation(
    shift=0.08, scale=0.12, stretch=0.06, turn=10.0, light=0.25, slope=0.25, contrast=0.3, blur=0.8, blurred=0.2
)


@dataclass(frozen=True)
class FaceFeaturesOptions:
    """Options that determine the network, besides data and seed.

    Attributes:
        widths: channels of its maps.
        faces: faces in a batch.
        augmentation: drawn for each face.
        landmark_weight: weight of the landmarks' mean error, a share of the picture.
        colour_weight: weight of the colours' mean error, a share of white.
        loop: the training loop.
    """

    widths: tuple[int, ...] = (16, 32, 64, 96, 128)
    faces: int = 32
    augmentation: FaceAugmentation = setting(AUGMENTATION, was="changes")
    landmark_weight: float = setting(20.0, was="landmarks")
    colour_weight: float = setting(4.0, was="colours")
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            steps=1200,
            learning_rate=2e-3,
            weight_decay=0.01,
            warmup=50,
            ema_decay=0.99,
            precision="bf16",
            save_every=300,
            workers=1,
        )
    )


class LandmarkBatch(NamedTuple):
    """A batch of n single faces.

    Attributes:
        pictures: (n, 3, P, P) float32 RGB in 0..1, augmented.
        landmarks: (n, p, 2) float32, x and y of `LANDMARK_VERTICES` as shares of the picture; outside 0..1 where the
            picture does not reach so far.
        colours: (n, 3, 16, 16) float32 RGB in 0..1, the pictures reduced, with their original colours.
    """

    pictures: torch.Tensor
    landmarks: torch.Tensor
    colours: torch.Tensor


def train_network(
    data: Dataset,
    folder: Path,
    options: FaceFeaturesOptions,
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> FaceTasks:
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
    network = FaceTasks(FaceFeatures(options.widths), len(LANDMARK_VERTICES))
    network.to(memory_format=torch.channels_last)

    def draw(number: int) -> LandmarkBatch:
        return draw_batch(data, options.faces, np.random.default_rng((seed, number)), options.augmentation)

    def compute_loss(net: nn.Module, batch: LandmarkBatch) -> tuple[torch.Tensor, dict[str, float]]:
        places, colours = mean_errors(net, batch)
        figures = {"landmarks": float(places.detach()), "colours": float(colours.detach())}
        return options.landmark_weight * places + options.colour_weight * colours, figures

    task = TrainingTask(network, draw, compute_loss)
    report = prefix_lines("face features", progress)
    trained = Trainer(task, folder, options.loop, device=device, seed=seed, progress=report).run()
    assert isinstance(trained, FaceTasks)
    return trained


@torch.no_grad()
def evaluate_network(network: FaceTasks, data: Dataset, options: FaceFeaturesOptions) -> dict[str, float]:
    """Measure a network's mean errors on faces without augmentation.

    Returns:
        "landmarks": distance as a share of the picture; "colours": difference as a share of white.
    """
    places, colours = [], []
    for number in range(_CHECK_BATCHES):
        batch = draw_batch(data, options.faces, np.random.default_rng((0, number)))
        predicted, small = network(batch.pictures)
        places.append((predicted - batch.landmarks)[_is_inside(batch.landmarks)].norm(dim=1))
        colours.append((small - batch.colours).abs().mean())
    return {
        "landmarks": round(float(torch.cat(places).mean()), 4),
        "colours": round(float(torch.stack(colours).mean()), 4),
    }


def mean_errors(network: nn.Module, batch: LandmarkBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the mean absolute errors of the landmarks inside the picture, and of the colours."""
    predicted, small = network(batch.pictures)
    inside = _is_inside(batch.landmarks)[..., None]
    places = ((predicted - batch.landmarks).abs() * inside).sum() / (2 * inside.sum()).clamp(min=1)
    return places, (small - batch.colours).abs().mean()


def draw_batch(
    data: Dataset, faces: int, rng: np.random.Generator, augmentation: FaceAugmentation | None = None
) -> LandmarkBatch:
    """Draw single faces, each augmented on its own; without `augmentation` as they are."""
    drawn = draw_faces(data, faces, rng, augmentation)
    return LandmarkBatch(
        drawn.pictures,
        torch.from_numpy(drawn.points[:, LANDMARK_VERTICES].astype(np.float32)),
        interpolate(drawn.clean, (COLOUR_GRID_SIZE, COLOUR_GRID_SIZE), mode="area"),
    )


def _is_inside(shares: torch.Tensor) -> torch.Tensor:
    """Find which landmarks (..., 2) lie in the picture."""
    return ((shares >= 0) & (shares <= 1)).all(-1)
