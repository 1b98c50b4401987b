"""Blocks of the Wav2Lip family: normed convolutions, plain, residual or upsampling, and the audio encoder.

The inner names (``conv_block.0`` the convolution, ``conv_block.1`` the norm) are those of the published checkpoints.
"""

from __future__ import annotations

import torch
from torch import nn

Size = int | tuple[int, int]


class ConvBlock(nn.Module):
    """Convolution with bias, batch norm, ReLU; ``residual`` adds the input before the ReLU.

    (B, channels_in, H, W) to (B, channels_out, H', W'); a residual block keeps channels and size.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int = 3,
        stride: Size = 1,
        padding: int = 1,
        residual: bool = False,
    ) -> None:
        super().__init__()
        self.conv_block = nn.Sequential(
            nn.Conv2d(channels_in, channels_out, kernel, stride, padding), nn.BatchNorm2d(channels_out)
        )
        self.residual = residual

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv_block(x)
        return torch.relu(y + x if self.residual else y)


class UpBlock(nn.Module):
    """3x3 transposed convolution with bias, batch norm, ReLU.

    (B, channels_in, H, W) to (B, channels_out, 2H, 2W); without ``doubling``, of stride 1, to
    (B, channels_out, H + 2, W + 2).
    """

    def __init__(self, channels_in: int, channels_out: int, doubling: bool = True) -> None:
        super().__init__()
        how = {"stride": 2, "padding": 1, "output_padding": 1} if doubling else {}
        self.conv_block = nn.Sequential(
            nn.ConvTranspose2d(channels_in, channels_out, 3, **how), nn.BatchNorm2d(channels_out)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.conv_block(x))


def build_residuals(channels: int, count: int) -> list[ConvBlock]:
    """Return residual 3x3 blocks that keep channels and size."""
    return [ConvBlock(channels, channels, residual=True) for _ in range(count)]


def build_audio_encoder(width: int = 32, deepest: int = 1) -> nn.Sequential:
    """Return an encoder of mel windows: (B, 1, 80, 16) (mel band, time) to (B, 16 * width, 1, 1), not negative.

    Args:
        width: Channels of the first layers.
        deepest: Residual blocks at ``8 * width`` channels; generator and sync expert differ in it.
    """
    w = width
    return nn.Sequential(
        ConvBlock(1, w),
        *build_residuals(w, 2),
        ConvBlock(w, 2 * w, stride=(3, 1)),
        *build_residuals(2 * w, 2),
        ConvBlock(2 * w, 4 * w, stride=3),
        *build_residuals(4 * w, 2),
        ConvBlock(4 * w, 8 * w, stride=(3, 2)),
        *build_residuals(8 * w, deepest),
        ConvBlock(8 * w, 16 * w, padding=0),
        ConvBlock(16 * w, 16 * w, kernel=1, padding=0),
    )


def fold_time(clips: torch.Tensor) -> torch.Tensor:
    """Fold (B, C, T, H, W) to (T * B, C, H, W), time-major: all clips' first frames come first."""
    return clips.permute(2, 0, 1, 3, 4).flatten(0, 1)
