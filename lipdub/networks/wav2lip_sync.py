"""Wav2Lip's lip-sync expert: how well five frames of a mouth match a window of speech.

Prajwal et al. (see `wav2lip`). Checkpoint: lipsync_expert.pth, key ``state_dict``, no prefix. The source repository has
no licence file; its README allows personal, research and other non-commercial use only.

Input: the 16 mel columns (in [-4, 4]) that begin at the first frame, column int(80 * frame / 25), and the lower halves
(rows 48 to 95) of five consecutive 96x96 faces at 25 fps, BGR in [0, 1], concatenated along the channels in order of
time. The cosine of the two embeddings is the probability that they belong together; the training loss is its binary
cross-entropy.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import normalize

from lipdub.networks.blocks_conv import ConvBlock, build_audio_encoder, build_residuals

FRAMES = 5


class SyncExpert(nn.Module):
    """The expert. ``width`` is the number of channels at full size, of which all others are multiples."""

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        w = width
        self.face_encoder = nn.Sequential(
            ConvBlock(3 * FRAMES, w, kernel=7, padding=3),
            ConvBlock(w, 2 * w, kernel=5, stride=(1, 2)),
            *build_residuals(2 * w, 2),
            ConvBlock(2 * w, 4 * w, stride=2),
            *build_residuals(4 * w, 3),
            ConvBlock(4 * w, 8 * w, stride=2),
            *build_residuals(8 * w, 2),
            ConvBlock(8 * w, 16 * w, stride=2),
            *build_residuals(16 * w, 2),
            ConvBlock(16 * w, 16 * w, stride=2),
            ConvBlock(16 * w, 16 * w, padding=0),
            ConvBlock(16 * w, 16 * w, kernel=1, padding=0),
        )
        self.audio_encoder = build_audio_encoder(w, deepest=2)

    def forward(self, mel: torch.Tensor, face: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the embeddings of sound and mouth, each (B, 16 * width).

        Both have unit length and are not negative, so their cosine is in [0, 1].

        Args:
            mel: (B, 1, 80, 16).
            face: (B, 15, 48, 96).
        """
        sound = self.audio_encoder(mel).flatten(1)
        mouth = self.face_encoder(face).flatten(1)
        return normalize(sound), normalize(mouth)
