"""What the tests of StyleLipSync's trainings share: drawn talkers with whole meshes, and networks of a few channels."""

from __future__ import annotations

from typing import TYPE_CHECKING

import cv2
import numpy as np
import torch

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.faces import landmarks, mesh
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.networks.style_lip_sync import StyleLipSync, StyleLipSyncSize
from lipdub.networks.stylegan2 import StyleGAN2Size
from lipdub.networks.stylegan2_discriminator import StyleDiscriminator
from lipdub.speech import mel
from lipdub.training import shards
from lipdub.training.loop import LoopOptions
from lipdub.weights.face_prior_file import FacePrior
from tests.training.datasets import write_dataset

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from pathlib import Path

    from lipdub.arrays import Array

PIXELS, SIDE = 16, 24  # of the faces and of the stored crops
DECODER = StyleGAN2Size(PIXELS, 8, 1, 1 / 64)
SIZE = StyleLipSyncSize(DECODER, audio_width=2, audio_features=8)
HEARS = AVSyncNetSize(8, 16, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)
LOOP = LoopOptions(steps=4, learning_rate=2e-3, weight_decay=0.0, warmup=0, ema_decay=0.5, save_every=2, report_every=1)

_WIDEST = 0.12  # of the drawn mouths, share of the face's side


class StoppedError(Exception):
    """What a test stops a training with."""


def talkers(
    folder: Path,
    clips: int = 2,
    frames: int = 10,
    held_out: Collection[int] = (),
    facts: Sequence[dict[str, str]] = (),
    pixels: int = PIXELS,
    side: int = SIDE,
) -> Path:
    """A dataset of drawn faces, each clip of a colour of its own, whose mouths open as wide as the voice is loud."""
    rng = np.random.default_rng(0)
    drawn = [_talk(rng, frames, pixels, side) for _ in range(clips)]
    return write_dataset(folder, drawn, pixels, side, held_out, facts)


def _talk(rng: np.random.Generator, frames: int, pixels: int, side: int) -> dict[str, Array]:
    opening = rng.uniform(0, 1, frames)
    face = landmarks.load_neutral_face()
    face = (face - (face.min(0) + face.max(0)) / 2) / np.ptp(face[:, 1]) * pixels
    points = np.repeat(face[None], frames, 0)
    points[..., :2] += (side - 1) / 2 + rng.uniform(-0.5, 0.5, (frames, 1, 2))
    below = [*mesh.INNER_LOWER, *(ring[k] for ring in mesh.LIP_RINGS[:3] for k in range(11, 20)), mesh.CHIN]
    points[:, below, 1] += _WIDEST * pixels * opening[:, None]
    skin, lips, behind = (tuple(int(v) for v in rng.integers(low, low + 80, 3)) for low in (160, 80, 0))
    crops = np.full((frames, side, side, 3), behind, np.uint8)
    for picture, seen in zip(crops, points, strict=True):
        for ring, colour in ((mesh.OVAL, skin), (mesh.LIPS_OUTER, lips), (mesh.LIPS_INNER, (0, 0, 0))):
            cv2.fillPoly(picture, [np.round(seen[list(ring), :2] * 16).astype(np.int32)], colour, shift=4)
    count = frames * shards.SAMPLES_PER_FRAME
    level = np.interp(np.arange(count) / SAMPLE_RATE_HZ, np.arange(frames) / shards.FPS, opening)
    audio = rng.normal(0, 0.1, count) * 10 ** (2 * level - 2)
    return {
        "crops": crops,
        "landmarks": points.astype(np.float32),
        "masks": shards.pack_masks(np.zeros((frames, side, side), np.uint8)),
        "audio": np.round(audio.clip(-1, 1) * 32767).astype(np.int16),
        "mel": mel.compute_spectrogram(audio.astype(np.float32)).T.copy(),
        "placements": np.tile([64.0, 64.0, 20.0, 0.0], (frames, 1)),
        "frames": np.arange(frames, dtype=np.int32),
    }


def prior(size: StyleGAN2Size = DECODER, seed: int = 0) -> FacePrior:
    """A face prior of new networks."""
    torch.manual_seed(seed)
    generator = size.build().eval()
    judge = style_discriminator(size)
    return FacePrior(size, generator, generator.average_code(100), judge, {"remark": "a prior for tests"})


def style_discriminator(size: StyleGAN2Size = DECODER) -> StyleDiscriminator:
    """A new discriminator of a prior."""
    return StyleDiscriminator(size.pixels, size.multiplier, size.narrow)


def network(size: StyleLipSyncSize = SIZE, seed: int = 0) -> StyleLipSync:
    """A new generator."""
    torch.manual_seed(seed)
    return StyleLipSync(size)


def sync(seed: int = 0) -> AVSyncNet:
    """A new AVSyncNet."""
    torch.manual_seed(seed)
    made: AVSyncNet = AVSyncNet(HEARS).eval()
    return made


def copy_state(module: torch.nn.Module) -> dict[str, torch.Tensor]:
    """The state of a network as it is now."""
    return {name: value.clone() for name, value in module.state_dict().items()}


def changed(before: dict[str, torch.Tensor], after: torch.nn.Module) -> set[str]:
    """The names of what is not the same to the last bit."""
    return {name for name, value in after.state_dict().items() if not torch.equal(value, before[name])}
