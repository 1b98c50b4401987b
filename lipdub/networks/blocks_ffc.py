"""Fast Fourier convolution with the steered instance norm of VideoReTalking's L-Net.

Chi et al., Fast Fourier Convolution (NeurIPS 2020), as in LaMa (Suvorov et al., WACV 2022). The channels are split into
a local part, convolved as usual, and a global part, convolved in the frequency domain, so that each pixel sees the
whole picture. L-Net puts the steered norm in place of the batch norm. Attribute names are those of the checkpoint
LNet.pth (repository OpenTalker/video-retalking, Apache-2.0).
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from lipdub.networks.blocks_adain import AdaIN

GLOBAL_SHARE = 0.75  # of the channels, the last ones
SLOPE = 0.01  # of LeakyReLU in this module; the parity fixture's text says 0.1, its outputs show 0.01


class FFCResidual(nn.Module):
    """Two steered Fourier convolutions, added to their input.

    Shapes: x (B, channels, H, W), code (B, descriptor); the result is like x.
    """

    def __init__(self, channels: int, descriptor: int) -> None:
        super().__init__()
        self.conv1 = SteeredFFC(channels, descriptor)
        self.conv2 = SteeredFFC(channels, descriptor)

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        return x + self.conv2(self.conv1(x, code), code)


class SteeredFFC(nn.Module):
    """A Fourier convolution; then, for each of its two parts, a norm steered by the code and LeakyReLU."""

    def __init__(self, channels: int, descriptor: int) -> None:
        super().__init__()
        far = int(channels * GLOBAL_SHARE)
        self.near = channels - far
        self.ffc = FFC(self.near, far)
        self.bn_l = AdaIN(self.near, descriptor)
        self.bn_g = AdaIN(far, descriptor)

    def forward(self, x: torch.Tensor, code: torch.Tensor) -> torch.Tensor:
        near, far = self.ffc(x[:, : self.near], x[:, self.near :])
        return functional.leaky_relu(torch.cat((self.bn_l(near, code), self.bn_g(far, code)), 1), SLOPE)


class FFC(nn.Module):
    """Local part (B, near, H, W) and global part (B, far, H, W) to the same shapes, mixed."""

    def __init__(self, near: int, far: int) -> None:
        super().__init__()
        self.convl2l = _conv3(near, near)
        self.convl2g = _conv3(near, far)
        self.convg2l = _conv3(far, near)
        self.convg2g = SpectralTransform(far)

    def forward(self, near: torch.Tensor, far: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.convl2l(near) + self.convg2l(far), self.convl2g(near) + self.convg2g(far)


def _conv3(inputs: int, outputs: int) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, padding=1, bias=False, padding_mode="reflect")


class SpectralTransform(nn.Module):
    """Global part to global part, at half its width: its pixels plus the Fourier unit's output."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.conv1 = nn.Sequential(nn.Conv2d(channels, half, 1, bias=False), nn.BatchNorm2d(half), nn.ReLU())
        self.fu = FourierUnit(half)
        self.conv2 = nn.Conv2d(half, channels, 1, bias=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv1(x)
        return self.conv2(x + self.fu(x))


class FourierUnit(nn.Module):
    """A 1x1 convolution, batch norm and ReLU on a picture's spectrum: (B, channels, H, W) to the same."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv_layer = nn.Conv2d(2 * channels, 2 * channels, 1, bias=False)
        self.bn = nn.BatchNorm2d(2 * channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # There are no transforms, and no complex numbers, in half precision.
        spectrum = torch.fft.rfft2(x.float(), norm="ortho")
        # Each channel's real part is followed by its imaginary part.
        parts = torch.stack((spectrum.real, spectrum.imag), 2).flatten(1, 2)
        parts = functional.relu(self.bn(self.conv_layer(parts))).float().unflatten(1, (-1, 2))
        return torch.fft.irfft2(torch.complex(parts[:, :, 0], parts[:, :, 1]), s=x.shape[-2:], norm="ortho")
