"""3DMM regressor: a face crop to the 257 coefficients of a morphable face model, its pose and its light.

Deng, Yang, Xu, Chen, Jia, Tong: "Accurate 3D Face Reconstruction with Weakly-Supervised Learning: From Single
Image to Image Set" (CVPR workshops 2019), as VideoReTalking carries it. Checkpoint:
face3d_pretrain_epoch_20.pth, key ``net_recon``, no prefix. The source repository is under Apache-2.0, its
file derives from Deep3DFaceRecon_pytorch (MIT); the coefficients belong to the Basel Face Model, whose own
licence is for research only.

Input is a crop of 224x224 pixels aligned by five landmarks, RGB in [0, 1], no mean or deviation taken off.
"""

from __future__ import annotations

from itertools import accumulate
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
import torch
from torch import nn

Array = TypeVar("Array", torch.Tensor, np.ndarray[Any, Any])


class Coefficients(NamedTuple, Generic[Array]):
    """The 257 coefficients by meaning, each (..., n), in the order of the network."""

    identity: Array
    """80: shape of the face"""
    expression: Array
    """64: what it does"""
    texture: Array
    """80: its colours"""
    angle: Array
    """3: rotation of the head about x, y and z in radians"""
    light: Array
    """27: spherical harmonics, nine for each of three colours"""
    translation: Array
    """3: where the head is, x, y, z"""


COEFFICIENT_LENGTHS = (80, 64, 80, 3, 27, 3)
"""How many coefficients of each meaning there are, 257 together."""


def split_coefficients(coefficients: Array) -> Coefficients[Array]:
    """Split coefficients (..., 257) by their meaning, as views."""
    ends = accumulate(COEFFICIENT_LENGTHS)
    return Coefficients(*(coefficients[..., end - n : end] for n, end in zip(COEFFICIENT_LENGTHS, ends, strict=True)))


class Bottleneck(nn.Module):
    """1x1, 3x3 (with the stride) and 1x1 convolutions added to their input: 4 * ``inner`` channels."""

    def __init__(self, channels: int, inner: int, stride: int = 1) -> None:
        super().__init__()
        outer = 4 * inner
        self.conv1 = nn.Conv2d(channels, inner, kernel_size=1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, inner, kernel_size=3, stride=stride, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(inner)
        self.conv3 = nn.Conv2d(inner, outer, kernel_size=1, bias=False)
        self.bn3 = nn.BatchNorm2d(outer)
        self.downsample: nn.Module | None = None
        if channels != outer or stride != 1:
            self.downsample = nn.Sequential(
                nn.Conv2d(channels, outer, kernel_size=1, stride=stride, bias=False), nn.BatchNorm2d(outer)
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = torch.relu(self.bn2(self.conv2(y)))
        y = self.bn3(self.conv3(y))
        return torch.relu(y + (x if self.downsample is None else self.downsample(x)))


class ResNet50(nn.Module):
    """ResNet-50 without its classifier: (B, 3, H, W) to the averaged features (B, 32 * width, 1, 1)."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, kernel_size=7, stride=2, padding=3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(kernel_size=3, stride=2, padding=1)
        self.layer1 = _layer(width, width, 3, stride=1)
        self.layer2 = _layer(4 * width, 2 * width, 4, stride=2)
        self.layer3 = _layer(8 * width, 4 * width, 6, stride=2)
        self.layer4 = _layer(16 * width, 8 * width, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        x = self.layer4(self.layer3(self.layer2(self.layer1(x))))
        return x.mean(dim=(2, 3), keepdim=True)


class FaceRegressor(nn.Module):
    """The regressor. ``width`` is the number of channels of the first convolution."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        self.backbone = ResNet50(width)
        # A separate layer regresses depth.
        *lengths, translation = COEFFICIENT_LENGTHS
        self.final_layers = nn.ModuleList(
            nn.Conv2d(32 * width, length, kernel_size=1) for length in (*lengths, translation - 1, 1)
        )

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the coefficients (B, 257) of faces (B, 3, 224, 224), RGB in [0, 1]; see `split_coefficients`."""
        features = self.backbone(image)
        return torch.cat([layer(features) for layer in self.final_layers], dim=1).flatten(1)


def _layer(channels: int, inner: int, count: int, stride: int) -> nn.Sequential:
    rest = [Bottleneck(4 * inner, inner) for _ in range(count - 1)]
    return nn.Sequential(Bottleneck(channels, inner, stride), *rest)
