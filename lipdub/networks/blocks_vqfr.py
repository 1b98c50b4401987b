"""Blocks that both versions of VQFR (Gu et al., ECCV 2022) share: residual block, modulated deformable
convolution, texture warp, and the main branch that is made of them. Attribute names are those of the
checkpoints (repository TencentARC/VQFR, Apache-2.0). The deformable convolution is plain torch.

A level is a size of the features, named by how much smaller they are than the picture: Level_32 to Level_1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import nn

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

OFFSET_GROUPS = 4
FINEST = "Level_1"
CONDITION = 32  # channels of the features of the input picture that the warps look at


def build_norm(channels: int) -> nn.GroupNorm:
    """The group norm of all VQFR layers; channels is a multiple of 32."""
    return nn.GroupNorm(32, channels, eps=1e-6)


def build_conv3(inputs: int, outputs: int) -> nn.Conv2d:
    """A 3x3 convolution that keeps the size."""
    return nn.Conv2d(inputs, outputs, 3, padding=1)


def build_conv_out(inputs: int, outputs: int) -> nn.Sequential:
    """Norm, SiLU and convolution at the end of an encoder or a decoder."""
    return nn.Sequential(build_norm(inputs), nn.SiLU(), build_conv3(inputs, outputs))


class ResBlock(nn.Module):
    """Norm, SiLU, convolution, twice, and a shortcut: (B, inputs, H, W) to (B, outputs, H, W).

    shortcut: the name that the checkpoint gives to the shortcut's convolution, there where the widths differ.
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
        found = self.conv1(F.silu(self.norm1(x)))
        found = self.conv2(F.silu(self.norm2(found)))
        return found + (self.get_submodule(self.shortcut)(x) if self.shortcut else x)


class DeformableConv(nn.Module):
    """3x3 convolution whose taps are moved and weighted, pixel by pixel, by what other features say.

    x and guide (B, channels, H, W each) to (B, channels, H, W).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        plain = build_conv3(channels, channels)
        self.weight, self.bias = plain.weight, plain.bias
        self.conv_offset = build_conv3(channels, 3 * 9 * OFFSET_GROUPS)
        nn.init.zeros_(self.conv_offset.weight)
        nn.init.zeros_(self.conv_offset.bias)

    def forward(self, x: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
        found = self.conv_offset(guide)
        offsets, mask = found.split(2 * 9 * OFFSET_GROUPS, 1)
        return deformable_conv(x, offsets, mask.sigmoid(), self.weight, self.bias)


def deformable_conv(
    x: torch.Tensor, offsets: torch.Tensor, mask: torch.Tensor, weight: torch.Tensor, bias: torch.Tensor
) -> torch.Tensor:
    """Modulated deformable 3x3 convolution (Zhu et al., CVPR 2019), bilinear, zero outside; keeps the size.

    x (B, inputs, H, W); offsets (B, groups * 9 * 2, H, W), y before x, in pixels; mask (B, groups * 9, H, W);
    weight (outputs, inputs, 3, 3); bias (outputs). Each of the `groups` runs of inputs has its own offsets.
    Gives (B, outputs, H, W).
    """
    batch, _, height, width = x.shape
    groups = mask.shape[1] // 9
    runs = x.reshape(batch * groups, -1, height, width)
    offsets = offsets.reshape(batch * groups, 9, 2, height, width)
    mask = mask.reshape(batch * groups, 9, 1, height, width)
    rows = torch.arange(height, dtype=x.dtype, device=x.device)[:, None]
    columns = torch.arange(width, dtype=x.dtype, device=x.device)
    out = bias[:, None]
    # tap by tap, since all nine at once would hold nine copies of the features
    for tap in range(9):
        row, column = tap // 3, tap % 3
        down = rows + (row - 1) + offsets[:, tap, 0]
        across = columns + (column - 1) + offsets[:, tap, 1]
        # pixel centres to the sampler's -1..1, whose ends are the picture's edges
        where = torch.stack(((2 * across + 1) / width - 1, (2 * down + 1) / height - 1), -1)
        sampled = F.grid_sample(runs, where, align_corners=False) * mask[:, tap]
        out = out + weight[:, :, row, column] @ sampled.reshape(batch, -1, height * width)
    return out.unflatten(2, (height, width))


class TextureWarp(nn.Module):
    """Moves a decoder's features to where the input picture has what they show.

    Takes the texture (B, channels, H, W), the condition (B, 32, any size) and the coarser level's guide
    (B, coarser, H / 2, W / 2), if there is one. Gives the moved texture and its guide, both of its shape.
    With `refine` the condition, brought to the texture's size, is convolved.
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
        condition = F.interpolate(condition, size=texture.shape[2:], mode="bilinear", align_corners=False)
        for layer in self.downsample.values():
            condition = layer(condition)
        found = self.offset_conv1(torch.cat((condition, texture), 1))
        if guide is not None:
            # a move by one coarse pixel is one by two fine ones
            found = torch.cat((found, 2 * resize(guide, 2)), 1)
        found = self.offset_conv2(found)
        return self.dcn(texture, found), found


def resize(x: torch.Tensor, scale: float) -> torch.Tensor:
    """X (B, C, H, W) enlarged or reduced bilinearly."""
    return F.interpolate(x, scale_factor=scale, mode="bilinear", align_corners=False)


class MainBranch(nn.Module):
    """The decoder of warped textures.

    widths: channels of each level, the coarsest first; up: makes the step between two levels from their
    widths; shortcut: see ResBlock; refine: whether each warp but the finest convolves the picture's features,
    see TextureWarp.
    """

    def __init__(self, widths: Sequence[int], up: Callable[[int, int], nn.Module], shortcut: str, refine: bool) -> None:
        super().__init__()
        self.decoder_dict = nn.ModuleDict()
        self.pre_upsample_dict = nn.ModuleDict()
        self.align_func_dict = nn.ModuleDict()
        coarser = 0
        for name, width in zip(level_names(len(widths)), widths):
            if coarser:
                self.decoder_dict[name] = ResBlock(2 * width, width, shortcut)
                self.pre_upsample_dict[name] = up(coarser, width)
            self.align_func_dict[name] = TextureWarp(width, coarser, refine and name != FINEST)
            coarser = width

    def forward(self, textures: Sequence[torch.Tensor], condition: torch.Tensor) -> torch.Tensor:
        """Textures of each level, the coarsest first, and the picture's features (B, 32, H, W), to features
        (B, finest, H, W).
        """
        x = guide = None
        for (name, warp), texture in zip(self.align_func_dict.items(), textures):
            warped, guide = warp(texture, condition, guide)
            if x is None:
                x = warped
            else:
                x = self.decoder_dict[name](torch.cat((self.pre_upsample_dict[name](x), warped), 1))
        return x


def level_names(count: int) -> list[str]:
    """Names of the levels, the coarsest first."""
    return [f"Level_{2**i}" for i in reversed(range(count))]
