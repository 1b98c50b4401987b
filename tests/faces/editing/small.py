"""What the tests of editing share: a tiny generator, features, heat maps and faces."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from lipdub.faces.editing.landmark_loss import HeatMapper
from lipdub.networks.landmark_heatmaps import HeatMapSize, LandmarkHeatMaps
from lipdub.networks.stylegan2 import StyleGAN2Size

if TYPE_CHECKING:
    from lipdub.networks.stylegan2 import StyleGAN2

PIXELS = 16
SIZE = StyleGAN2Size(PIXELS, 6, 1, 1 / 64)


def rand(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed))


def generator(seed: int = 0) -> StyleGAN2:
    torch.manual_seed(seed)
    return SIZE.build().eval().requires_grad_(False)


def mapper(seed: int = 0) -> HeatMapper:
    torch.manual_seed(seed)
    size = HeatMapSize(8, 8, 2)
    return HeatMapper("tiny", LandmarkHeatMaps(size).eval().requires_grad_(False), size.sigma)


class Means(nn.Module):
    """Features of a picture that are easy to compute by hand: the picture, and its mean colour."""

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        return [pictures, pictures.mean((2, 3), keepdim=True)]


def latents(count: int, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, generator().layers, 6, generator=torch.Generator().manual_seed(seed))


def frames(count: int, seed: int = 2) -> torch.Tensor:
    return rand(count, 3, PIXELS, PIXELS, seed=seed) * 2 - 1


def points(count: int, seed: int = 3) -> torch.Tensor:
    return 0.2 + 0.6 * rand(count, 68, 2, seed=seed)
