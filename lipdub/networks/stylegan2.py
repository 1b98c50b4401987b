"""StyleGAN2: pictures of faces from latents.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN", 2020, in the layout of rosinality's
PyTorch port. Checkpoints: `550000.pt` (256 pixels) and `stylegan2-ffhq-config-f.pt` (1024 pixels), key
`g_ema`; the mean latent (512) under `latent_avg`. The checkpoint of e4e holds a generator of 1024 pixels
under `state_dict`, prefix `decoder.`.

In: latents about N(0, 1), as w (n, 512) or w+ (n, layers, 512), layers 14 for 256 pixels and 18 for 1024.
Out: RGB (n, 3, size, size), nominally in [-1, 1], not clipped.

The port is MIT licensed, its compiled operators (not needed here) derive from NVIDIA's code; weights trained
on FFHQ carry the terms of that data set.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import nn

from lipdub.networks.blocks_style import StyleGenerator, stage_width

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class StyleGAN2Size:
    """Sizes of a generator.

    Attributes:
        pixels: Side of the pictures, a power of two from 8 on.
        style_dim: Length of a style code.
        multiplier: Factor on the channels from 64 pixels on.
        narrow: Factor on all channels (`blocks_style.stage_width`).

    Raises:
        ValueError: There is no such generator.
    """

    pixels: int = 256
    style_dim: int = 512
    multiplier: int = 2
    narrow: float = 1.0

    def __post_init__(self) -> None:
        if self.pixels < 8 or self.pixels & (self.pixels - 1):
            raise ValueError(f"pixels must be a power of two from 8 on, not {self.pixels}")
        if self.style_dim < 1 or stage_width(self.pixels, self.multiplier, self.narrow) < 1:
            raise ValueError(f"no such channels: style_dim {self.style_dim}, narrow {self.narrow:g}")

    @classmethod
    def small(cls) -> StyleGAN2Size:
        """Return the size for CPUs."""
        return cls(128, 128, 1, 0.25)

    def build(self) -> StyleGAN2:
        """Build a new generator."""
        return StyleGAN2(self.pixels, self.style_dim, self.multiplier, self.narrow)


class StyleGAN2(StyleGenerator):
    """The generator. `size` is the picture's side in pixels; `narrow` scales all widths, for small copies."""

    def __init__(self, size: int = 1024, style_dim: int = 512, multiplier: int = 2, narrow: float = 1.0) -> None:
        super().__init__(size, style_dim, multiplier, narrow, append=False)
        self.style_dim = style_dim
        self.noises = nn.Module()
        for i in range(self.layers - 1):
            side = 2 ** ((i + 5) // 2)
            self.noises.register_buffer(f"noise_{i}", torch.randn(1, 1, side, side))

    def mapping(self, z: torch.Tensor) -> torch.Tensor:
        """Return w (n, style_dim) of z (n, style_dim), N(0, 1)."""
        return self.style(z)

    def average_code(self, count: int = 10_000, seed: int = 0) -> torch.Tensor:
        """Return the mean style code (style_dim,) of many latents, w_avg."""
        z = torch.randn(count, self.style_dim, generator=torch.Generator().manual_seed(seed))
        with torch.no_grad():
            return self.mapping(z.to(self.input.input.device)).mean(0)

    def forward(self, latents: torch.Tensor, noises: Sequence[torch.Tensor] | None = None) -> torch.Tensor:
        """Return the pictures, (n, 3, size, size).

        Args:
            latents: w (n, style_dim) or w+ (n, layers, style_dim).
            noises: `layers` - 1 maps (1 or n, 1, h, h): one with h = 4, then two of each doubled h up to size. By
                default the buffers `noises`, which are part of the network's state.
        """
        if latents.ndim == 2:
            latents = latents[:, None].expand(-1, self.layers, -1)
        if noises is None:
            noises = list(self.noises.buffers())
        return self.synthesis(latents, noises)
