"""GANimation: gives a face another expression, stated as intensities of facial action units.

Pumarola, Agudo, Martinez, Sanfeliu, Moreno-Noguer: "GANimation: Anatomically-aware Facial Animation from a
Single Image" (ECCV 2018), in the reproduction donydchen/ganimation_replicate (MIT) that VideoReTalking
bundles to edit the upper face. Checkpoint: 30_net_gen.pth, whose top level is the state dict, no prefix; the
weights' own terms are unstated.

Inputs are a face of 128x128 pixels in [-1, 1] (VideoReTalking gives it BGR) and the intensities, about 0..1,
of the units in ``ACTION_UNITS``. Its presets: sad is all zero, angry AU4 = 0.3, surprise AU5 = 0.2.
"""

from __future__ import annotations

import torch
from torch import nn

ACTION_UNITS = (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 17, 20, 23, 25, 26, 45)
"""Facial action units in the order of the input, which is OpenFace's (its intensities are divided by 5)."""


class Ganimation(nn.Module):
    """The generator. ``width`` is the number of channels at full size, ``depth`` that of residual blocks."""

    def __init__(self, width: int = 64, depth: int = 6) -> None:
        super().__init__()
        w = width
        self.model = nn.Sequential(
            *_add_norm(nn.Conv2d(3 + len(ACTION_UNITS), w, kernel_size=7, padding=3), w),
            *_add_norm(nn.Conv2d(w, 2 * w, kernel_size=4, stride=2, padding=1), 2 * w),
            *_add_norm(nn.Conv2d(2 * w, 4 * w, kernel_size=4, stride=2, padding=1), 4 * w),
            *(_Residual(4 * w) for _ in range(depth)),
            *_add_norm(nn.ConvTranspose2d(4 * w, 2 * w, kernel_size=4, stride=2, padding=1), 2 * w),
            *_add_norm(nn.ConvTranspose2d(2 * w, w, kernel_size=4, stride=2, padding=1), w),
        )
        self.color_top = nn.Sequential(nn.Conv2d(w, 3, kernel_size=7, padding=3, bias=False), nn.Tanh())
        self.au_top = nn.Sequential(nn.Conv2d(w, 1, kernel_size=7, padding=3, bias=False), nn.Sigmoid())

    def forward(self, image: torch.Tensor, units: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return colour (B, 3, H, W) in [-1, 1] and attention (B, 1, H, W) in [0, 1]; see `fuse`.

        Args:
            image: (B, 3, H, W); height and width are multiples of 4.
            units: (B, 17), intensities of the action units.
        """
        maps = units[:, :, None, None].expand(-1, -1, *image.shape[2:])
        features = self.model(torch.cat([image, maps], dim=1))
        return self.color_top(features), self.au_top(features)


def fuse(image: torch.Tensor, color: torch.Tensor, attention: torch.Tensor) -> torch.Tensor:
    """Return the edited face (B, 3, H, W) in [-1, 1].

    It is the image where attention is 1, and the colour where attention is 0.
    """
    return attention * image + (1 - attention) * color


class _Residual(nn.Module):
    """Two normed 3x3 convolutions added to their input, without activation after the sum."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            *_add_norm(nn.Conv2d(channels, channels, kernel_size=3, padding=1), channels),
            nn.Conv2d(channels, channels, kernel_size=3, padding=1),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.conv_block(x)


def _add_norm(convolution: nn.Module, channels: int) -> tuple[nn.Module, ...]:
    return convolution, nn.InstanceNorm2d(channels), nn.ReLU()
