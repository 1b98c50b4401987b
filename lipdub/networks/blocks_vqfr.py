"""Blocks that both versions of VQFR (Gu et al., ECCV 2022) share.

They are a residual block, a modulated deformable convolution, a texture warp, and the main branch made of them.
Attribute names are those of the checkpoints (repository TencentARC/VQFR, Apache-2.0). The deformable convolution is
plain torch.

A level is a size of the features. Its name says how much smaller they are than the picture: Level_32 to Level_1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OFFSET_GROUPS = 4
FINEST = "Level_1"
CONDITION = 32  # channels of the input picture's features, which steer the warps


def build_norm(channels: int) -> nn.GroupNorm:
    """Return the group norm of all VQFR layers; channels is a multiple of 32."""
    return nn.GroupNorm(32, channels, eps=1e-6)


def build_conv3(inputs: int, outputs: int) -> nn.Conv2d:
    """Return a 3x3 convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def build_conv_out(inputs: int, outputs: int) -> nn.Sequential:
    """Return norm, SiLU and convolution for the end of an encoder or a decoder."""
    return nn.Sequential(build_norm(inputs), nn.SiLU(), build_conv3(inputs, outputs))


class ResBlock(nn.Module):
    """Norm, SiLU and convolution, twice, and a shortcut: (B, inputs, H, W) to (B, outputs, H, W).

    Args:
        inputs: Channels of the input.
        outputs: Channels of the output.
        shortcut: The checkpoint's name for the shortcut's convolution, which exists where the widths differ.
    """

    def __init__(self, inputs: int, outputs: int, shortcut: str) -> None:
        super().__init__()
        self.norm1 = build_norm(inputs)
        self.conv1 = build_conv3(inputs, outputs)
        self.norm2 = build_norm(outputs)
        self.conv2 = build_conv3(outputs, outputs)
        self.shortcut = shortcut if inputs != outputs else ""
        if self.shortcut:
            self.add_module(shortcut, nn.Conv2d(inputs, outputs, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.conv1(functional.silu(self.norm1(x)))
        y = self.conv2(functional.silu(self.norm2(y)))
        return y + (self.get_submodule(self.shortcut)(x) if self.shortcut else x)


class DeformableConv(nn.Module):
    """3x3 convolution with taps that other features move and weight at each pixel.

    Shapes: x and guide (B, channels, H, W each) to (B, channels, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        plain = build_conv3(channels, channels)
        self.weight, self.bias = plain.weight, plain.bias
        self.conv_offset = build_conv3(channels, 3 * 9 * OFFSET_GROUPS)
        nn.init.zeros_(self.conv_offset.weight)
        nn.init.zeros_(self.conv_offset.bias)

    def forward(self, x: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
        offsets, mask = self.conv_offset(guide).split(2 * 9 * OFFSET_GROUPS, 1)
        return deformable_conv(x, offsets, mask.sigmoid(), self.weight, self.bias)


def deformable_conv(
    x: torch.Tensor, offsets: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Apply a modulated deformable 3x3 convolution (Zhu et al., CVPR 2019): bilinear, zero outside.

    Args:
        x: (B, inputs, H, W).
        offsets: (B, groups * 9 * 2, H, W), y before x, in pixels. Each group of input channels has its own offsets.
        mask: (B, groups * 9, H, W), weights of the taps.
        weight: (outputs, inputs, 3, 3).
        bias: (outputs).

    Returns:
        (B, outputs, H, W).
    """
    batch, _, height, width = x.shape
    groups = mask.shape[1] // 9
    runs = x.reshape(batch * groups, -1, height, width)
    offsets = offsets.reshape(batch * groups, 9, 2, height, width)
    mask = mask.reshape(batch * groups, 9, 1, height, width)
    rows = torch.arange(height, dtype=x.dtype, device=x.device)[:, None]
    columns = torch.arange(width, dtype=x.dtype, device=x.device)
    out = bias[:, None]
    # Tap by tap: all nine at once would need nine copies of the features.
    for tap in range(9):
        row, column = tap // 3, tap % 3
        down = rows + (row - 1) + offsets[:, tap, 0]
        across = columns + (column - 1) + offsets[:, tap, 1]
        # Convert pixel centres to the sampler's -1..1, whose ends are the picture's edges.
        where = torch.stack(((2 * across + 1) / width - 1, (2 * down + 1) / height - 1), -1)
        sampled = functional.grid_sample(runs, where, align_corners=False) * mask[:, tap]
        out = out + weight[:, :, row, column] @ sampled.reshape(batch, -1, height * width)
    return out.unflatten(2, (height, width))


class TextureWarp(nn.Module):
    """Moves a decoder's features to where the input picture shows the same parts.

    Shapes: texture (B, channels, H, W), condition (B, 32, any size) and guide of the coarser level (B, coarser, H / 2,
    W / 2), if there is one, to the moved texture and its own guide, both (B, channels, H, W). With ``refine``, the
    condition is resized to the texture and convolved.
    """

    def __init__(self, channels: int, coarser: int, refine: bool) -> None:
        super().__init__()
        self.downsample = nn.ModuleDict({"conv": build_conv3(CONDITION, CONDITION)} if refine else {})
        self.offset_conv1 = nn.Sequential(
            nn.Conv2d(CONDITION + channels, channels, 1),
            build_norm(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 7, padding=3, groups=channels),
            build_norm(channels),
            nn.SiLU(),
            nn.Conv2d(channels, channels, 1),
        )
        self.offset_conv2 = nn.Sequential(build_conv3(channels + coarser, channels), build_norm(channels), nn.SiLU())
        self.dcn = DeformableConv(channels)

    def forward(
        self, texture: torch.Tensor, condition: torch.Tensor, guide: torch.Tensor | None
    ) -> tuple[torch.Tensor, torch.Tensor]:
        condition = functional.interpolate(condition, size=texture.shape[2:], mode="bilinear", align_corners=False)
        for layer in self.downsample.values():
            condition = layer(condition)
        features = self.offset_conv1(torch.cat((condition, texture), 1))
        if guide is not None:
            # A move by one coarse pixel is a move by two fine pixels.
            features = torch.cat((features, 2 * resize(guide, 2)), 1)
        features = self.offset_conv2(features)
        return self.dcn(texture, features), features


def resize(x: torch.Tensor, scale: float) -> torch.Tensor:
    """Resize x (B, C, H, W) bilinearly."""
    return functional.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)


class MainBranch(nn.Module):
    """The decoder of warped textures.

    Args:
        widths: Channels of each level, the coarsest first.
        up: Makes the step between two levels from their widths.
        shortcut: See `ResBlock`.
        refine: Whether each warp but the finest convolves the picture's features; see `TextureWarp`.
    """

    def __init__(self, widths: Sequence[int], up: Callable[[int, int], nn.Module], shortcut: str, refine: bool) -> None:
        super().__init__()
        self.decoder_dict = nn.ModuleDict()
        self.pre_upsample_dict = nn.ModuleDict()
        self.align_func_dict = nn.ModuleDict()
        coarser = 0
        for name, width in zip(level_names(len(widths)), widths, strict=True):
            if coarser:
                self.decoder_dict[name] = ResBlock(2 * width, width, shortcut)
                self.pre_upsample_dict[name] = up(coarser, width)
            self.align_func_dict[name] = TextureWarp(width, coarser, refine and name != FINEST)
            coarser = width

    def forward(self, textures: Sequence[torch.Tensor], condition: torch.Tensor) -> torch.Tensor:
        """Return the warped features, (B, finest, H, W).

        Args:
            textures: Textures of each level, the coarsest first.
            condition: Features of the picture, (B, 32, H, W).
        """
        x = guide = None
        for (name, warp), texture in zip(self.align_func_dict.items(), textures, strict=True):
            warped, guide = warp(texture, condition, guide)
            if x is None:
                x = warped
            else:
                x = self.decoder_dict[name](torch.cat((self.pre_upsample_dict[name](x), warped), 1))
        return x


def level_names(count: int) -> list[str]:
    """Return the names of the levels, the coarsest first."""
    return [f"Level_{2**i}" for i in reversed(range(count))]
