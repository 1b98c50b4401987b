"""StyleGAN2's discriminator: whether a picture is of the data or generated.

Karras et al., "Analyzing and Improving the Image Quality of StyleGAN" (CVPR 2020): residual blocks that halve the
picture, and the standard deviation over a few pictures as a further map before the last layers (Karras et al.,
"Progressive Growing of GANs", ICLR 2018, section 3).
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from lipdub.networks.blocks_style import EqualConv, EqualLinear, LeakyBias, make_blur_kernel, stage_width

_LEAST_SIDE = 4
_EPSILON = 1e-8


class StyleDiscriminator(nn.Module):
    """The discriminator.

    Args:
        size: Side of the pictures in pixels, a power of two from 8 on.
        multiplier: As the generator's.
        narrow: As the generator's.
        group: Pictures whose standard deviation is one value.
    """

    def __init__(self, size: int, multiplier: int = 2, narrow: float = 1.0, group: int = 4) -> None:
        super().__init__()
        width = stage_width(size, multiplier, narrow)
        self.group = group
        self.first = nn.Sequential(EqualConv(3, width, 1), LeakyBias(width))
        self.blocks = nn.Sequential()
        side = size
        while side > _LEAST_SIDE:
            side //= 2
            inward, width = width, stage_width(side, multiplier, narrow)
            self.blocks.append(DiscriminatorBlock(inward, width))
        self.last = nn.Sequential(EqualConv(width + 1, width, 3, padding=1), LeakyBias(width))
        self.judge = nn.Sequential(EqualLinear(width * side**2, width, active=True), EqualLinear(width, 1))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the logits (n,) that pictures (n, 3, size, size), RGB in -1..1, are of the data."""
        x = self.blocks(self.first(pictures))
        x = torch.cat([x, deviation_map(x, self.group)], 1)
        logits: torch.Tensor = self.judge(self.last(x).flatten(1))
        return logits[:, 0]


class DiscriminatorBlock(nn.Module):
    """Residual block: (n, inward, h, w) to (n, outward, h / 2, w / 2)."""

    kernel: torch.Tensor

    def __init__(self, inward: int, outward: int) -> None:
        super().__init__()
        self.register_buffer("kernel", make_blur_kernel())
        self.first = nn.Sequential(EqualConv(inward, inward, 3, padding=1), LeakyBias(inward))
        self.second = EqualConv(inward, outward, 3, stride=2)
        self.activate = LeakyBias(outward)
        self.skip = EqualConv(inward, outward, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made = self.activate(self.second(_blur(self.first(x), self.kernel, pad=2)))
        return (made + self.skip(_blur(x, self.kernel, pad=1, step=2))) / math.sqrt(2)


def deviation_map(x: torch.Tensor, group: int) -> torch.Tensor:
    """Return the mean standard deviation over groups of pictures as a map.

    Args:
        x: (n, c, h, w) features.
        group: Pictures in a group; fewer where n is no multiple of it. Picture i is in group i modulo n / group.

    Returns:
        (n, 1, h, w), one value for each group.
    """
    group = math.gcd(len(x), group)
    grouped = x.float().unflatten(0, (group, -1))
    deviation = (grouped.var(0, unbiased=False) + _EPSILON).sqrt().mean((1, 2, 3))
    spread = deviation.repeat(group)[:, None, None, None]
    return spread.expand(-1, 1, *x.shape[2:]).to(x.dtype)


def _blur(x: torch.Tensor, kernel: torch.Tensor, pad: int, step: int = 1) -> torch.Tensor:
    """Blur pictures (n, c, h, w) with zeros around them, and keep each ``step``-th pixel."""
    channels = x.shape[1]
    weight = kernel.to(x.dtype).expand(channels, 1, *kernel.shape)
    # On CPUs, the gradient of a grouped convolution with a stride takes ten times as long as that of one without.
    return functional.conv2d(x, weight, padding=pad, groups=channels)[..., ::step, ::step]
