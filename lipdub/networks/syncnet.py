"""SyncNet v2: features of speech and of lips whose distance says whether they belong together.

Chung, Zisserman: "Out of time: automated lip sync in the wild" (ACCV workshops 2016). LSE-D, LSE-C and
the offset between sound and picture are made of these distances, which are Euclidean. Checkpoint:
syncnet_v2.model, whose top level is the state dict, no prefix. The source repository (joonson/syncnet_python)
is under the MIT licence; the weights' own terms are unstated.

Inputs are 13 raw MFCCs at 100 Hz of int16 samples at 16 kHz, and face crops at 25 fps of 224x224 pixels, BGR
in 0..255, not scaled. A clip of the video frames v to v + 4 belongs to the MFCC columns 4v to 4v + 19.
"""

from __future__ import annotations

import torch
from torch import nn


class SyncNet(nn.Module):
    """Both streams. Channels are multiples of ``width``; ``features`` is the length of the outputs."""

    def __init__(self, width: int = 32, features: int = 1024) -> None:
        super().__init__()
        w = width
        self.netcnnaud = nn.Sequential(
            *_sound(1, 2 * w),
            nn.MaxPool2d(kernel_size=1),  # changes nothing, but counts in the published names
            *_sound(2 * w, 6 * w),
            nn.MaxPool2d(kernel_size=3, stride=(1, 2)),
            *_sound(6 * w, 12 * w),
            *_sound(12 * w, 8 * w),
            *_sound(8 * w, 8 * w),
            nn.MaxPool2d(kernel_size=3, stride=2),
            *_sound(8 * w, 16 * w, kernel=(5, 4), padding=0),
        )
        self.netfcaud = _head(16 * w, features)
        self.netfclip = _head(16 * w, features)
        self.netcnnlip = nn.Sequential(
            *_lips(3, 3 * w, (5, 7, 7), stride=2),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2)),
            *_lips(3 * w, 8 * w, (1, 5, 5), stride=2, padding=1),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2), padding=(0, 1, 1)),
            *_lips(8 * w, 8 * w, (1, 3, 3), padding=1),
            *_lips(8 * w, 8 * w, (1, 3, 3), padding=1),
            *_lips(8 * w, 8 * w, (1, 3, 3), padding=1),
            nn.MaxPool3d((1, 3, 3), stride=(1, 2, 2)),
            *_lips(8 * w, 16 * w, (1, 6, 6)),
        )

    def forward(self, mfcc: torch.Tensor, lips: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the features of sound and lips; see `sound` and `lips`."""
        return self.sound(mfcc), self.lips(lips)

    def sound(self, mfcc: torch.Tensor) -> torch.Tensor:
        """Return the features (B, features) of MFCCs (B, 1, 13, 20) (coefficient, time)."""
        return self.netfcaud(self.netcnnaud(mfcc).flatten(1))

    def lips(self, clips: torch.Tensor) -> torch.Tensor:
        """Return the features (B, features) of clips (B, 3, 5, 224, 224), float in 0..255."""
        return self.netfclip(self.lip_features(clips))

    def lip_features(self, clips: torch.Tensor) -> torch.Tensor:
        """Return the convolutions' features (B, 16 * width) of clips (B, 3, 5, 224, 224), float in 0..255."""
        return self.netcnnlip(clips).flatten(1)


def _sound(
    channels_in: int, channels_out: int, kernel: tuple[int, int] = (3, 3), padding: int = 1
) -> tuple[nn.Module, ...]:
    conv = nn.Conv2d(channels_in, channels_out, kernel, padding=padding)
    return conv, nn.BatchNorm2d(channels_out), nn.ReLU()


def _lips(
    channels_in: int, channels_out: int, kernel: tuple[int, int, int], stride: int = 1, padding: int = 0
) -> tuple[nn.Module, ...]:
    """Return a convolution with norm; stride and padding are of height and width, and there are none along time."""
    conv = nn.Conv3d(channels_in, channels_out, kernel, (1, stride, stride), (0, padding, padding))
    return conv, nn.BatchNorm3d(channels_out), nn.ReLU()


def _head(channels: int, features: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Linear(channels, channels), nn.BatchNorm1d(channels), nn.ReLU(), nn.Linear(channels, features)
    )
