"""What the tests of G4G's training share: drawn talkers of its crop's size, and a network of a few channels."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from lipdub.faces.alignment.tall_face import ZOOM
from lipdub.networks.g4g import G4G, G4GSize
from lipdub.training.face_windows import WindowSampling
from lipdub.training.g4g.generator import G4GLossWeights, G4GOptions
from tests.training.style_lip_sync import small

if TYPE_CHECKING:
    from pathlib import Path

SIZE = G4GSize(4, 2, 3, 8, audio_width=2, shows_landmarks=True, moves=2)
PIXELS, SIDE = round(SIZE.height / ZOOM), 60  # of the faces and of the stored crops
NOTHING = G4GLossWeights(0.0, 0.0, 0.0, 0.0, 0.0)
OPTIONS = G4GOptions(
    size=SIZE,
    sampling=WindowSampling(windows=2, frames=2),
    loss_weights=replace(NOTHING, pixel=1.0),
    judge_width=4,
    judge_layers=2,
    loop=small.LOOP,
)


def talkers(folder: Path, clips: int = 3, **others: object) -> Path:
    """A dataset of drawn faces whose crops have the network's size."""
    return small.talkers(folder, clips, pixels=PIXELS, side=SIDE, **others)  # type: ignore[arg-type]


def network(size: G4GSize = SIZE, seed: int = 0) -> G4G:
    torch.manual_seed(seed)
    return G4G(size)
