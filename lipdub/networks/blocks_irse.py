"""Blocks of the improved residual networks with squeeze and excitation (IR-SE) of ArcFace and e4e.

Deng et al., ArcFace: Additive Angular Margin Loss for Deep Face Recognition (CVPR 2019); Hu et al.,
Squeeze-and-Excitation Networks (CVPR 2018). Names and shapes of the parameters are those of TreB1eN's PyTorch port
(MIT).
"""

from __future__ import annotations

import torch
from torch import nn

UNITS = (3, 4, 14, 3)
"""Units of each stage of the 50 layers; a stage halves the size, all but the first double the width."""

SQUEEZE = 16


class SqueezeExcite(nn.Module):
    """(n, c, h, w) with each channel scaled by a gate in (0, 1), computed from the channels' means."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // SQUEEZE, 1, bias=False)
        self.fc2 = nn.Conv2d(channels // SQUEEZE, channels, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        squeezed = torch.relu(self.fc1(x.mean((2, 3), keepdim=True)))
        return x * torch.sigmoid(self.fc2(squeezed))


class IRSEUnit(nn.Module):
    """Residual unit (n, inward, h, w) -> (n, depth, h / stride, w / stride); no activation after the sum."""

    def __init__(self, inward: int, depth: int, stride: int) -> None:
        super().__init__()
        self.shortcut_layer: nn.Module
        if inward == depth:
            self.shortcut_layer = nn.MaxPool2d(1, stride)
        else:
            self.shortcut_layer = nn.Sequential(nn.Conv2d(inward, depth, 1, stride, bias=False), nn.BatchNorm2d(depth))
        self.res_layer = nn.Sequential(
            nn.BatchNorm2d(inward),
            nn.Conv2d(inward, depth, 3, 1, 1, bias=False),
            nn.PReLU(depth),
            nn.Conv2d(depth, depth, 3, stride, 1, bias=False),
            nn.BatchNorm2d(depth),
            SqueezeExcite(depth),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.shortcut_layer(x) + self.res_layer(x)


def build_input_layer(width: int) -> nn.Sequential:
    """Return the first layer: (n, 3, h, w) to (n, width, h, w)."""
    return nn.Sequential(nn.Conv2d(3, width, 3, 1, 1, bias=False), nn.BatchNorm2d(width), nn.PReLU(width))


def build_body(width: int) -> nn.Sequential:
    """Return the 24 units of 50 layers: (n, width, h, w) to (n, 8 * width, h / 16, w / 16)."""
    units = nn.Sequential()
    inward = width
    for stage, count in enumerate(UNITS):
        depth = width << stage
        for i in range(count):
            units.append(IRSEUnit(inward, depth, 1 if i else 2))
            inward = depth
    return units
