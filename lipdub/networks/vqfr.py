"""VQFR: restores a face from a codebook of small pieces of good faces.

Gu et al., VQFR: Blind Face Restoration with Vector-Quantized Dictionary and Parallel Decoder (ECCV 2022). An encoder
describes the face by codes. A decoder draws the codes' textures. A main branch moves the textures to where the input
face shows the same parts. Version 2 predicts the codes, and blends in the main branch by a fidelity; version 1 takes
the nearest codes.

Checkpoints: VQFR_v2.pth and VQFR_v1-33a1fac5.pth, key params_ema, or params where that is missing. The names of version
1's quantizer are inferred (see its parity fixture). Source: TencentARC/VQFR, Apache-2.0, with third-party parts listed
in its licence; the weights carry terms of their training data.

Input and output: an aligned face of 512x512 pixels, RGB in -1..1; the output is not clamped.
"""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import torch
from torch import nn
from torch.nn import functional

from lipdub.networks.blocks_vqfr import (
    CONDITION,
    MainBranch,
    ResBlock,
    build_conv3,
    build_conv_out,
    build_norm,
    level_names,
    resize,
)

if TYPE_CHECKING:
    from collections.abc import Sequence


class VQFROutput(NamedTuple):
    """The output of VQFR."""

    image: torch.Tensor  # (B, 3, H, W): the restored face
    texture: torch.Tensor  # (B, 3, H, W): the face that the codes alone give


class VQFRv2(nn.Module):
    """Version 2.

    Args:
        width: Channels at the full size, a multiple of 32.
        multipliers: Channels of each level in multiples of ``width``, the finest first.
        codes: Number of the codebook's entries.
        code_dim: Length of an entry.
    """

    def __init__(
        self,
        width: int = 64,
        multipliers: Sequence[int] = (1, 2, 2, 4, 4, 8),
        codes: int = 1024,
        code_dim: int = 256,
    ) -> None:
        super().__init__()
        widths = [width * multiplier for multiplier in multipliers]
        self.encoder = EncoderV2(widths, code_dim)
        self.feat2index = nn.Sequential(nn.LayerNorm(code_dim), nn.Linear(code_dim, codes))
        self.decoder = DecoderV2(widths[::-1], code_dim)
        self.main_branch = MainBranch(widths[::-1], _enlarging_conv, SHORTCUT_V2, refine=False)
        self.inpfeat_extraction = build_conv3(3, CONDITION)
        self.quantizer = nn.ModuleDict({"embedding": nn.Embedding(codes, code_dim)})

    def forward(self, image: torch.Tensor, fidelity: float = 0.0) -> VQFROutput:
        """Restore images (B, 3, H, W), sizes a multiple of 32; fidelity 0 trusts the codes, 1 the input."""
        return self.decode(self.codes(self.encoder(image)), image, fidelity)

    def codes(self, features: torch.Tensor) -> torch.Tensor:
        """Return the codes (B, H / 32, W / 32) of the encoder's features (B, code_dim, H / 32, W / 32)."""
        return self.feat2index(features.movedim(1, -1)).argmax(-1)

    def decode(self, codes: torch.Tensor, image: torch.Tensor, fidelity: float = 0.0) -> VQFROutput:
        """Restore the face of codes (B, H / 32, W / 32) and the picture (B, 3, H, W) that they describe."""
        textures = self.decoder(self.quantizer["embedding"](codes).movedim(-1, 1))
        texture = self.decoder.conv_out(textures[-1])
        if fidelity == 0:
            return VQFROutput(texture, texture)
        main = self.main_branch(textures, self.inpfeat_extraction(image))
        return VQFROutput(self.decoder.conv_out(textures[-1] + fidelity * main), texture)


SHORTCUT_V2 = "residual_func"  # as the checkpoint calls it


class EncoderV2(nn.Module):
    """Picture (B, 3, H, W) to features (B, code_dim, H / 32, W / 32), sizes for six levels."""

    def __init__(self, widths: Sequence[int], code_dim: int) -> None:
        super().__init__()
        self.conv_in = build_conv3(3, widths[0])
        self.blocks = nn.Sequential(_level(widths[0], widths[0]))
        for i, (fine, coarse) in enumerate(pairwise(widths)):
            is_last = i == len(widths) - 2
            self.blocks.append(_level(fine, coarse, HalvingConv(fine), attention=is_last))
        self.mid_blocks = _middle(widths[-1])
        self.conv_out = build_conv_out(widths[-1], code_dim)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return self.conv_out(self.mid_blocks(self.blocks(self.conv_in(image))))


