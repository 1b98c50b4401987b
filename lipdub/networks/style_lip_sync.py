"""StyleLipSync's generator: a StyleGAN2 decoder that is steered by speech and by the frame around the mouth.

Ki and Min, "StyleLipSync: Style-based Personalized Lip-sync Video Generation" (ICCV 2023), section 3:

- the face encoder gives features of the masked frame at every resolution of the decoder;
- style-aware masked fusion puts them into the decoder's blocks (Eq. 2);
- the reference encoder and the audio encoder give style codes, whose sum steers a frame (Eq. 3);
- moving-average based latent smoothing makes the codes' trajectory smooth (Eq. 4), and the decoder's average code is
  added.

There are no published weights. L is the number of the decoder's blocks, one for each resolution from 4 pixels up; a
block has two style codes.

Choices where the paper is silent:

- The fusion follows the convolution that brings a block to its resolution, because features of the block's own
  resolution can only be fused there. In the first block it follows the learned constant.
- The face encoder sees the mask as a fourth channel, so that hidden pixels are not taken for grey skin.
- `Conv1Ds` of Eq. 4 are two convolutions of three frames. The trajectory is continued by its first and last codes.
- Noise is the decoder's own fixed one: fresh noise in each frame would flicker.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn.functional import layer_norm, leaky_relu, pad

from lipdub.networks.avsyncnet import BANDS, COLUMNS, SILENCE, make_audio_encoder
from lipdub.networks.blocks_style import EqualConv, EqualLinear, LeakyBias, ModulatedConv, stage_width
from lipdub.networks.stylegan2 import StyleGAN2Size

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.networks.stylegan2 import StyleGAN2

MOVING_AVERAGE = (0.25, 0.5, 0.25)
"""Weights of Eq. 4: the frame before, the frame, the frame after."""

SMOOTHING_REACH = 3
"""Frames to each side that a smoothed code depends on: one of the moving average, one of each convolution."""

_KERNEL = 3
_LEAK = 0.2
_AUDIO_DEPTHS = (1, 2, 2, 1)


@dataclass(frozen=True)
class StyleLipSyncSize:
    """Sizes of the networks.

    Attributes:
        decoder: Of the decoder.
        encoder_narrow: Factor on the reference encoder's channels, on top of the decoder's `narrow`. The face encoder
            has the decoder's own channels.
        audio: Audio feature that the audio encoder hears: "mel" or "phonetic".
        audio_rows: Rows of a window of sound.
        audio_columns: Columns of a window of sound.
        audio_width: Channels of the audio encoder's first stage, as `AVSyncNetSize.audio_width`.
        audio_features: Length of what the audio encoder makes before the style codes.
        fuses_by_style: Whether the fusion's convolutions are modulated by a style code (Table 3's "SaMF").
        smooths: Whether the codes are smoothed over time (Table 3's "MaLS").

    Raises:
        ValueError: There is no such audio feature.
    """

    decoder: StyleGAN2Size = field(default_factory=StyleGAN2Size)
    encoder_narrow: float = 1.0
    audio: str = "mel"
    audio_rows: int = BANDS
    audio_columns: int = COLUMNS
    audio_width: int = 32
    audio_features: int = 512
    fuses_by_style: bool = True
    smooths: bool = True

    def __post_init__(self) -> None:
        if self.audio not in SILENCE:
            raise ValueError(f"audio is {self.audio!r}, not one of {', '.join(SILENCE)}")

    @classmethod
    def small(cls) -> StyleLipSyncSize:
        """Return the size for CPUs."""
        return cls(StyleGAN2Size.small(), audio_width=16, audio_features=128)

    @property
    def codes(self) -> int:
        """Style codes of a frame, 2L."""
        return 2 * len(self.sides())

    def sides(self) -> list[int]:
        """Return the resolutions of the decoder's blocks, from 4 pixels up."""
        return [2**i for i in range(2, self.decoder.pixels.bit_length())]


class StyleLipSync(nn.Module):
    """All networks. P is `size.decoder.pixels`, D its `style_dim`.

    Attributes:
        decoder: StyleGAN2, pre-trained on faces.
        average_code: (D,) mean code of the pre-trained decoder, w_avg.
    """

    average_code: torch.Tensor

    def __init__(self, size: StyleLipSyncSize | None = None) -> None:
        super().__init__()
        self.size = size = size or StyleLipSyncSize()
        decoder, codes = size.decoder, size.codes
        self.decoder = decoder.build()
        self.register_buffer("average_code", torch.zeros(decoder.style_dim))
        widths = [stage_width(side, decoder.multiplier, decoder.narrow) for side in size.sides()]
        self.face_encoder = FaceEncoder(4, widths)
        self.reference_encoder = StyleEncoder(
            [max(1, int(width * size.encoder_narrow)) for width in widths], codes, decoder.style_dim
        )
        self.audio_encoder = AudioStyleEncoder(size)
        style_dim = decoder.style_dim if size.fuses_by_style else 0
        self.fusions = nn.ModuleList(MaskedFusion(width, style_dim) for width in widths)
        self.smoothing = LatentSmoothing(codes, decoder.style_dim) if size.smooths else None

    def encode_references(self, references: torch.Tensor) -> torch.Tensor:
        """Return w_ref (n, 2L, D) of references (n, 3, P, P), RGB in 0..1."""
        codes: torch.Tensor = self.reference_encoder(references * 2 - 1)
        return codes

    def encode_audio(self, audio: torch.Tensor) -> torch.Tensor:
        """Return a_t (n, 2L, D) of windows of sound (n, audio_rows, audio_columns)."""
        codes: torch.Tensor = self.audio_encoder(audio)
        return codes

    def smooth_codes(self, reference: torch.Tensor, audio: torch.Tensor) -> torch.Tensor:
        """Return the codes that steer the decoder (Eq. 3 and 4, and the average code).

        Args:
            reference: w_ref (n, 2L, D), of each sequence.
            audio: a_t (n, T, 2L, D), of successive frames of one shot.

        Returns:
            (n, T, 2L, D).
        """
        codes = reference[:, None] + audio
        if self.smoothing is not None:
            codes = reference[:, None] + self.smoothing(codes)
        return codes + self.average_code

    def draw(self, codes: torch.Tensor, faces: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
        """Return faces (n, 3, P, P), RGB in 0..1, not clipped (Eq. 5).

        Args:
            codes: (n, 2L, D) of `smooth_codes`.
            faces: (n, 3, P, P), RGB in 0..1. What the masks hide is not seen.
            masks: (n, 1, P, P), 1 where the face is to be drawn.
        """
        hidden = (1 - masks) * (faces * 2 - 1)
        features = self.face_encoder(torch.cat([hidden, masks * 2 - 1], 1))
        return (decode(self.decoder, self.fusions, codes, features).float() + 1) / 2

    def forward(
        self, audio: torch.Tensor, faces: torch.Tensor, masks: torch.Tensor, references: torch.Tensor
    ) -> torch.Tensor:
        """Return faces (n, T, 3, P, P), RGB in 0..1, that say the sound.

        Args:
            audio: (n, T + 2 C, audio_rows, audio_columns), the windows of sound around successive frames, and around C
                frames before and after them. Only the smoothing uses those further windows.
            faces: (n, T, 3, P, P), RGB in 0..1.
            masks: (n, T, 1, P, P), 1 where the face is to be drawn.
            references: (n, 3, P, P), RGB in 0..1, of the same people.
        """
        heard = self.encode_audio(audio.flatten(0, 1)).unflatten(0, audio.shape[:2])
        first, count = (audio.shape[1] - faces.shape[1]) // 2, faces.shape[1]
        codes = self.smooth_codes(self.encode_references(references), heard)[:, first : first + count]
        drawn = self.draw(codes.flatten(0, 1), faces.flatten(0, 1), masks.flatten(0, 1))
        return drawn.unflatten(0, faces.shape[:2])


def decode(
    decoder: StyleGAN2, fusions: nn.ModuleList, codes: torch.Tensor, features: Sequence[torch.Tensor]
) -> torch.Tensor:
    """Run a StyleGAN2 decoder with fused features.

    Args:
        decoder: The decoder, with its own noise.
        fusions: A `MaskedFusion` for each of its L blocks.
        codes: (n, 2L, D).
        features: Of the face encoder, (n, c, h, h) from 4 pixels up.

    Returns:
        (n, 3, P, P), RGB in -1..1, not clipped.
    """

    def fuse_block(block: int, generated: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        fused: torch.Tensor = fusions[block](generated, features[block], style)
        return fused

    return decoder.synthesis(codes, list(decoder.noises.buffers()), fuse_block)


class MaskedFusion(nn.Module):
    """Style-aware masked fusion, Eq. 2: S * encoded + (1 - S) * generated, with a mask S of one channel.

    Args:
        channels: Channels of both features.
        style_dim: Length of a style code; 0 for a plain convolution, which no style modulates.
    """

    def __init__(self, channels: int, style_dim: int) -> None:
        super().__init__()
        self.predict: nn.Module
        if style_dim:
            self.predict = ModulatedConv(channels, 1, _KERNEL, style_dim, demodulate=False)
        else:
            self.predict = EqualConv(channels, 1, _KERNEL, padding=_KERNEL // 2)
        self.bias = nn.Parameter(torch.zeros(1))
        self._has_style = style_dim > 0

    def predict_mask(self, encoded: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """Return S (n, 1, h, w) in 0..1 from encoded features (n, c, h, w) and style codes (n, style_dim)."""
        logits = self.predict(encoded, style) if self._has_style else self.predict(encoded)
        return torch.sigmoid(logits + self.bias).to(encoded.dtype)

    def forward(self, generated: torch.Tensor, encoded: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
        """Fuse features (n, c, h, w)."""
        return fuse(self.predict_mask(encoded, style), encoded, generated)


def fuse(mask: torch.Tensor, encoded: torch.Tensor, generated: torch.Tensor) -> torch.Tensor:
    """Compute Eq. 2 for a mask (n, 1, h, w) in 0..1 and features (n, c, h, w)."""
    return mask * encoded + (1 - mask) * generated


class LatentSmoothing(nn.Module):
    """Moving-average based latent smoothing: for each of the style layers, Conv1Ds(moving average) of Eq. 4.

    Each layer has its own convolutions over time, which see its code alone. They are computed together, as groups.

    Args:
        codes: Style codes of a frame.
        style_dim: Length of a code.
    """

    weights: torch.Tensor

    def __init__(self, codes: int, style_dim: int) -> None:
        super().__init__()
        channels = codes * style_dim
        self.register_buffer("weights", torch.tensor(MOVING_AVERAGE), persistent=False)
        self.first = nn.Conv1d(channels, channels, _KERNEL, groups=codes)
        self.second = nn.Conv1d(channels, channels, _KERNEL, groups=codes)

    def forward(self, codes: torch.Tensor) -> torch.Tensor:
        """Return the smooth motion (n, T, 2L, D) of codes (n, T, 2L, D), which are continued by their ends."""
        averaged = moving_average(codes, self.weights).flatten(2).transpose(1, 2)
        x = leaky_relu(self.first(pad(averaged, (1, 1), mode="replicate")), _LEAK)
        x = self.second(pad(x, (1, 1), mode="replicate"))
        return x.transpose(1, 2).unflatten(2, codes.shape[2:])


def moving_average(codes: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Average codes (n, T, ...) over the frame before, the frame and the frame after; the ends are repeated."""
    before = torch.cat([codes[:, :1], codes[:, :-1]], 1)
    after = torch.cat([codes[:, 1:], codes[:, -1:]], 1)
    return weights[0] * before + weights[1] * codes + weights[2] * after


class FaceEncoder(nn.Module):
    """Features at every resolution: (n, channels, P, P) to (n, widths[i], 4 * 2^i, 4 * 2^i), the smallest first.

    Args:
        channels: Of the input.
        widths: Channels of the features, the smallest map first.
    """

    def __init__(self, channels: int, widths: Sequence[int]) -> None:
        super().__init__()
        self.stages = nn.ModuleList()
        inward = channels
        for i, width in enumerate(reversed(widths)):
            stage = nn.Sequential(
                EqualConv(inward, width, _KERNEL, stride=2 if i else 1, padding=1),
                LeakyBias(width),
                EqualConv(width, width, _KERNEL, padding=1),
                LeakyBias(width),
            )
            self.stages.append(stage)
            inward = width

    def forward(self, x: torch.Tensor) -> list[torch.Tensor]:
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return features[::-1]


class StyleEncoder(nn.Module):
    """Reference encoder: (n, 3, P, P), RGB in -1..1, to style codes (n, codes, style_dim)."""

    def __init__(self, widths: Sequence[int], codes: int, style_dim: int) -> None:
        super().__init__()
        self.encoder = FaceEncoder(3, widths)
        self.last = EqualLinear(widths[0] * 16, codes * style_dim)
        self.codes = codes

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.last(self.encoder(x)[0].flatten(1)).unflatten(1, (self.codes, -1))


class AudioStyleEncoder(nn.Module):
    """Audio encoder: windows of sound (n, rows, columns) to style codes (n, 2L, D).

    What the encoder makes is normalised instead of rectified. In a trial, rectified units fell silent one after the
    other, and the mouth heard nothing any more.
    """

    def __init__(self, size: StyleLipSyncSize) -> None:
        super().__init__()
        shape = (size.audio_rows, size.audio_columns)
        self.encoder = make_audio_encoder(size.audio, shape, size.audio_width, _AUDIO_DEPTHS, size.audio_features)
        self.last = nn.Linear(size.audio_features, size.codes * size.decoder.style_dim)
        self.codes = size.codes

    def forward(self, audio: torch.Tensor) -> torch.Tensor:
        x = self.encoder(audio)
        return self.last(layer_norm(x, x.shape[1:])).unflatten(1, (self.codes, -1))
