"""`lipdub train face-features`: the small network that perceptual losses look through where VGG-19 is not in the store
(`networks.face_features`), on a dataset of `lipdub prepare`.

Single faces are shown with their light, focus and noise changed; the network is to tell where landmarks of lips, jaw, nose and
eyes lie in them, and what colours they had before. Both are known without anybody's labels.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch
from torch import nn
from torch.nn.functional import interpolate

from lipdub.faces import landmarks, mesh
from lipdub.networks.face_features import COLOUR_GRID_SIZE, FaceFeatures, FaceTasks
from lipdub.training.card import checkpoint_folder, collect_notes
from lipdub.training.dataset import Dataset, OnBad, open_dataset, open_held_out
from lipdub.training.face_augmentation import FaceAugmentation, augment_faces
from lipdub.training.loop import LoopOptions, run_loop
from lipdub.training.neutral_face import match_mirror_vertices
from lipdub.weights import face_features_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

_NOSE = (1, 2, 4, 5, 6, 168, 48, 64, 98, 278, 294, 327)
_EYES = (
    33,
    7,
    163,
    144,
    145,
    153,
    154,
    155,
    133,
    173,
    157,
    158,
    159,
    160,
    161,
    246,
    263,
    249,
    390,
    373,
    374,
    380,
    381,
    382,
    362,
    398,
    384,
    385,
    386,
    387,
    388,
    466,
)
LANDMARK_VERTICES = np.array((*mesh.LIPS_OUTER, *mesh.LIPS_INNER, *mesh.JAW, *_NOSE, *_EYES))
"""Vertices of the mesh whose places are asked for; the partner of each across the middle is among them."""

_CHECKED = 8  # batches of held-out faces

# Less blur than elsewhere: what is out of focus is to be seen as something else.
AUGMENTATION = FaceAugmentation(
    shift=0.08, scale=0.12, stretch=0.06, turn=10.0, light=0.25, slope=0.25, contrast=0.3, blur=0.8, blurred=0.2
)

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
class FaceFeaturesOptions:
    """What decides the network besides its data and the seed.

    widths: channels of its maps; faces: of a batch; changes: to each of them; landmarks, colours: weights of the two errors, mean
    differences as shares of the picture and of white.
    """

    widths: tuple[int, ...] = (16, 32, 64, 96, 128)
    faces: int = 32
    changes: FaceAugmentation = AUGMENTATION
    landmarks: float = 20.0
    colours: float = 4.0
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            steps=1200, rate=2e-3, decay=0.01, warmup=50, average=0.99, precision="bf16", save_every=300, workers=1
        )
    )


class LandmarkBatch(NamedTuple):
    """pictures: float32 (n, 3, P, P), RGB in 0..1, changed; landmarks: float32 (n, p, 2), x and y of `POINTS` as shares of the
    picture, outside 0..1 where it does not reach so far; colours: float32 (n, 3, 16, 16), the pictures in small, unchanged.
    """

    pictures: torch.Tensor
    landmarks: torch.Tensor
    colours: torch.Tensor


def train(
    out: Path,
    *,
    data: Path,
    options: FaceFeaturesOptions | None = None,
    workdir: Path | None = None,
    seed: int = 0,
    threads: int = 2,
    device: str = "cpu",
    on_bad: OnBad = "skip",
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Train the network on the clips of a dataset but those held out, and write its weights.

    Args:
        out: the safetensors file to write (replaced whole at the end). data: of `lipdub prepare`. workdir: where checkpoints are
            kept, by default beside `out`: a stopped training called again goes on from there. device: "auto", or torch's name of
            it. on_bad: what a damaged shard does. progress: called with one line of text now and then.

    Returns:
        out.

    Raises:
        InputError: no such dataset.
    """
    options, say = options or FaceFeaturesOptions(), progress or (lambda text: None)
    torch.set_num_threads(max(threads, 1))
    folder = checkpoint_folder(workdir, out, "face-features", options, seed)
    learn = open_dataset(data, split="train", on_bad=on_bad, tell=say)
    apart = open_held_out(data, on_bad=on_bad, tell=say)
    network = train_network(learn, folder, options, seed=seed, device=device, progress=say)
    figures: dict[str, float] = {}
    if apart is None:
        say("face features: the dataset has no clips held out, so there is nothing to check with")
    else:
        figures = evaluate_network(network, apart, options)
        told = (
            f"landmarks {100 * figures['landmarks']:.2f} % of the picture",
            f"colours {100 * figures['colours']:.1f} % of white",
        )
        say(f"face features: held-out faces, unchanged: {told[0]} off, {told[1]}")
    return face_features_file.save(out, network.features, collect_notes(learn, options, seed, figures))


