"""Face features: a small network for perceptual losses where VGG-19 is not available.

It was never taught which pictures are alike. It learns to predict the landmarks and colours of a face, in spite of
changes of light, focus and noise (`training.face_features`). Perceptual losses compare its maps. No published network
is like it, and only lipdub's own weights exist.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

COLOUR_GRID_SIZE = 16  # side length in pixels of the picture that `FaceTasks` predicts
_MIXED = 64  # channels from which its predictions are read
_COARSE = 2  # the first of the maps that it reads for landmarks


class FaceFeatures(nn.Module):
    """The network whose maps are compared.

    Args:
        widths: Channels of the maps; each map has half the height and width of the one before. The defaults have 0.5
            million parameters.
    """

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 96, 128)) -> None:
        super().__init__()
        self.widths = widths
        self.stages = nn.ModuleList([_layer(3, widths[0], 1)])
        for inward, outward in pairwise(widths):
            self.stages.append(nn.Sequential(_layer(inward, outward, 2), _layer(outward, outward, 1)))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Return the maps, (B, widths[i], H / 2^i, W / 2^i), 0 or more and mostly below 3.

        Args:
            pictures: (B, 3, H, W), RGB in 0..1, of any size from 16 pixels.
        """
        maps, x = [], pictures * 2 - 1
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class FaceTasks(nn.Module):
    """The network with the layers that predict from its maps. Only ``features`` is used after training."""

    def __init__(self, features: FaceFeatures, landmarks: int) -> None:
        super().__init__()
        self.features = features
        self.mix = nn.Sequential(
            nn.Conv2d(sum(features.widths[_COARSE:]), _MIXED, 1, bias=False), nn.BatchNorm2d(_MIXED), nn.ReLU()
        )
        self.where = nn.Conv2d(_MIXED, landmarks, 1)
        self.colours = nn.Conv2d(_MIXED + sum(features.widths[:_COARSE]), 3, 1)

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Predict landmarks and a small picture.

        Args:
            pictures: (B, 3, P, P), RGB in 0..1.

        Returns:
            Landmarks (B, n, 2), x and y as shares of the picture in 0..1, and the unchanged picture at (B, 3, 16, 16).
        """
        maps = self.features(pictures)
        size = maps[_COARSE].shape[2:]
        coarse = [interpolate(part, size, mode="bilinear") for part in maps[_COARSE:]]
        mixed = self.mix(torch.cat(coarse, 1))
        fine = [adaptive_avg_pool2d(part, COLOUR_GRID_SIZE) for part in maps[:_COARSE]]
        small = torch.cat([interpolate(mixed, (COLOUR_GRID_SIZE, COLOUR_GRID_SIZE), mode="bilinear"), *fine], 1)
        return _middles(self.where(mixed).float()), torch.sigmoid(self.colours(small).float())


def _middles(heat: torch.Tensor) -> torch.Tensor:
    """Return the centre of mass of each map's softmax: (B, n, H, W) to (B, n, 2), x and y as shares of the map."""
    high, wide = heat.shape[2:]
    share = heat.flatten(2).softmax(2).unflatten(2, (high, wide))
    x = (torch.arange(wide, device=heat.device) + 0.5) / wide
    y = (torch.arange(high, device=heat.device) + 0.5) / high
    return torch.stack([(share.sum(2) * x).sum(2), (share.sum(3) * y).sum(2)], 2)


def _layer(inward: int, outward: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inward, outward, 3, stride, 1, bias=False), nn.BatchNorm2d(outward), nn.ReLU())
