"""e4e: the StyleGAN2 latents of a face.

Tov et al., Designing an Encoder for StyleGAN Image Manipulation (SIGGRAPH 2021). An IR-SE50 body computes features of
three sizes. From them, one latent common to all 18 is read, and the difference of each. Checkpoint
`e4e_ffhq_encode.pt`, key `state_dict`, prefix `encoder.`. The same file holds the generator (`decoder.`) and the mean
latent (`latent_avg`), which the caller adds to the output.

Input: FFHQ-aligned face (n, 3, 256, 256), RGB in [-1, 1]. Output: (n, 18, 512), w+ without the mean latent.

The code is MIT licensed; the weights were trained on FFHQ and carry its terms.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from lipdub.networks.blocks_irse import UNITS, build_body, build_input_layer
from lipdub.networks.blocks_style import EqualLinear

COARSE, MIDDLE = 3, 7
"""The first latent that is read from features of 32 pixels, and the first from those of 64."""

_ENDS = tuple(sum(UNITS[:i]) - 1 for i in (2, 3, 4))


class StyleReader(nn.Module):
    """Reads one latent: (n, channels, 2**halvings, 2**halvings) -> (n, channels)."""

    def __init__(self, channels: int, halvings: int) -> None:
        super().__init__()
        self.convs = nn.Sequential()
        for _ in range(halvings):
            self.convs.append(nn.Conv2d(channels, channels, 3, 2, 1))
            self.convs.append(nn.LeakyReLU(0.01))
        self.linear = EqualLinear(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.linear(self.convs(x).flatten(1))


def _enlarge_like(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, size=like.shape[-2:], mode="bilinear", align_corners=True)


class E4E(nn.Module):
    """The encoder. Latents have 8 * `width` numbers; width is a multiple of 16."""

    def __init__(self, styles: int = 18, width: int = 64) -> None:
        super().__init__()
        latent = 8 * width
        self.input_layer = build_input_layer(width)
        self.body = build_body(width)
        self.styles = nn.ModuleList(
            StyleReader(latent, 4 if i < COARSE else 5 if i < MIDDLE else 6) for i in range(styles)
        )
        self.latlayer1 = nn.Conv2d(4 * width, latent, 1)
        self.latlayer2 = nn.Conv2d(2 * width, latent, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Return the latents without the mean latent, (n, styles, 8 * width).

        Args:
            image: (n, 3, 256, 256), RGB in [-1, 1].
        """
        x = self.input_layer(image)
        features = []
        for i, unit in enumerate(self.body):
            x = unit(x)
            if i in _ENDS:
                features.append(x)
        fine, middle, coarse = features
        middle = _enlarge_like(coarse, middle) + self.latlayer1(middle)
        fine = _enlarge_like(middle, fine) + self.latlayer2(fine)
        common = self.styles[0](coarse)
        latents = [common]
        for i, read in enumerate(self.styles):
            if i:
                latents.append(common + read(coarse if i < COARSE else middle if i < MIDDLE else fine))
        return torch.stack(latents, 1)