class DecoderV2(nn.Module):
    """Entries of the codebook (B, code_dim, h, w) to textures of each level, the coarsest first.

    ``conv_out`` turns the last, or the main branch's version of it, into a picture.
    """

    def __init__(self, widths: Sequence[int], code_dim: int) -> None:
        super().__init__()
        self.conv_in = build_conv3(code_dim, widths[0])
        self.mid_blocks = _middle(widths[0])
        self.blocks = nn.ModuleList([_level(widths[0], widths[0], attention=True)])
        for coarse, fine in pairwise(widths):
            self.blocks.append(_level(coarse, fine, DoublingConv(coarse)))
        self.conv_out = build_conv_out(widths[-1], 3)

    def forward(self, entries: torch.Tensor) -> list[torch.Tensor]:
        x = self.mid_blocks(self.conv_in(entries))
        textures = []
        for level in self.blocks:
            x = level(x)
            textures.append(x)
        return textures


def _level(inputs: int, outputs: int, *first: nn.Module, attention: bool = False) -> nn.Sequential:
    """Return the layers of one size: the step to it and two residual blocks, each with attention if wanted."""
    layers = list(first)
    for channels in (inputs, outputs):
        layers.append(ResBlock(channels, outputs, SHORTCUT_V2))
        if attention:
            layers.append(Attention(outputs))
    return nn.Sequential(*layers)


def _middle(channels: int) -> nn.Sequential:
    """Return the blocks at the coarsest size: between encoder and codes, and between codes and decoder."""
    before, after = (ResBlock(channels, channels, SHORTCUT_V2) for _ in range(2))
    return nn.Sequential(before, Attention(channels), after)


def _enlarging_conv(inputs: int, outputs: int) -> nn.Sequential:
    """Return an enlargement to twice the size by nearest pixels, then a convolution."""
    return nn.Sequential(nn.Upsample(scale_factor=2, mode="nearest"), build_conv3(inputs, outputs))


