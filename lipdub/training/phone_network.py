"""The phone network in torch, for training; `speech.phones.PhoneNetwork` runs the same weights without torch."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from lipdub.speech.features import MELS
from lipdub.speech.phones import PHONES


@dataclass(frozen=True)
class PhoneNetworkSize:
    """channels: width; dilations: one residual block each, in steps of 20 ms."""

    channels: int = 192
    dilations: tuple[int, ...] = (1, 2, 4, 8, 1, 2, 4, 8)


class _ChannelNorm(nn.LayerNorm):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x.transpose(1, 2)).transpose(1, 2)


class _Block(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.norm = _ChannelNorm(channels)
        self.wide = nn.Conv1d(channels, channels, 3, padding=dilation, dilation=dilation)
        self.mix = nn.Conv1d(channels, channels, 1)
        self.drop = nn.Dropout1d(0.05)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.drop(self.mix(torch.relu(self.wide(self.norm(x)))))


class PhoneNetwork(nn.Module):
    """Features (batch, frames, MELS), frames even -> phone logits (batch, frames, len(PHONES)); 10 ms frames."""

    def __init__(self, size: PhoneNetworkSize | None = None) -> None:
        super().__init__()
        size = size or PhoneNetworkSize()
        self.stem = nn.Conv1d(MELS, size.channels, 5, stride=2, padding=2)
        self.blocks = nn.ModuleList(_Block(size.channels, d) for d in size.dilations)
        self.norm = _ChannelNorm(size.channels)
        self.head = nn.Conv1d(size.channels, 2 * len(PHONES), 1)
        self.register_buffer("dilations", torch.tensor(size.dilations, dtype=torch.int32))

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        x = self.stem(features.transpose(1, 2))
        for block in self.blocks:
            x = block(x)
        x = self.head(torch.relu(self.norm(x))).transpose(1, 2)
        return x.reshape(x.shape[0], -1, len(PHONES))
