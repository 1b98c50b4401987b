"""BiSeNet: which part of a face each pixel belongs to.

Yu et al., BiSeNet: Bilateral Segmentation Network for Real-time Semantic Segmentation (ECCV 2018), in the version for
faces of zllrunning's face-parsing.PyTorch: a ResNet-18 whose features of stride 8 replace the spatial path. Checkpoints
`79999_iter.pth` (face-parsing.PyTorch, GPEN) and `parsing_bisenet.pth` (facexlib) have the same architecture: the file
is the state dict.

Input: aligned face (n, 3, 512, 512), RGB in [0, 1], normalised by MEAN and STD. Output: logits of `parsenet.CLASSES`
(n, 19, 512, 512), and those of two coarser heads that only training needs.

face-parsing.PyTorch and facexlib are MIT licensed; the weights were trained on CelebAMask-HQ, which is for research
only.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

from lipdub.networks.parsenet import CLASSES

MEAN = (0.485, 0.456, 0.406)
STD = (0.229, 0.224, 0.225)
"""Of red, green and blue in [0, 1]: what the input is normalised by."""


class _Conv(nn.Module):
    """Convolution, norm, ReLU."""

    def __init__(self, inward: int, outward: int, kernel: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inward, outward, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(outward)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.relu(self.bn(self.conv(x)))


class _Basic(nn.Module):
    """ResNet's unit of two convolutions."""

    def __init__(self, inward: int, outward: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(inward, outward, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outward)
        self.conv2 = nn.Conv2d(outward, outward, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outward)
        self.downsample: nn.Module | None = None
        if inward != outward or stride != 1:
            self.downsample = nn.Sequential(nn.Conv2d(inward, outward, 1, stride, bias=False), nn.BatchNorm2d(outward))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        short = x if self.downsample is None else self.downsample(x)
        return torch.relu(short + self.bn2(self.conv2(torch.relu(self.bn1(self.conv1(x))))))


def _stage(inward: int, outward: int, stride: int) -> nn.Sequential:
    return nn.Sequential(_Basic(inward, outward, stride), _Basic(outward, outward, 1))


class _Trunk(nn.Module):
    """ResNet-18 without its head: (n, 3, h, w) -> features of strides 8, 16, 32, widths 2, 4, 8 `width`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, width, 7, 2, 3, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.maxpool = nn.MaxPool2d(3, 2, 1)
        self.layer1 = _stage(width, width, 1)
        self.layer2 = _stage(width, 2 * width, 2)
        self.layer3 = _stage(2 * width, 4 * width, 2)
        self.layer4 = _stage(4 * width, 8 * width, 2)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        x = self.maxpool(torch.relu(self.bn1(self.conv1(x))))
        by8 = self.layer2(self.layer1(x))
        by16 = self.layer3(by8)
        return by8, by16, self.layer4(by16)


class _Refinement(nn.Module):
    """Attention refinement: a convolution with channels gated by their own means."""

    def __init__(self, inward: int, outward: int) -> None:
        super().__init__()
        self.conv = _Conv(inward, outward)
        self.conv_atten = nn.Conv2d(outward, outward, 1, bias=False)
        self.bn_atten = nn.BatchNorm2d(outward)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.conv(x)
        return x * torch.sigmoid(self.bn_atten(self.conv_atten(x.mean((2, 3), keepdim=True))))


def _upsample_like(x: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(x, size=like.shape[-2:], mode="nearest")


class _Context(nn.Module):
    """(n, 3, h, w) to the trunk's features of stride 8 and the context of strides 8 and 16 (both 2 * width wide)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.resnet = _Trunk(width)
        self.arm16 = _Refinement(4 * width, 2 * width)
        self.arm32 = _Refinement(8 * width, 2 * width)
        self.conv_head32 = _Conv(2 * width, 2 * width)
        self.conv_head16 = _Conv(2 * width, 2 * width)
        self.conv_avg = _Conv(8 * width, 2 * width, 1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        by8, by16, by32 = self.resnet(x)
        whole = self.conv_avg(by32.mean((2, 3), keepdim=True))
        context16 = self.conv_head32(_upsample_like(self.arm32(by32) + whole, by16))
        context8 = self.conv_head16(_upsample_like(self.arm16(by16) + context16, by8))
        return by8, context8, context16


class _Fusion(nn.Module):
    """Features and context of stride 8 (both `width` / 2 wide), joined and gated: (n, width, h, w)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.convblk = _Conv(width, width, 1)
        self.conv1 = nn.Conv2d(width, width // 4, 1, bias=False)
        self.conv2 = nn.Conv2d(width // 4, width, 1, bias=False)

    def forward(self, features: torch.Tensor, context: torch.Tensor) -> torch.Tensor:
        x = self.convblk(torch.cat([features, context], 1))
        gate = torch.sigmoid(self.conv2(torch.relu(self.conv1(x.mean((2, 3), keepdim=True)))))
        return x * gate + x


class _Head(nn.Module):
    def __init__(self, inward: int, mid: int, classes: int) -> None:
        super().__init__()
        self.conv = _Conv(inward, mid)
        self.conv_out = nn.Conv2d(mid, classes, 1, bias=False)

    def forward(self, x: torch.Tensor, size: torch.Size) -> torch.Tensor:
        x = self.conv_out(self.conv(x))
        return functional.interpolate(x, size=size, mode="bilinear", align_corners=True)


class BiSeNet(nn.Module):
    """The network. `width` is that of the ResNet's first stage; other widths are multiples of it."""

    def __init__(self, classes: int = len(CLASSES), width: int = 64) -> None:
        super().__init__()
        self.cp = _Context(width)
        self.ffm = _Fusion(4 * width)
        self.conv_out = _Head(4 * width, 4 * width, classes)
        self.conv_out16 = _Head(2 * width, width, classes)
        self.conv_out32 = _Head(2 * width, width, classes)

    def forward(self, image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the logits, and those of the two coarser heads.

        Args:
            image: (n, 3, h, w), normalised RGB.

        Returns:
            Three times (n, classes, h, w); the second and third are of the context at strides 8 and 16.
        """
        size = image.shape[-2:]
        features, context8, context16 = self.cp(image)
        fused = self.ffm(features, context8)
        return self.conv_out(fused, size), self.conv_out16(context8, size), self.conv_out32(context16, size)
