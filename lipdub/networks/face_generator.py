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
- The frozen audio encoder tells sounds apart, and so need not say how far a mouth opens. A generator with `own_sound`
  also hears the window of sound itself, by a small encoder that learns with it.
- The generator keeps what it is given where it can. Its last layer sees the two pictures beside its features, and gives
  colours and the share with which they cover the pose's upper half and the identity's lower half.
- `FaceGeneratorSize.draws_change` is for people who were not trained on. Skin colour and contrast are taken out of what
  the generator sees (`face_colours`). It moves the lower face of the identity (`face_warp`), so that skin, beard and
  wrinkles stay, and covers what must be new, above all the inside of the mouth. The colours that it covers with are
  bounded, so that a face it does not know cannot send them away. Their hue lies between that of what they cover and the
  skin's, with a bounded change. It comes from a smaller map. The decoder enlarges bilinearly. Transposed convolutions
  draw grids where nothing holds them back: on strangers, the colours of the first form are a grid of orange and green,
  and its shares let it through as speckles.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import nn
from torch.nn.functional import interpolate

from lipdub.networks.avsyncnet import PhoneticEncoder
from lipdub.networks.face_colours import Paint, measure_skin, shade
from lipdub.networks.face_warp import draw_lower_face_region, warp

# The decoder's maps, counted from the last, that flow and hue are read from: a quarter and half of the picture's side
_FLOW_FROM, _HUE_FROM = -3, -2
_TOP = 3 / 8  # share of the picture above all that is drawn (`face_warp.draw_lower_face_region`)
_FIRST_SHARE = -2.0  # logit of the share with which an untrained generator covers the identity
_LEAST_PIXELS = 4  # side length at which an encoder stops halving
_AUDIO_WIDTH, _AUDIO_DEPTHS = 96, (1, 1, 1)  # of the generator's own audio encoder


