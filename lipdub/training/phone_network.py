"""The phone network in PyTorch, for training.

`speech.phone_network.PhoneNetwork` runs the same weights without PyTorch.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from lipdub.speech.encoder import WIDTH
from lipdub.speech.phone_features import MELS
from lipdub.speech.phones import PHONES


@dataclass(frozen=True)
class PhoneNetworkSize:
    """Size of the phone network.

    Attributes:
        channels: channels of each block.
        dilations: dilation of each residual block, in steps of 20 ms.
    """

    channels: int = 192
    dilations: tuple[int, ...] = (1, 2, 4, 1, 2)


class _Block(nn.Module):
    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.wide = nn.Conv1d(channels, channels, 3, dilation=dilation)
        self.mix = nn.Conv1d(channels, channels, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        d = self.wide.dilation[0]
        y = functional.pad(self.norm(x), (0, 0, d, d))
        y = torch.cat([y[:, : -2 * d], y[:, d:-d], y[:, 2 * d :]], 2)
        y = torch.relu(functional.linear(y, self.wide.weight.transpose(1, 2).flatten(1), self.wide.bias))
        return x + functional.linear(y, self.mix.weight[:, :, 0], self.mix.bias)


class TorchPhoneNetwork(nn.Module):
    """Recognises phones from features and encoded speech.

    Convolutions along time are written as matrix products with time before channels, which is fastest on CPUs.
    """

    def __init__(self, size: PhoneNetworkSize | None = None) -> None:
        super().__init__()
        size = size or PhoneNetworkSize()
        self.stem = nn.Conv1d(MELS, size.channels, 5, stride=2, padding=2)
        self.known = nn.LayerNorm(WIDTH)
        self.take = nn.Linear(WIDTH, size.channels)
        self.blocks = nn.ModuleList(_Block(size.channels, d) for d in size.dilations)
        self.norm = nn.LayerNorm(size.channels)
        self.head = nn.Conv1d(size.channels, 2 * len(PHONES), 1)
        self.register_buffer("dilations", torch.tensor(size.dilations, dtype=torch.int32))

    def forward(self, features: torch.Tensor, encoded: torch.Tensor) -> torch.Tensor:
        """Compute the logits of phones for 10 ms frames.

        Args:
            features: (batch, frames, MELS), an even number of frames.
            encoded: (batch, frames // 2, encoder.WIDTH).

        Returns:
            (batch, frames, len(PHONES)).
        """
        x = self.stem(features.transpose(1, 2)).transpose(1, 2).contiguous()
        x = x + self.take(self.known(encoded))
        for block in self.blocks:
            x = block(x)
        x = functional.linear(torch.relu(self.norm(x)), self.head.weight[:, :, 0], self.head.bias)
        return x.reshape(x.shape[0], -1, len(PHONES))
