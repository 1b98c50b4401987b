"""Face generator of the talking-face model: draws the face that says a sound.

Yaman et al., Audio-Driven Talking Face Generation with Stabilized Synchronization Loss (ECCV 2024), sections 3.1 to
3.3, Fig. 2. Two encoders of one form read the identity and the pose: a whole face, and the upper half of the face to
draw. A decoder reaches both through skip connections and gets the embedding of a frozen audio encoder (`avsyncnet`).
The silent-lip generator and the talking-face generator both have this form. There are no published weights: `lipdub
train silent-lip` and `lipdub train stabilized` make some.

Choices where the paper is silent:

- Encoders halve the picture until at most four pixels are left. A last convolution takes those to 1x1, where the sound
  is added. Channels double from `width` to `deepest`.
- "Summing the input and output of each block": their sizes differ, so the sum is around the two layers after the
  strided (or transposed) one.
- A 1x1 convolution joins the features of both encoders at every depth, not at the last only.
- The generator keeps what it is given where it can. Its last layer sees the two pictures beside its features, and gives
  colours and the share with which they cover the pose's upper half and the identity's lower half.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

_LEAST_PIXELS = 4  # side length at which an encoder stops halving


@dataclass(frozen=True)
class FaceGeneratorSize:
    """Sizes of a face generator.

    Attributes:
        pixels: Side length of the square faces: 3 or 4 times a power of two.
        width: Channels of the encoders' first blocks.
        deepest: Channels at most; they double from block to block up to it.
        sound: Length of the audio embedding.

    Raises:
        ValueError: The pixels cannot be halved down to three or four, or the channels make no sense.
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
        """Return the size for CPUs; it belongs to `AVSyncNetSize.small`."""
        return cls(pixels, 16, 80, 128)

    def sides(self) -> list[int]:
        """Return the side length in pixels after each block of an encoder."""
        sides, side = [], self.pixels
        while side > _LEAST_PIXELS:
            if side % 2:
                break
            side //= 2
            sides.append(side)
        return sides or [0]

    def channels(self) -> list[int]:
        """Return the channels after each block of an encoder."""
        return [min(self.width << i, self.deepest) for i in range(len(self.sides()))]


class FaceGenerator(nn.Module):
    """The generator. P is `size.pixels`."""

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
        """Return the faces, (B, 3, P, P), RGB in 0..1.

        Args:
            sound: (B, size.sound) of unit length: `AVSyncNet.audio_features` of the fifth of a second around the frame.
            pose: (B, 3, P, P), RGB in 0..1: the face without its lower half (`hide_lower_half`).
            identity: (B, 3, P, P), RGB in 0..1: a whole face of the same person.
        """
        levels = zip(self.identity_encoder(identity), self.pose_encoder(pose), self.joins, strict=True)
        *skips, x = [join(torch.cat([face, posture], 1)) for face, posture, join in levels]
        # The embedding has unit length: without a factor, its entries would be small beside the others.
        x = self.begin(torch.cat([x, sound[:, :, None, None] * sound.shape[1] ** 0.5], 1))
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            x = block(torch.cat([x, skip], 1))
        colours, share = torch.sigmoid(self.paint(torch.cat([x, pose - 0.5, identity - 0.5], 1)).float()).split(
            [3, 1], 1
        )
        half = pose.shape[2] // 2
        background = torch.cat([pose[:, :, :half], identity[:, :, half:]], 2)
        return background + share * (colours - background)


def hide_lower_half(faces: torch.Tensor) -> torch.Tensor:
    """Set the lower half of faces (..., P, P) to zero; it is the crop of `faces.alignment.lower_face`."""
    hidden = faces.clone()
    hidden[..., faces.shape[-2] // 2 :, :] = 0
    return hidden


class FaceEncoder(nn.Module):
    """Consecutive face-encoding blocks.

    Shapes: (B, 3, P, P) to the features of each block, and of the whole face, (B, deepest, 1, 1).
    """

    def __init__(self, size: FaceGeneratorSize) -> None:
        super().__init__()
        self.blocks = nn.ModuleList()
        inward = 3
        for outward in size.channels():
            self.blocks.append(FaceEncoding(inward, outward))
            inward = outward
        self.last = _make_layer(nn.Conv2d(inward, size.deepest, size.sides()[-1], bias=False))

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        features = []
        for block in (*self.blocks, self.last):
            x = block(x)
            features.append(x)
        return features


class FaceEncoding(nn.Module):
    """FE block: (B, inward, H, W) to (B, outward, H / 2, W / 2)."""

    def __init__(self, inward: int, outward: int) -> None:
        super().__init__()
        self.first = _make_layer(nn.Conv2d(inward, outward, 3, 2, 1, bias=False))
        self.rest = _make_pair(outward)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return x + self.rest(x)


class FaceDecoding(nn.Module):
    """FD block: a transposed convolution and two that keep the size.

    Shapes: (B, inward, H, W) to (B, outward, H', W').
    """

    def __init__(self, inward: int, outward: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.first = _make_layer(nn.ConvTranspose2d(inward, outward, kernel, stride, padding, bias=False))
        self.rest = _make_pair(outward)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        return x + self.rest(x)


def _make_layer(convolution: nn.Module) -> nn.Sequential:
    return nn.Sequential(convolution, nn.BatchNorm2d(int(convolution.out_channels)), nn.ReLU())


def _make_pair(channels: int) -> nn.Sequential:
    return nn.Sequential(*(_make_layer(nn.Conv2d(channels, channels, 3, 1, 1, bias=False)) for _ in range(2)))


def _initialise(network: nn.Module) -> None:
    for module in network.modules():
        if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d)):
            nn.init.kaiming_normal_(module.weight, nonlinearity="relu")
            if module.bias is not None:
                nn.init.zeros_(module.bias)