@dataclass(frozen=True)
class FaceGeneratorSize:
    """Sizes of a face generator.

    Attributes:
        pixels: Side length of the square faces: 3 or 4 times a power of two.
        width: Channels of the encoders' first blocks.
        deepest: Channels at most; they double from block to block up to it.
        sound: Length of the audio embedding.
        draws_change: Whether the generator changes the identity instead of drawing colours over it: the form for
            people who were not trained on. Files of lipdub 0.1 have no such generator.
        own_sound: Length of the embedding of the generator's own audio encoder; 0: it has none.
        audio_rows: Rows of the windows of sound that its own encoder hears.
        audio_columns: Columns of these windows.

    Raises:
        ValueError: The pixels cannot be halved down to three or four, or the channels make no sense.
    """

    pixels: int = 96
    width: int = 64
    deepest: int = 512
    sound: int = 512
    draws_change: bool = field(default=False, metadata={"added": True})
    own_sound: int = field(default=0, metadata={"added": True})
    audio_rows: int = field(default=0, metadata={"added": True})
    audio_columns: int = field(default=0, metadata={"added": True})

    def __post_init__(self) -> None:
        if self.sides()[-1] not in (3, 4):
            raise ValueError(f"pixels must be 3 or 4 times a power of two (96, 128, 192, 256), not {self.pixels}")
        if self.width < 2 or self.deepest < self.width or self.sound < 1:
            raise ValueError(f"no such channels: width {self.width}, deepest {self.deepest}, sound {self.sound}")

    @classmethod
    def small(cls, pixels: int = 96) -> FaceGeneratorSize:
        """Return the size for CPUs; it belongs to `AVSyncNetSize.small`."""
        return cls(pixels, 16, 80, 128, draws_change=True)

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
        sound = size.sound + size.own_sound
        self.begin = FaceDecoding(nn.ConvTranspose2d(size.deepest + sound, channels[-1], size.sides()[-1], bias=False))
        self.blocks = nn.ModuleList()
        for i in reversed(range(len(channels))):
            outward = channels[i - 1] if i else max(size.width // 2, 1)
            if size.draws_change:
                self.blocks.append(
                    FaceDecoding(nn.Conv2d(2 * channels[i], outward, 3, 1, 1, bias=False), enlarges=True)
                )
            else:
                self.blocks.append(FaceDecoding(nn.ConvTranspose2d(2 * channels[i], outward, 4, 2, 1, bias=False)))
        # Brightness and share, or three colours and share.
        self.paint = nn.Conv2d(max(size.width // 2, 1) + 6, 2 if size.draws_change else 4, 3, 1, 1)
        if size.draws_change:
            widths = [block.channels for block in (self.begin, *self.blocks)]
            self.flow = nn.Conv2d(widths[_FLOW_FROM:][0], 2, 3, 1, 1)
            self.hue = nn.Conv2d(widths[_HUE_FROM], 4, 3, 1, 1)
        _initialise(self)
        if size.draws_change:
            nn.init.zeros_(self.flow.weight)
            nn.init.zeros_(self.hue.weight)
            nn.init.constant_(self.paint.bias[1:], _FIRST_SHARE)
        self.audio_encoder = (
            PhoneticEncoder(size.audio_rows, size.audio_columns, _AUDIO_WIDTH, _AUDIO_DEPTHS, size.own_sound)
            if size.own_sound
            else None
        )

    def forward(
        self,
        sound: torch.Tensor,
        pose: torch.Tensor,
        identity: torch.Tensor,
        audio: torch.Tensor | None = None,
    ) -> torch.Tensor:
        """Return the faces, (B, 3, P, P), RGB in 0..1.

        Args:
            sound: (B, size.sound) of unit length: `AVSyncNet.audio_features` of the fifth of a second around the frame.
            pose: (B, 3, P, P), RGB in 0..1: the face without its lower half (`hide_lower_half`).
            identity: (B, 3, P, P), RGB in 0..1: a whole face of the same person.
            audio: (B, audio_rows, audio_columns), the window of sound around the frame (`speech.sound_windows`). Only a
                generator with an audio encoder of its own hears it.
        """
        heard = self._hear(sound, audio)
        if self.size.draws_change:
            return self._change(heard, pose, identity)
        x = self._decode(heard, pose, identity)[-1]
        colours, share = torch.sigmoid(self.paint(torch.cat([x, pose - 0.5, identity - 0.5], 1)).float()).split(
            [3, 1], 1
        )
        background = _join_halves(pose, identity)
        return background + share * (colours - background)

    def _hear(self, sound: torch.Tensor, audio: torch.Tensor | None) -> torch.Tensor:
        """Give what the decoder gets of the sound, (B, sound + own_sound)."""
        # The embedding has unit length: without a factor, its entries would be small beside the others.
        heard = sound * sound.shape[1] ** 0.5
        return heard if self.audio_encoder is None else torch.cat([heard, self.audio_encoder(audio)], 1)

    def _change(self, heard: torch.Tensor, pose: torch.Tensor, identity: torch.Tensor) -> torch.Tensor:
        """Move the identity's lower face and cover it. Unbounded in training, where a bound would stop gradients."""
        skin = measure_skin(identity)
        face, hidden = skin.take_out(identity), hide_lower_half(skin.take_out(pose))
        maps = self._decode(heard, hidden, face)
        rows, half = maps[-1].shape[2], pose.shape[2] // 2
        upper, lower = pose[:, :, :-rows], pose[:, :, -rows:]
        region = draw_lower_face_region(identity)[-rows:]
        moved = warp(identity, self.flow(maps[_FLOW_FROM:][0]).float(), region)
        moved = torch.cat([lower[:, :, :-half], moved[:, :, -half:]], 2)
        seen = torch.cat([maps[-1], hidden[:, :, -rows:], skin.take_out(moved)], 1)
        brightness, share = self.paint(seen).float().split(1, 1)
        hue = self.hue(maps[_HUE_FROM]).float()
        hue = interpolate(hue, brightness.shape[2:], mode="bilinear", align_corners=False)
        # Lips and beard keep this person's own hue, and what appears between the lips has one of its own.
        colours = shade(moved, Paint(brightness, *hue.split([3, 1], 1)), skin)
        made = moved + torch.sigmoid(share) * region * (colours - moved)
        made = torch.cat([upper, made], 2)
        return made if self.training else made.clamp(0, 1)

    def _decode(self, heard: torch.Tensor, pose: torch.Tensor, identity: torch.Tensor) -> list[torch.Tensor]:
        """Give the decoder's maps, the largest last; where a change is drawn, the last three without their top."""
        levels = zip(self.identity_encoder(identity), self.pose_encoder(pose), self.joins, strict=True)
        *skips, x = [join(torch.cat([face, posture], 1)) for face, posture, join in levels]
        maps = [self._drop_top(self.begin(torch.cat([x, heard[:, :, None, None]], 1)))]
        for block, skip in zip(self.blocks, reversed(skips), strict=True):
            rows = maps[-1].shape[2]
            maps.append(self._drop_top(block(torch.cat([maps[-1], skip[:, :, -rows:]], 1))))
        return maps

    def _drop_top(self, features: torch.Tensor) -> torch.Tensor:
        """Drop the top of the map from which on all maps serve to draw the lower face alone."""
        side = self.size.pixels // 4
        if self.size.draws_change and features.shape[2] == side:
            return features[:, :, int(_TOP * side) :]
        return features


def _join_halves(upper: torch.Tensor, lower: torch.Tensor) -> torch.Tensor:
    """Join the upper half of pictures (B, c, P, P) with the lower half of others."""
    half = upper.shape[2] // 2
    return torch.cat([upper[:, :, :half], lower[:, :, half:]], 2)


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
    """FD block: a convolution that enlarges its map, and two that keep the size.

    Shapes: (B, inward, H, W) to (B, outward, H', W').

    Args:
        convolution: A transposed convolution, or one that keeps the size.
        enlarges: Whether the map is then enlarged twofold, bilinearly.
    """

    def __init__(self, convolution: nn.Module, *, enlarges: bool = False) -> None:
        super().__init__()
        self.channels = int(convolution.out_channels)
        self.first = _make_layer(convolution)
        self.rest = _make_pair(self.channels)
        self._enlarges = enlarges

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x)
        if self._enlarges:
            x = interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
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
