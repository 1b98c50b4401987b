"""What a perceptual loss looks at where VGG-19 is not to be had: a small convolutional network that knows faces.

It was never told which pictures are alike. It learns to say where the parts of a face lie and which colours the face has, though
light, focus and noise were changed (`training.face_features`); its maps on the way to that are what is compared. No published
network is like it, and there are weights of lipdub's own only.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import adaptive_avg_pool2d, interpolate

COLOUR_GRID_SIZE = 16  # pixels a side of the picture that `FaceTasks` draws
_MIXED = 64  # channels its answers are read from
_COARSE = 2  # the map from which on it looks at them


class FaceFeatures(nn.Module):
    """widths: channels of the maps, each half as high and wide as the one before. The defaults have 0.5 million parameters."""

    def __init__(self, widths: tuple[int, ...] = (16, 32, 64, 96, 128)) -> None:
        super().__init__()
        self.widths = widths
        self.stages = nn.ModuleList([_layer(3, widths[0], 1)])
        for inward, outward in zip(widths, widths[1:], strict=False):
            self.stages.append(nn.Sequential(_layer(inward, outward, 2), _layer(outward, outward, 1)))
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, pictures: torch.Tensor) -> list[torch.Tensor]:
        """Pictures (B, 3, H, W), RGB in 0..1 and of any size from 16 pixels on, to maps (B, widths[i], H / 2^i, W / 2^i), 0 or
        more and mostly below 3.
        """
        maps, x = [], pictures * 2 - 1
        for stage in self.stages:
            x = stage(x)
            maps.append(x)
        return maps


class FaceTasks(nn.Module):
    """What the network is taught by: it, and what reads the answers from its maps; only `features` is kept."""

    def __init__(self, features: FaceFeatures, landmarks: int) -> None:
        super().__init__()
        self.features = features
        self.mix = nn.Sequential(
            nn.Conv2d(sum(features.widths[_COARSE:]), _MIXED, 1, bias=False), nn.BatchNorm2d(_MIXED), nn.ReLU()
        )
        self.where = nn.Conv2d(_MIXED, landmarks, 1)
        self.colours = nn.Conv2d(_MIXED + sum(features.widths[:_COARSE]), 3, 1)

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Pictures (B, 3, P, P), RGB in 0..1, to landmarks (B, n, 2), x and y as shares of the picture in 0..1, and the picture
        in small (B, 3, 16, 16), as it is without the changes.
        """
        maps = self.features(pictures)
        size = maps[_COARSE].shape[2:]
        found = [interpolate(part, size, mode="bilinear") for part in maps[_COARSE:]]
        mixed = self.mix(torch.cat(found, 1))
        fine = [adaptive_avg_pool2d(part, COLOUR_GRID_SIZE) for part in maps[:_COARSE]]
        small = torch.cat([interpolate(mixed, (COLOUR_GRID_SIZE, COLOUR_GRID_SIZE), mode="bilinear"), *fine], 1)
        return _middles(self.where(mixed).float()), torch.sigmoid(self.colours(small).float())


def _middles(heat: torch.Tensor) -> torch.Tensor:
    """Where the softmax of each map (B, n, H, W) has its middle, (B, n, 2): x and y as shares of the map."""
    high, wide = heat.shape[2:]
    share = heat.flatten(2).softmax(2).unflatten(2, (high, wide))
    x = (torch.arange(wide, device=heat.device) + 0.5) / wide
    y = (torch.arange(high, device=heat.device) + 0.5) / high
    return torch.stack([(share.sum(2) * x).sum(2), (share.sum(3) * y).sum(2)], 2)


def _layer(inward: int, outward: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(inward, outward, 3, stride, 1, bias=False), nn.BatchNorm2d(outward), nn.ReLU())
