"""Blocks that the three networks of VideoReTalking (Cheng et al., SIGGRAPH Asia 2022) share.

They are a layer norm over channels and pixels, an instance norm steered by a vector, and a convolution with its norm.
Their attribute names are those of the published checkpoints (repository OpenTalker/video-retalking, Apache-2.0; its
blocks follow PIRenderer, Ren et al., ICCV 2021).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

SLOPE = 0.1  # of every LeakyReLU in D-Net and L-Net


class LayerNorm(nn.Module):
    """Normalises each item over channels and pixels together, then scales and shifts each channel.

    Shapes: (B, channels, H, W) to the same.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(channels, 1, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # A group norm of one group is the norm over channels and pixels.
        return functional.group_norm(x, 1, self.weight.flatten(), self.bias.flatten())


class AdaIN(nn.Module):
    """Instance norm with scale and shift of each channel from a vector.

    Shapes: x (B, channels, H, W), code (B, descriptor) to the shape of x.
    """

    def __init__(self, channels: int, descriptor: int, hidden: int = 128) -> None:
        super().__init__()
        self.mlp_shared = nn.Sequential(nn.Linear(descriptor, hidden), nn.ReLU())
        self.mlp_gamma = nn.Linear(hidden, channels)
        self.mlp_beta = nn.Linear(hidden, channels)

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        shared = self.mlp_shared(code)
        gamma = self.mlp_gamma(shared)[..., None, None]
        beta = self.mlp_beta(shared)[..., None, None]
        return functional.instance_norm(x) * (1 + gamma) + beta


class ConvStage(nn.Module):
    """Convolution, layer norm, LeakyReLU: (B, inputs, H, W) to (B, outputs, H, W).

    With scale 2 the input is first enlarged (nearest pixel), with scale 0.5 the result is averaged over 2x2
    pixels.
    """

    def __init__(self, inputs: int, outputs: int, kernel: int = 3, *, scale: float = 1, spectral: bool = False) -> None:
        super().__init__()
        self.scale = scale
        self.model = nn.Sequential(
            build_conv(inputs, outputs, kernel, spectral=spectral), LayerNorm(outputs), nn.LeakyReLU(SLOPE)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.scale > 1:
            x = functional.interpolate(x, scale_factor=self.scale, mode="nearest")
        x = self.model(x)
        return functional.avg_pool2d(x, round(1 / self.scale)) if self.scale < 1 else x


class ConvOut(nn.Module):
    """The last convolution, and the function that bounds its values: (B, inputs, H, W) to (B, outputs, H, W)."""

    def __init__(self, inputs: int, outputs: int, bound: nn.Module, *, spectral: bool = False) -> None:
        super().__init__()
        self.model = nn.Sequential(build_conv(inputs, outputs, 7, spectral=spectral), bound)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.model(x)


def build_conv(inputs: int, outputs: int, kernel: int, *, spectral: bool = False) -> nn.Module:
    """Return a convolution that keeps the size, with or without spectral norm.

    The spectral norm is the one with hooks, because its keys (weight_orig, weight_u, weight_v) are in the checkpoints.
    """
    layer = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2)
    return nn.utils.spectral_norm(layer) if spectral else layer
