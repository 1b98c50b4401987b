"""Blocks of the StyleGAN2 family: equalised and modulated layers, the blur, and the generator made of them.

Karras et al., Analyzing and Improving the Image Quality of StyleGAN (CVPR 2020). Names and shapes of the parameters are
those of the PyTorch checkpoints in common use (rosinality's layout). Everything is plain torch without compiled
extensions.

Equalised layers store weights of unit variance, and scale them by 1/sqrt(fan-in) when they use them. Biases, styles and
noise take the type of the features, which under autocast have half precision: the maps would grow to float32 otherwise.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, TypeAlias

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

BLUR = (1.0, 3.0, 3.0, 1.0)
"""The published blur along one axis, before it is normalised."""

MAPPING_LAYERS = 8
MAPPING_RATE = 0.01


def make_blur_kernel(gain: float = 1.0) -> torch.Tensor:
    """Return the blur in two dimensions, (4, 4), with the sum ``gain``."""
    line = torch.tensor(BLUR)
    kernel = torch.outer(line, line)
    return kernel / kernel.sum() * gain


def upfirdn(x: torch.Tensor, kernel: torch.Tensor, pad: tuple[int, int], up: int = 1) -> torch.Tensor:
    """Upsample, pad and filter pictures.

    Args:
        x: (n, c, h, w).
        kernel: (k, k), the same for all channels; the filter is a true convolution.
        pad: Pixels before and after.
        up: Each sample is followed by ``up - 1`` zeros.

    Returns:
        (n, c, up * h + sum(pad) - k + 1, up * w + sum(pad) - k + 1).
    """
    c, k = x.shape[1], kernel.shape[0]
    # A transposed convolution spreads the samples and gives every sum that contains one of them. So k - 1 zeros are
    # padded at each end already, but no zeros follow the last sample.
    full = functional.conv_transpose2d(x, kernel.to(x.dtype).expand(c, 1, k, k), stride=up, groups=c)
    before, after = pad[0] - (k - 1), pad[1] - (k - 1) + up - 1
    return functional.pad(full, (before, after, before, after))


def scaled_leaky_relu(x: torch.Tensor, bias: torch.Tensor) -> torch.Tensor:
    """Add a bias (c) to x (n, c, ...), then LeakyReLU with slope 0.2, times sqrt(2)."""
    shaped = bias.view(1, -1, *([1] * (x.ndim - 2))).to(x.dtype)
    return functional.leaky_relu(x + shaped, 0.2).mul_(math.sqrt(2))


def stage_width(size: int, multiplier: int = 2, narrow: float = 1.0) -> int:
    """Return the channels at a size: 512 up to 32 pixels, then 16384 / size * multiplier; all times narrow."""
    return int((512 if size <= 32 else 16384 * multiplier // size) * narrow)


class PixelNorm(nn.Module):
    """(n, c) with each row scaled to unit root mean square."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * torch.rsqrt(x.square().mean(1, keepdim=True) + 1e-8)


class EqualLinear(nn.Module):
    """Equalised (n, inward) -> (n, outward); `rate` scales weight and bias; `active` adds the activation."""

    def __init__(self, inward: int, outward: int, bias: float = 0.0, rate: float = 1.0, active: bool = False) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outward, inward) / rate)
        self.bias = nn.Parameter(torch.full((outward,), bias))
        self.rate = rate
        self.active = active

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.linear(x, self.weight * (self.rate / math.sqrt(self.weight.shape[1])))
        bias = self.bias * self.rate
        return scaled_leaky_relu(x, bias) if self.active else x + bias


class EqualConv(nn.Module):
    """Equalised convolution without bias (n, inward, h, w) -> (n, outward, ...)."""

    def __init__(self, inward: int, outward: int, kernel: int, stride: int = 1, padding: int = 0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outward, inward, kernel, kernel))
        self.stride, self.padding = stride, padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scale = 1 / math.sqrt(self.weight[0].numel())
        return functional.conv2d(x, self.weight * scale, stride=self.stride, padding=self.padding)


class LeakyBias(nn.Module):
    """The activation with a bias of its own, (n, c, ...) -> the same shape."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return scaled_leaky_relu(x, self.bias)


class Blur(nn.Module):
    """The blur with padding (n, c, h, w) -> (n, c, h + sum(pad) - 3, ...)."""

    kernel: torch.Tensor

    def __init__(self, pad: tuple[int, int], gain: float = 1.0) -> None:
        super().__init__()
        self.register_buffer("kernel", make_blur_kernel(gain))
        self.pad = pad

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return upfirdn(x, self.kernel, self.pad)


class Upsample(nn.Module):
    """Twice the size, blurred: (n, c, h, w) -> (n, c, 2h, 2w)."""

    kernel: torch.Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", make_blur_kernel(4.0))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return upfirdn(x, self.kernel, (2, 1), up=2)


class ModulatedConv(nn.Module):
    """Convolution with inputs scaled by a style: (n, inward, h, w), (n, style_dim) to (n, outward, ...).

    With ``demodulate``, each output channel has unit variance for inputs of unit variance. With ``up``, the output has
    twice the size: a transposed convolution, then the blur.
    """

    def __init__(
        self,
        inward: int,
        outward: int,
        kernel: int,
        style_dim: int,
        demodulate: bool = True,
        up: bool = False,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(1, outward, inward, kernel, kernel))
        self.blur = Blur((1, 1), gain=4.0) if up else None
        self.modulation = EqualLinear(style_dim, inward, bias=1.0)
        self.demodulate = demodulate

    def forward(self, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        weight = self.weight[0]
        scaled = self.modulation(style) / math.sqrt(weight[0].numel())
        # Scaling input and output instead of the weights lets the whole batch share one convolution.
        x = x * scaled[:, :, None, None].to(x.dtype)
        if self.blur is None:
            x = functional.conv2d(x, weight, padding=weight.shape[-1] // 2)
        else:
            x = functional.conv_transpose2d(x, weight.transpose(0, 1), stride=2)
        if self.demodulate:
            power = functional.linear(scaled.square(), weight.square().sum((2, 3)))
            x = x * torch.rsqrt(power + 1e-8)[:, :, None, None].to(x.dtype)
        return x if self.blur is None else self.blur(x)


class AddedNoise(nn.Module):
    """x (n, c, h, w) plus noise (1 or n, 1, h, w) of a learned strength."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return x + (self.weight * noise).to(x.dtype)


