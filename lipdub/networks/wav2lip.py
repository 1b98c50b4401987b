"""Wav2Lip's generator: draws the mouth of a face crop so that it says a window of speech.

Prajwal et al., A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild (ACM Multimedia 2020).
Checkpoints: wav2lip.pth and wav2lip_gan.pth, key ``state_dict``, with names that begin with ``module.``, which is
stripped. The source repository has no licence file; its README allows personal, research and other non-commercial use
only.

Input: 16 consecutive columns of the normalised log-mel spectrogram in [-4, 4], and a 96x96 face, BGR in [0, 1].
Channels 0 to 2 are the frame with its rows 48 to 95 zero, channels 3 to 5 a reference of the same person (the same
frame unmasked; in training another frame of the clip). Output: the whole face, BGR in [0, 1].
"""

from __future__ import annotations

import torch
from torch import nn

from lipdub.networks.blocks_conv import ConvBlock, UpBlock, build_audio_encoder, build_residuals, fold_time


class Wav2Lip(nn.Module):
    """The generator. ``width`` is the number of channels at full size, of which all others are multiples."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        w = width
        self.face_encoder_blocks = nn.ModuleList(
            [
                nn.Sequential(ConvBlock(6, w, kernel=7, padding=3)),
                _down(w, 2 * w, 2),
                _down(2 * w, 4 * w, 3),
                _down(4 * w, 8 * w, 2),
                _down(8 * w, 16 * w, 2),
                _down(16 * w, 32 * w, 1),
                nn.Sequential(ConvBlock(32 * w, 32 * w, padding=0), ConvBlock(32 * w, 32 * w, kernel=1, padding=0)),
            ]
        )
        self.audio_encoder = build_audio_encoder(2 * w)
        # Each stage gets the output of the one before it and the face feature of its size, concatenated.
        self.face_decoder_blocks = nn.ModuleList(
            [
                nn.Sequential(ConvBlock(32 * w, 32 * w, kernel=1, padding=0)),
                nn.Sequential(UpBlock((32 + 32) * w, 32 * w, doubling=False), *build_residuals(32 * w, 1)),
                _up((32 + 32) * w, 32 * w),
                _up((32 + 16) * w, 24 * w),
                _up((24 + 8) * w, 16 * w),
                _up((16 + 4) * w, 8 * w),
                _up((8 + 2) * w, 4 * w),
            ]
        )
        self.output_block = nn.Sequential(
            ConvBlock((4 + 1) * w, 2 * w), nn.Conv2d(2 * w, 3, kernel_size=1), nn.Sigmoid()
        )

    def forward(self, mel: torch.Tensor, face: torch.Tensor) -> torch.Tensor:
        """Return frames (B, 3, 96, 96) of mel windows (B, 1, 80, 16) and faces (B, 6, 96, 96).

        In training, it takes T frames of each clip: mel (B, T, 1, 80, 16) and face (B, 6, T, 96, 96) to frames
        (B, 3, T, 96, 96).
        """
        if face.ndim == 5:
            clips, times = face.shape[0], face.shape[2]
            frames = self(mel.transpose(0, 1).flatten(0, 1), fold_time(face))
            return frames.unflatten(0, (times, clips)).permute(1, 2, 0, 3, 4)
        features = []
        x = face
        for block in self.face_encoder_blocks:
            x = block(x)
            features.append(x)
        x = self.audio_encoder(mel)
        for block, feature in zip(self.face_decoder_blocks, reversed(features), strict=True):
            x = torch.cat([block(x), feature], dim=1)
        return self.output_block(x)


def _down(channels_in: int, channels_out: int, count: int) -> nn.Sequential:
    """Return an encoder stage that halves height and width."""
    return nn.Sequential(ConvBlock(channels_in, channels_out, stride=2), *build_residuals(channels_out, count))


def _up(channels_in: int, channels_out: int) -> nn.Sequential:
    """Return a decoder stage that doubles height and width."""
    return nn.Sequential(UpBlock(channels_in, channels_out), *build_residuals(channels_out, 2))