class HalvingConv(nn.Module):
    """A convolution of stride 2 over the picture with a border at its right and bottom only."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(functional.pad(x, (0, 1, 0, 1)))


class DoublingConv(nn.Module):
    """Twice the size by nearest pixels, then a convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = build_conv3(channels, channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(functional.interpolate(x, scale_factor=2, mode="nearest"))


class Attention(nn.Module):
    """Every pixel attends to every other, with one head; the result is added to the input (B, channels, H, W)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.norm = build_norm(channels)
        self.q, self.k, self.v, self.proj_out = (nn.Conv2d(channels, channels, 1) for _ in range(4))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        normed = self.norm(x)
        query, key, value = (layer(normed).flatten(2).transpose(1, 2) for layer in (self.q, self.k, self.v))
        attended = functional.scaled_dot_product_attention(query, key, value)
        return x + self.proj_out(attended.transpose(1, 2).unflatten(2, x.shape[2:]))


class VQFRv1(nn.Module):
    """Version 1.

    Args:
        width: Channels at the full size, a multiple of 32.
        multipliers: Channels of each level in multiples of ``width``, the finest first.
        codes: Number of the codebook's entries.
        code_dim: Length of an entry.
    """

    def __init__(
        self,
        width: int = 128,
        multipliers: Sequence[int] = (1, 1, 2, 2, 2, 4),
        codes: int = 1024,
        code_dim: int = 256,
    ) -> None:
        super().__init__()
        widths = [width * multiplier for multiplier in multipliers]
        coarsest = level_names(len(widths))[0]
        self.inpfeat_extraction = nn.ModuleDict({"conv": build_conv3(3, CONDITION)})
        self.encoder = EncoderV1(widths)
        self.decoder = DecoderV1(widths[::-1])
        self.main_decoder = MainDecoderV1(widths[::-1])
        codebook = nn.ModuleDict({coarsest: Codebook(widths[-1], codes, code_dim)})
        self.quantizer = nn.ModuleDict({"quantize_dict": codebook})

    def forward(self, image: torch.Tensor) -> VQFROutput:
        """Restore images (B, 3, H, W), sizes a multiple of 32."""
        (codebook,) = self.quantizer["quantize_dict"].values()
        textures = self.decoder(codebook(self.encoder(image)))
        features = self.main_decoder(textures, self.inpfeat_extraction["conv"](image))
        return VQFROutput(self.main_decoder.draw(features, image), self.decoder.conv_out(textures[-1]))


class Codebook(nn.Module):
    """Replaces features (B, channels, h, w) by the nearest entries of the codebook."""

    def __init__(self, channels: int, codes: int, code_dim: int) -> None:
        super().__init__()
        self.quant_conv = nn.Conv2d(channels, code_dim, 1)
        self.post_quant_conv = nn.Conv2d(code_dim, channels, 1)
        self.embedding = nn.Embedding(codes, code_dim)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        wanted = self.quant_conv(features).movedim(1, -1)
        nearest = torch.cdist(wanted.flatten(1, 2), self.embedding.weight).argmin(-1)
        entries = self.embedding(nearest.unflatten(1, features.shape[2:]))
        return self.post_quant_conv(entries.movedim(-1, 1))


class EncoderV1(nn.Module):
    """Picture (B, 3, H, W) to features (B, coarsest, H / 32, W / 32), sizes for six levels."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        names = level_names(len(widths))[::-1]
        self.conv_in = build_conv3(3, widths[0])
        self.encoder_dict = nn.ModuleDict()
        self.pre_downsample_dict = nn.ModuleDict()
        for i, (name, width) in enumerate(zip(names, widths, strict=True)):
            if i:
                self.pre_downsample_dict[name] = ReducedConv(widths[i - 1], width)
            self.encoder_dict[name] = _blocks(width, 2)
        self.enc_convout_dict = nn.ModuleDict({names[-1]: build_conv_out(widths[-1], widths[-1])})

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = self.conv_in(image)
        for name, blocks in self.encoder_dict.items():
            if name in self.pre_downsample_dict:
                x = self.pre_downsample_dict[name](x)
            x = blocks(x)
        return self.enc_convout_dict[name](x)


class DecoderV1(nn.Module):
    """The codes' features (B, coarsest, h, w) to textures of each level, the coarsest first.

    ``conv_out`` turns the last into a picture.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__()
        self.decoder_dict = nn.ModuleDict()
        self.pre_upsample_dict = nn.ModuleDict()
        for i, (name, width) in enumerate(zip(level_names(len(widths)), widths, strict=True)):
            if i:
                self.pre_upsample_dict[name] = EnlargedConv(widths[i - 1], width)
            self.decoder_dict[name] = _blocks(width, 3)
        self.conv_out = build_conv_out(widths[-1], 3)

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        textures = []
        for name, blocks in self.decoder_dict.items():
            if name in self.pre_upsample_dict:
                x = self.pre_upsample_dict[name](x)
            x = blocks(x)
            textures.append(x)
        return textures


class MainDecoderV1(MainBranch):
    """The main branch, with the layers that draw a picture from its result and the input picture."""

    def __init__(self, widths: Sequence[int]) -> None:
        super().__init__(widths, EnlargedConv, "shortcut_conv", refine=True)
        self.conv_out_1 = nn.Sequential(build_norm(widths[-1]), nn.SiLU())
        self.conv_out = nn.Sequential(build_conv3(widths[-1] + 3, 3))

    def draw(self, features: torch.Tensor, image: torch.Tensor) -> torch.Tensor:
        """Draw the restored face from the branch's features (B, finest, H, W) and the input (B, 3, H, W)."""
        return self.conv_out(torch.cat((self.conv_out_1(features), image), 1))


def _blocks(channels: int, count: int) -> nn.Sequential:
    """Return residual blocks that keep the width."""
    return nn.Sequential(*(ResBlock(channels, channels, "") for _ in range(count)))


class ReducedConv(nn.Module):
    """Half the size, bilinearly, then a convolution."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = build_conv3(inputs, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(resize(x, 0.5))


class EnlargedConv(nn.Module):
    """A convolution, then twice the size, bilinearly."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.conv = build_conv3(inputs, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return resize(self.conv(x), 2)