def train_network(
    data: Dataset,
    folder: Path,
    options: FaceFeaturesOptions,
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> FaceTasks:
    """Train (or go on training) on these clips; checkpoints lie in `folder` (`training.loop`). Returns the averaged network, in
    evaluation mode.
    """
    torch.manual_seed(seed)
    network = FaceTasks(FaceFeatures(options.widths), len(LANDMARK_VERTICES))
    network.to(memory_format=torch.channels_last)

    def draw(number: int) -> LandmarkBatch:
        return draw_batch(data, options.faces, np.random.default_rng((seed, number)), options.changes)

    def loss_of(net: nn.Module, drawn: LandmarkBatch) -> tuple[torch.Tensor, dict[str, float]]:
        places, colours = mean_errors(net, drawn)
        parts = {"landmarks": float(places.detach()), "colours": float(colours.detach())}
        return options.landmarks * places + options.colours * colours, parts

    tell = (lambda text: progress(f"face features: {text}")) if progress else None
    made = run_loop(network, draw, loss_of, folder, options.loop, device=device, seed=seed, progress=tell)
    assert isinstance(made, FaceTasks)
    return made


@torch.no_grad()
def evaluate_network(network: FaceTasks, data: Dataset, options: FaceFeaturesOptions) -> dict[str, float]:
    """Mean errors of a network on faces of a dataset as they are: "landmarks", distances as shares of the picture, and
    "colours", differences as shares of white.
    """
    places, colours = [], []
    for number in range(_CHECKED):
        drawn = draw_batch(data, options.faces, np.random.default_rng((0, number)))
        found, small = network(drawn.pictures)
        places.append((found - drawn.landmarks)[_inside(drawn.landmarks)].norm(dim=1))
        colours.append((small - drawn.colours).abs().mean())
    return {
        "landmarks": round(float(torch.cat(places).mean()), 4),
        "colours": round(float(torch.stack(colours).mean()), 4),
    }


def mean_errors(network: nn.Module, drawn: LandmarkBatch) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean absolute differences of the landmarks, those in the picture, and of the colours."""
    found, small = network(drawn.pictures)
    inside = _inside(drawn.landmarks)[..., None]
    places = ((found - drawn.landmarks).abs() * inside).sum() / (2 * inside.sum()).clamp(min=1)
    return places, (small - drawn.colours).abs().mean()


def draw_batch(
    data: Dataset, faces: int, rng: np.random.Generator, changes: FaceAugmentation | None = None
) -> LandmarkBatch:
    """Single faces by chance, each changed in its own way; as they are without `changes`."""
    windows = [data.draw(rng, 1) for _ in range(faces)]
    crops = torch.from_numpy(np.concatenate([window.crops for window in windows])).permute(0, 3, 1, 2).float() / 255
    points = np.concatenate([window.landmarks[..., :2] for window in windows])
    how = changes or NO_AUGMENTATION
    # first where everything is, which the clean picture shares, then how it looks
    moved = replace(how, light=0.0, slope=0.0, contrast=0.0, noise=0.0, blurred=0.0)
    looks = replace(how, shift=0.0, scale=0.0, stretch=0.0, turn=0.0, flip=0.0)
    ramp = torch.linspace(0, 1, data.side).expand(faces, 1, data.side, data.side)
    views = augment_faces(torch.cat([crops, ramp, ramp.transpose(2, 3)], 1), data.size, data.size, rng, moved)
    clean, came_from = views[:, :3].contiguous(), views[:, 3:].numpy() * (data.side - 1)
    return LandmarkBatch(
        augment_faces(clean, data.size, data.size, rng, looks).contiguous(memory_format=torch.channels_last),
        torch.from_numpy(_moved(points, came_from)[:, LANDMARK_VERTICES].astype(np.float32)),
        interpolate(clean, (COLOUR_GRID_SIZE, COLOUR_GRID_SIZE), mode="area"),
    )


def _moved(points: np.ndarray, came_from: np.ndarray) -> np.ndarray:
    """Landmarks (n, 478, 2) in pixels of crops as shares of views (n, 2, P, P) of these, of which each pixel has the x and y it
    came from; those of a mirrored view with their partners' numbers.
    """
    size = came_from.shape[-1]
    low, high = size // 4, size - 1 - size // 4  # a view may reach beyond the crop's edge, its middle does not
    origin = came_from[:, :, low, low]
    across = (came_from[:, :, low, high] - origin) / (high - low)
    down = (came_from[:, :, high, low] - origin) / (high - low)
    affine = np.stack([across, down], 2).astype(np.float64)
    found = (points - origin[:, None]) @ np.linalg.inv(affine).transpose(0, 2, 1) + low
    mirrored = np.linalg.det(affine) < 0
    found[mirrored] = found[mirrored][:, mirror_partners()]
    return (found + 0.5) / size


@lru_cache(maxsize=1)
def mirror_partners() -> np.ndarray:
    """The number of each vertex's partner across the middle of the face, int (478,)."""
    return match_mirror_vertices(landmarks.load_neutral_face())


def _inside(shares: torch.Tensor) -> torch.Tensor:
    """Which landmarks (..., 2) lie in the picture."""
    return ((shares >= 0) & (shares <= 1)).all(-1)
