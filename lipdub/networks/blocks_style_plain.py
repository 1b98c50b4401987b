"""StyleGAN2 blocks in plain form, without equalised rates and blur.

They are those of GFPGAN's "clean" networks (Wang et al., CVPR 2021) and of the networks built on them. Attribute names
are those of the checkpoints.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

SLOPE = 0.2  # of every LeakyReLU here


class PlainModulatedConv(nn.Module):
    """Convolution with input channels scaled by a style.

    Shapes: x (B, inputs, H, W), style (B, style) to (B, outputs, H, W). With ``demodulate``, each output channel has
    unit variance for inputs of unit variance.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int, style: int, demodulate: bool = True) -> None:
        super().__init__()
        self.demodulate = demodulate
        self.modulation = nn.Linear(style, inputs)
        nn.init.ones_(self.modulation.bias)
        rate = 1 / math.sqrt(inputs * kernel**2)
        self.weight = nn.Parameter(torch.randn(1, outputs, inputs, kernel, kernel) * rate)

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        weight = self.weight[0]
        scale = self.modulation(style)
        # Scaling input and output instead of the weights lets the whole batch share one convolution.
        x = functional.conv2d(x * scale[:, :, None, None], weight, padding=weight.shape[-1] // 2)
        if not self.demodulate:
            return x
        power = functional.linear(scale.square(), weight.square().sum((2, 3)))
        return x * torch.rsqrt(power + 1e-8)[:, :, None, None]


class PlainStyleConv(nn.Module):
    """Modulated 3x3 convolution, noise of a learned strength, bias, LeakyReLU.

    Shapes: x (B, inputs, H, W), style (B, style) and noise (1 or B, 1, H', W') to (B, outputs, H', W'). With ``up``,
    the input is first enlarged bilinearly to twice its size.
    """

    def __init__(self, inputs: int, outputs: int, style: int, up: bool = False) -> None:
        super().__init__()
        self.up = up
        self.modulated_conv = PlainModulatedConv(inputs, outputs, 3, style)
        self.weight = nn.Parameter(torch.zeros(1))  # strength of the noise
        self.bias = nn.Parameter(torch.zeros(1, outputs, 1, 1))

    def forward(self, x: torch.Tensor, style: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        if self.up:
            x = resize(x, 2)
        x = self.modulated_conv(x, style) * math.sqrt(2)
        return functional.leaky_relu(x + self.weight * noise + self.bias, SLOPE)


class PlainToRGB(nn.Module):
    """The picture that the features show, added to the enlarged picture of half the size.

    Shapes: features (B, inputs, H, W), picture (B, 3, H / 2, W / 2) to (B, 3, H, W).
    """

    def __init__(self, inputs: int, style: int) -> None:
        super().__init__()
        self.modulated_conv = PlainModulatedConv(inputs, 3, 1, style, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: torch.Tensor, style: torch.Tensor, picture: torch.Tensor) -> torch.Tensor:
        return self.modulated_conv(x, style) + self.bias + resize(picture, 2)


class PlainResDown(nn.Module):
    """Two convolutions with a halving between them, added to a shortcut.

    Shapes: (B, inputs, H, W) to (B, outputs, H / 2, W / 2).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inputs, inputs, 3, padding=1)
        self.conv2 = nn.Conv2d(inputs, outputs, 3, padding=1)
        self.skip = nn.Conv2d(inputs, outputs, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = resize(functional.leaky_relu(self.conv1(x), SLOPE), 0.5)
        return functional.leaky_relu(self.conv2(y), SLOPE) + self.skip(resize(x, 0.5))


def resize(x: torch.Tensor, scale: float) -> torch.Tensor:
    """Resize x (B, C, H, W) bilinearly."""
    return functional.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)
