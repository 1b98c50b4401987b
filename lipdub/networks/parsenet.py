"""ParseNet: which part of a face each pixel belongs to.

Chen et al., Progressive Semantic-Aware Style Transformation for Blind Face Restoration (CVPR 2021, PSFR-GAN); GPEN and
facexlib took it from there. It is a residual encoder and decoder without skips between them. Checkpoints
`ParseNet-latest.pth` (GPEN) and `parsing_parsenet.pth` (facexlib) have the same architecture: the file is the state
dict.

Input: aligned face (n, 3, 512, 512), RGB in [-1, 1]. Output: logits of CLASSES (n, 19, 512, 512), and a picture
(n, 3, 512, 512) that only training needs.

facexlib is MIT licensed; yangxy/GPEN has neither a licence file nor a statement. The weights were trained on
CelebAMask-HQ, which is for research only.
"""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional

CLASSES = (
    "background",
    "skin",
    "nose",
    "eyeglasses",
    "left eye",
    "right eye",
    "left brow",
    "right brow",
    "left ear",
    "right ear",
    "mouth",
    "upper lip",
    "lower lip",
    "hair",
    "hat",
    "earring",
    "necklace",
    "neck",
    "cloth",
)
"""What the labels of ParseNet and BiSeNet mean, in their order."""


class _Norm(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.norm(x)


class _Conv(nn.Module):
    """3x3 convolution with mirrored edges; scale 2 doubles the size first, -2 halves it; a norm replaces the bias."""

    def __init__(self, inward: int, outward: int, scale: int = 1, norm: bool = False, active: bool = False) -> None:
        super().__init__()
        self.conv2d = nn.Conv2d(inward, outward, 3, 2 if scale < 0 else 1, 1, padding_mode="reflect", bias=not norm)
        self.norm = _Norm(outward) if norm else None
        self.double = scale > 1
        self.active = active

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.double:
            x = functional.interpolate(x, scale_factor=2, mode="nearest")
        x = self.conv2d(x)
        if self.norm is not None:
            x = self.norm(x)
        return functional.leaky_relu(x, 0.2) if self.active else x


class _Residual(nn.Module):
    """Two convolutions added to a shortcut; the first enlarges, or the second reduces."""

    def __init__(self, inward: int, outward: int, scale: int = 1) -> None:
        super().__init__()
        self.shortcut_func = None if inward == outward and scale == 1 else _Conv(inward, outward, scale)
        self.conv1 = _Conv(inward, outward, max(scale, 1), norm=True, active=True)
        self.conv2 = _Conv(outward, outward, min(scale, 1), norm=True)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        short = x if self.shortcut_func is None else self.shortcut_func(x)
        return short + self.conv2(self.conv1(x))


class ParseNet(nn.Module):
    """The network; the defaults are the published sizes. Widths double from ``width`` to ``widest``."""

    def __init__(
        self,
        classes: int = len(CLASSES),
        halvings: int = 4,
        width: int = 64,
        widest: int = 256,
        depth: int = 10,
    ) -> None:
        super().__init__()
        widths = [min(width << i, widest) for i in range(halvings + 1)]
        steps = list(pairwise(widths))
        self.encoder = nn.Sequential(_Conv(3, width), *(_Residual(a, b, -2) for a, b in steps))
        self.body = nn.Sequential(*(_Residual(widths[-1], widths[-1]) for _ in range(depth)))
        self.decoder = nn.Sequential(*(_Residual(b, a, 2) for a, b in reversed(steps)))
        self.out_img_conv = _Conv(width, 3)
        self.out_mask_conv = _Conv(width, classes)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the logits (n, classes, h, w), and a picture (n, 3, h, w).

        Args:
            image: (n, 3, h, w), RGB in [-1, 1]; sides are divisible by 2**halvings.
        """
        x = self.encoder(image)
        x = self.decoder(x + self.body(x))
        return self.out_mask_conv(x), self.out_img_conv(x)
