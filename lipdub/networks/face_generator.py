"""The face generator of paper 003: a face's upper half, a look at the whole face and a sound become the face that says it.

Yaman et al., "Audio-driven Talking Face Generation with Stabilized Synchronization Loss" (sections 3.1 to 3.3, Fig. 2): two
encoders of one form, one for who it is and one for how the head is held; a decoder that reaches both through skip connections;
the embedding of a frozen audio encoder (`avsyncnet`). The silent-lip generator and the talking-face generator are both this.
There are no published weights: `lipdub train silent-lip` and `lipdub train stabilized` make some.

What the paper leaves open, and what was chosen:

- Encoders halve the picture until four pixels or fewer are left, and a last convolution takes those to 1x1, where the sound is;
  channels double from `width` to `deepest`.
- "Summing the input and output of each block": their sizes differ, so the sum is around the two layers after the strided (or
  transposed) one.
- Both encoders' features are brought together by a 1x1 convolution at every depth, not the last alone.
- What is given need not be made anew: the last layer, which sees the two pictures beside its features, gives colours and how far
  they are to be laid over the pose's upper half and the identity's lower one.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

_LEAST = 4  # pixels a side at which an encoder stops halving


@dataclass(frozen=True)
class FaceGeneratorSize:
    """pixels: of the square faces, a multiple of 32 (or 2, 4, 8, 16 times three or four); width: channels of the encoders'
    first blocks, doubled from one to the next up to `deepest`; sound: length of the audio embedding. ValueError for pixels that
    cannot be halved down to three or four.
    """

    pixels: int = 96
    width: int = 64
    deepest: int = 512
    sound: int = 512

    def __post_init__(self) -> None:
        if self.sides()[-1] not in (3, 4):
            raise ValueError(f"pixels must be 3 or 4 times a power of two (96, 128, 192, 256), not {self.pixels}")
        if self.width < 2 or self.deepest < self.width or self.sound < 1:
            raise ValueError(f"no such channels: width {self.width}, deepest {self.deepest}, sound {self.sound}")

    @classmethod
    def small(cls, pixels: int = 96) -> FaceGeneratorSize:
        """For CPUs; it goes with `AVSyncNetSize.small`."""
        return cls(pixels, 16, 80, 128)

    def sides(self) -> list[int]:
        """Pixels a side after each block of an encoder."""
        sides, side = [], self.pixels
        while side > _LEAST:
            if side % 2:
                break
            side //= 2
            sides.append(side)
        return sides or [0]

    def channels(self) -> list[int]:
        """Channels after each block of an encoder."""
        return [min(self.width << i, self.deepest) for i in range(len(self.sides()))]


class FaceGenerator(nn.Module):
    """See the module. P is `size.pixels`."""

    def __init__(self, size: FaceGeneratorSize | None = None) -> None:
        super().__init__()
        self.size = size = size or FaceGeneratorSize()
        self.identity_encoder = FaceEncoder(size)
        self.pose_encoder = FaceEncoder(size)
        channels = size.channels()
        self.joins = nn.ModuleList(nn.Conv2d(2 * c, c, 1) for c in (*channels, size.deepest))
        self.begin = FaceDecoding(size.deepest + size.sound, channels[-1], size.sides()[-1], 1, 0)
        self.blocks = nn.ModuleList()
        for i in reversed(range(len(channels))):
            outward = channels[i - 1] if i else max(size.width // 2, 1)
            self.blocks.append(FaceDecoding(2 * channels[i], outward, 4, 2, 1))
        self.paint = nn.Conv2d(max(size.width // 2, 1) + 6, 4, 3, 1, 1)
        _initialise(self)

    def forward(self, sound: torch.Tensor, pose: torch.Tensor, identity: torch.Tensor) -> torch.Tensor:
        """The face (B, 3, P, P), RGB in 0..1.

        Args:
            sound: (B, size.sound) of unit length, `AVSyncNet.audio_features` of the fifth of a second about the frame.
            pose: (B, 3, P, P) RGB in 0..1, the face as `hide` leaves it.
            identity: (B, 3, P, P) RGB in 0..1, a whole face of the same person.
        """
        both = zip(self.identity_encoder(identity), self.pose_encoder(pose), self.joins, strict=True)
        *skips, x = [join(torch.cat([who, how], 1)) for who, how, join in both]
        # of unit length, its entries would be small beside the others
        x = self.begin(torch.cat([x, sound[:, :, None, None] * sound.shape[1] ** 0.5], 1))
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            x = block(torch.cat([x, skip], 1))
        colours, share = torch.sigmoid(self.paint(torch.cat([x, pose - 0.5, identity - 0.5], 1)).float()).split(
            [3, 1], 1
        )
        half = pose.shape[2] // 2
        given = torch.cat([pose[:, :, :half], identity[:, :, half:]], 2)
        return given + share * (colours - given)


def hide_lower_half(faces: torch.Tensor) -> torch.Tensor:
    """Faces (..., P, P) without their lower half, which is the crop of `faces.lowerface`: zeros instead."""
    hidden = faces.clone()
    hidden[..., faces.shape[-2] // 2 :, :] = 0
    return hidden


class FaceEncoder(nn.Module):
    """Consecutive face-encoding blocks: (B, 3, P, P) to the features of each, and of the whole face, (B, deepest, 1, 1)."""

    def __init__(self, size: FaceGeneratorSize) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        inward = 3
        for outward in size.channels():
            self.blocks.append(FaceEncoding(inward, outward))
            inward = outward
        self.last = _layer(nn.Conv2d(inward, size.deepest, size.sides()[-1], bias=False))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        found = []
        for block in (*self.blocks, self.last):
            x = block(x)
            found.append(x)
        return found


class FaceEncoding(nn.Module):
    """FE block: (B, inward, H, W) to (B, outward, H / 2, W / 2)."""

    def __init__(self, inward: int, outward: int) -> None:
        super().__init__()
        self.first = _layer(nn.Conv2d(inward, outward, 3, 2, 1, bias=False))
        self.rest = _two(outward)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return x + self.rest(x)


class FaceDecoding(nn.Module):
    """FD block: (B, inward, H, W) to (B, outward, H', W') by a transposed convolution and two that keep the size."""

    def __init__(self, inward: int, outward: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.first = _layer(nn.ConvTranspose2d(inward, outward, kernel, stride, padding, bias=False))
        self.rest = _two(outward)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return x + self.rest(x)


def _layer(convolution: nn.Module) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(int(convolution.out_channels)), nn.ReLU())


def _two(channels: int) -> nn.Sequential:
    return nn.Sequential(*(_layer(nn.Conv2d(channels, channels, 3, 1, 1, bias=False)) for _ in range(2)))


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