class AppendedFeature(AddedNoise):
    """x (n, c, h, w), followed by a feature (n, d, h, w) of a learned strength: (n, c + d, h, w)."""

    def forward(self, x: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.weight * noise], 1)


class StyledConv(nn.Module):
    """Modulated 3x3 convolution, noise added or features appended, activation.

    (n, inward, h, w) -> (n, outward, h, w), twice that size with `up`, twice the channels with `append`.
    """

    def __init__(self, inward: int, outward: int, style_dim: int, up: bool, append: bool) -> None:
        super().__init__()
        self.conv = ModulatedConv(inward, outward, 3, style_dim, up=up)
        self.noise = AppendedFeature() if append else AddedNoise()
        self.activate = LeakyBias(2 * outward if append else outward)

    def forward(self, x: torch.Tensor, style: torch.Tensor, noise: torch.Tensor) -> torch.Tensor:
        return self.activate(self.noise(self.conv(x, style), noise))


class ToRGB(nn.Module):
    """The picture (n, 3, h, w) that the features show, added to the picture of half the size."""

    def __init__(self, inward: int, style_dim: int, up: bool) -> None:
        super().__init__()
        self.upsample = Upsample() if up else None
        self.conv = ModulatedConv(inward, 3, 1, style_dim, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(1, 3, 1, 1))

    def forward(self, x: torch.Tensor, style: torch.Tensor, smaller: torch.Tensor | None) -> torch.Tensor:
        picture = self.conv(x, style) + self.bias
        if self.upsample is None or smaller is None:
            return picture
        return picture + self.upsample(smaller)


class LearnedConstant(nn.Module):
    """The 4x4 features that a generator begins with: n to (n, c, 4, 4)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.input = nn.Parameter(torch.randn(1, channels, 4, 4))

    def forward(self, n: int) -> torch.Tensor:
        return self.input.expand(n, -1, -1, -1)


def _keep_features(block: int, features: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    return features


Fuse: TypeAlias = "Callable[[int, torch.Tensor, torch.Tensor], torch.Tensor]"
"""Takes a block's number from 4 pixels up, its features (n, c, h, h) and its first style. Returns such features."""


class StyleGenerator(nn.Module):
    """Mapping network and synthesis of a picture of ``size`` pixels (a power of two, at least 8).

    There are ``layers`` = 2 log2(size) - 2 styles and ``layers`` - 1 noises. From 4x4 up, there is one noise of 4x4
    pixels, then two of each size. With ``append``, features with as many channels as the layer's output replace the
    noise.
    """

    def __init__(self, size: int, style_dim: int, multiplier: int, narrow: float, append: bool) -> None:
        super().__init__()
        self.layers = 2 * size.bit_length() - 4
        parts = 2 if append else 1
        width = stage_width(4, multiplier, narrow)
        self.style = nn.Sequential(PixelNorm())
        for _ in range(MAPPING_LAYERS):
            self.style.append(EqualLinear(style_dim, style_dim, rate=MAPPING_RATE, active=True))
        self.input = LearnedConstant(width)
        self.conv1 = StyledConv(width, width, style_dim, up=False, append=append)
        self.to_rgb1 = ToRGB(parts * width, style_dim, up=False)
        self.convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        stage_size = 8
        while stage_size <= size:
            wide, width = width, stage_width(stage_size, multiplier, narrow)
            self.convs.append(StyledConv(parts * wide, width, style_dim, up=True, append=append))
            self.convs.append(StyledConv(parts * width, width, style_dim, up=False, append=append))
            self.to_rgbs.append(ToRGB(parts * width, style_dim, up=True))
            stage_size *= 2

    def synthesis(
        self, styles: torch.Tensor, noises: Sequence[torch.Tensor], fuse: Fuse = _keep_features
    ) -> torch.Tensor:
        """Return the pictures, (n, 3, size, size).

        Args:
            styles: (n, layers, style_dim).
            noises: Noise maps from small to large.
            fuse: Changes the features of each block once they have the block's size.
        """
        w = styles.unbind(1)
        x = self.conv1(fuse(0, self.input(len(styles)), w[0]), w[0], noises[0])
        picture = self.to_rgb1(x, w[1], None)
        for stage, to_rgb in enumerate(self.to_rgbs):
            first = 2 * stage + 1
            x = fuse(stage + 1, self.convs[first - 1](x, w[first], noises[first]), w[first])
            x = self.convs[first](x, w[first + 1], noises[first + 1])
            # The picture's style is that of the next stage's first convolution.
            picture = to_rgb(x, w[first + 2], picture)
        return picture
