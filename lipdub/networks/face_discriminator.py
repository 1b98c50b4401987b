"""Discriminator of the talking-face model: whether a face was filmed or generated.

Yaman et al., Audio-Driven Talking Face Generation with Stabilized Synchronization Loss (ECCV 2024), section 3.3, "GAN
Loss".

It has strided convolutions with spectral normalisation (Miyato et al., ICLR 2018) and leaky ReLU, as many and as wide
as those of the generator's encoders. It sees the lower half only, because only that is generated.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.utils.parametrizations import spectral_norm

from lipdub.networks.face_generator import FaceGeneratorSize

_LEAK = 0.2


class FaceDiscriminator(nn.Module):
    """The discriminator. ``size`` is that of its generator; P is its `pixels`."""

    def __init__(self, size: FaceGeneratorSize | None = None) -> None:
        super().__init__()
        size = size or FaceGeneratorSize()
        self.blocks = nn.Sequential()
        inward = 3
        for outward in size.channels():
            self.blocks.append(spectral_norm(nn.Conv2d(inward, outward, 4, 2, 1)))
            self.blocks.append(nn.LeakyReLU(_LEAK))
            inward = outward
        side = size.sides()[-1]
        self.last = spectral_norm(nn.Conv2d(inward, 1, (side // 2, side)))

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Return the logits (B,) that faces (B, 3, P, P), RGB in 0..1, were filmed."""
        lower = faces[:, :, faces.shape[2] // 2 :]
        return self.last(self.blocks(lower * 2 - 1)).flatten(1).mean(1)
