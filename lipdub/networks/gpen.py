"""GPEN: restores a blurred or damaged face.

Yang et al., GAN Prior Embedded Network for Blind Face Restoration in the Wild (CVPR 2021). An encoder halves the
picture down to 4x4. Its last features become the latent of a StyleGAN2 generator, and its features at each size replace
the generator's noise. Checkpoints `GPEN-BFR-512.pth` and `GPEN-BFR-256.pth`: the file is the state dict, blur kernels
included.

Input: aligned face (n, 3, size, size), RGB in [-1, 1]. Output: the same, not clipped.

The source repository (yangxy/GPEN) has neither a licence file nor a statement: all rights reserved.
"""

from __future__ import annotations

import torch
from torch import nn

from lipdub.networks.blocks_style import Blur, EqualConv, EqualLinear, LeakyBias, StyleGenerator, stage_width


def _halving(inward: int, outward: int) -> nn.Sequential:
    return nn.Sequential(Blur((2, 2)), EqualConv(inward, outward, 3, stride=2), LeakyBias(outward))


class GPEN(nn.Module):
    """The published network for `size` 512 or 256; other powers of two and `narrow` make small copies."""

    def __init__(self, size: int = 512, style_dim: int = 512, multiplier: int = 2, narrow: float = 1.0) -> None:
        super().__init__()
        self.generator = StyleGenerator(size, style_dim, multiplier, narrow, append=True)
        self.stages = size.bit_length() - 2
        width = stage_width(size, multiplier, narrow)
        first = nn.Sequential(EqualConv(3, width, 1), LeakyBias(width))
        self.add_module("ecd0", nn.Sequential(first))
        for i in range(1, self.stages):
            wide, width = width, stage_width(size >> i, multiplier, narrow)
            self.add_module(f"ecd{i}", nn.Sequential(_halving(wide, width)))
        self.final_linear = nn.Sequential(EqualLinear(width * 4 * 4, style_dim, active=True))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Restore faces (n, 3, size, size), RGB in [-1, 1]; the result has the same range and is not clipped."""
        features = []
        x = image
        for i in range(self.stages):
            x = self.get_submodule(f"ecd{i}")(x)
            features.append(x)
        w = self.generator.style(self.final_linear(x.flatten(1)))
        styles = w[:, None].expand(-1, self.generator.layers, -1)
        smallest, *larger = reversed(features)
        return self.generator.synthesis(styles, [smallest, *(f for f in larger for _ in range(2))])
