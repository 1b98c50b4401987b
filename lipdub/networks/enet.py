"""E-Net of VideoReTalking: L-Net's talking face at four times its size, with the identity of a reference.

Cheng et al., VideoReTalking (SIGGRAPH Asia 2022). The L-Net inside draws the face at 96x96. Two style blocks enlarge it
twice, steered by a vector that an encoder reads from the reference.

Checkpoints: ENet.pth and LNet.pth, key state_dict of both, with names that begin with ``module.``, which is stripped.
Names in ENet.pth that hold ``low_res`` are not used: L-Net's are taken from LNet.pth and get the prefix ``low_res.``.
Source: OpenTalker/video-retalking, Apache-2.0; the weights carry terms of their training data.

Input: 16 consecutive columns of the normalised log-mel spectrogram in [-4, 4], and a 384x384 face in BGR [0, 1].
Channels 0 to 2 are the frame with its lower half (rows 192 to 383) zero, channels 3 to 5 the reference. Output: the
whole face, BGR, not yet clamped to [0, 1].
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, TypeAlias

import torch
from torch import nn
from torch.nn import functional

from lipdub.networks.blocks_style_plain import SLOPE, PlainResDown, PlainStyleConv, PlainToRGB
from lipdub.networks.lnet import LNet

Noise: TypeAlias = float | Sequence[torch.Tensor] | torch.Generator
"""The noise of the four style convolutions: one value everywhere; their maps (1 or B, 1, 200, 200) twice and
(1 or B, 1, 400, 400) twice; or where to draw normal noise from, anew for each item of the batch."""

LOW_SIZE = 96  # of the face L-Net makes
STYLE_SIZE = 256  # of the reference as the style encoder sees it
PAD = 2  # pixels around L-Net's face that are cut off again, enlarged, at the end


class ENetOutput(NamedTuple):
    """The output of E-Net: faces in BGR."""

    image: torch.Tensor  # (B, 3, 384, 384), about [0, 1]
    low_res: torch.Tensor  # (B, 3, 96, 96) in (0, 1): L-Net's


class ENet(nn.Module):
    """Mel window, masked face and reference to the talking face, enlarged.

    Args:
        low_res: The L-Net inside, by default one of the published size.
        width: Channels of the coarsest features.
        style: Length of the steering vector.
    """

    def __init__(self, low_res: LNet | None = None, width: int = 512, style: int = 512) -> None:
        super().__init__()
        self.low_res = LNet() if low_res is None else low_res
        half, quarter = width // 2, width // 4
        self.conv_body_first = nn.Conv2d(3, half, 1)
        widths = [half, half, *[width] * 5]
        self.conv_body_down = nn.ModuleList(PlainResDown(*pair) for pair in pairwise(widths))
        self.final_conv = nn.Conv2d(width, width, 3, padding=1)
        self.final_linear = nn.Linear(width * (STYLE_SIZE // 2 ** len(self.conv_body_down)) ** 2, style)
        self.style_convs = nn.ModuleList()
        self.to_rgbs = nn.ModuleList()
        for inputs, outputs in ((3, half), (half, quarter)):
            self.style_convs.append(PlainStyleConv(inputs, outputs, style, up=True))
            self.style_convs.append(PlainStyleConv(outputs, outputs, style))
            self.to_rgbs.append(PlainToRGB(outputs, style))

    def forward(self, mel: torch.Tensor, face: torch.Tensor, noise: Noise = 0.0) -> ENetOutput:
        """Return the enlarged face and L-Net's face.

        Args:
            mel: (B, 1, 80, 16), -4..4.
            face: (B, 6, 384, 384), BGR in 0..1.
            noise: One value for all noise maps, the maps, or a generator that draws them.
        """
        style = self.style(face[:, 3:])
        low = self.low_res(mel, _to_size(face, LOW_SIZE))
        x = picture = functional.pad(low, [PAD] * 4, mode="reflect")
        for i, to_rgb in enumerate(self.to_rgbs):
            size = 2 * x.shape[-1]
            for j in (2 * i, 2 * i + 1):
                x = self.style_convs[j](x, style, _noise_map(noise, j, len(x), size).to(x))
            picture = to_rgb(x, style, picture)
        cut = PAD * 2 ** len(self.to_rgbs)
        return ENetOutput(picture[:, :, cut:-cut, cut:-cut], low)

    def style(self, reference: torch.Tensor) -> torch.Tensor:
        """Return the vector (B, style) that keeps the identity of a reference (B, 3, H, W), BGR in [0, 1]."""
        x = functional.leaky_relu(self.conv_body_first(_to_size(reference, STYLE_SIZE)), SLOPE)
        for down in self.conv_body_down:
            x = down(x)
        return self.final_linear(functional.leaky_relu(self.final_conv(x), SLOPE).flatten(1))


def _to_size(x: torch.Tensor, size: int) -> torch.Tensor:
    return functional.interpolate(x, size=(size, size), mode="bilinear", align_corners=False)


def _noise_map(noise: Noise, which: int, batch: int, size: int) -> torch.Tensor:
    """Return the noise (1 or batch, 1, size, size) of one style convolution."""
    if isinstance(noise, torch.Generator):
        return torch.randn(batch, 1, size, size, generator=noise, device=noise.device)
    if isinstance(noise, Sequence):
        return noise[which]
    return torch.full((1, 1, size, size), float(noise))
