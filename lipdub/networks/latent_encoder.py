"""Latent encoder: the StyleGAN2 latents of a face, for generators that no published encoder knows.

As in Tov et al., "Designing an Encoder for StyleGAN Image Manipulation" (SIGGRAPH 2021; `networks.e4e`), one latent is
common to all layers, and each further layer has a difference to it, which training keeps small. The body is the
reference encoder of StyleLipSync, for pictures of any power of two.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn

from lipdub.networks.blocks_style import stage_width
from lipdub.networks.style_lip_sync import StyleEncoder

if TYPE_CHECKING:
    from lipdub.networks.stylegan2 import StyleGAN2, StyleGAN2Size


class LatentEncoder(nn.Module):
    """The encoder of a generator. P is its `pixels`, D its `style_dim`, L the number of its layers.

    Args:
        size: Of the generator.
        average: (D,) mean of the generator's style codes, to which all is added.
        widen: Factor on the generator's channels.

    Attributes:
        average_code: (D,).
    """

    average_code: torch.Tensor

    def __init__(self, size: StyleGAN2Size, average: torch.Tensor, widen: float = 1.0) -> None:
        super().__init__()
        sides = [2**i for i in range(2, size.pixels.bit_length())]
        widths = [max(1, int(widen * stage_width(side, size.multiplier, size.narrow))) for side in sides]
        self.widen = widen
        self.encoder = StyleEncoder(widths, 2 * len(sides), size.style_dim)
        self.register_buffer("average_code", average.clone())

    def differences(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return what is added to the mean code, (n, L, D): the common code, then each further layer's difference."""
        codes: torch.Tensor = self.encoder(pictures)
        return codes

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the latents w+ (n, L, D) of pictures (n, 3, P, P), RGB in -1..1."""
        return self.join(self.differences(pictures))

    def join(self, differences: torch.Tensor) -> torch.Tensor:
        """Return the latents (n, L, D) of `differences`."""
        common = self.average_code + differences[:, :1]
        return torch.cat([common, common + differences[:, 1:]], 1)


class StyleAutoencoder(nn.Module):
    """A generator and its encoder, for their training."""

    def __init__(self, generator: StyleGAN2, encoder: LatentEncoder) -> None:
        super().__init__()
        self.generator, self.encoder = generator, encoder

    def forward(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return differences (`LatentEncoder.differences`), latents (n, L, D), and pictures as (n, 3, P, P) again."""
        differences = self.encoder.differences(pictures)
        latents = self.encoder.join(differences)
        return differences, latents, self.generator(latents)
