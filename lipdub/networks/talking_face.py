"""The two generators of paper 003 at work, from sounds and faces to faces: a frozen audio encoder (`avsyncnet`) before a generator
(`face_generator`).

Yaman et al., "Audio-driven Talking Face Generation with Stabilized Synchronization Loss" (sections 3.1 and 3.2).
"""

from __future__ import annotations

import torch
from torch import nn

from lipdub.networks.avsyncnet import BANDS, COLUMNS, AVSyncNet
from lipdub.networks.face_generator import FaceGenerator, hide_lower_half

SILENT_MEL = -4.0  # what a mel spectrogram has of silence (`speech.mel`)


class SilentLip(nn.Module):
    """The silent-lip generator, driven with silence: it shuts mouths."""

    def __init__(self, silent: FaceGenerator, sync: AVSyncNet) -> None:
        super().__init__()
        self.silent, self.sync = silent, sync

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Faces (n, 3, P, P), RGB in 0..1, to the same with shut mouths."""
        return close_mouths(self.silent, self.sync, faces)


class TalkingFace(nn.Module):
    """The talking-face generator."""

    def __init__(self, talking: FaceGenerator, sync: AVSyncNet) -> None:
        super().__init__()
        self.talking, self.sync = talking, sync

    def forward(self, mel: torch.Tensor, faces: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
        """Faces (n, 3, P, P), RGB in 0..1, that say the fifth of a second about them, mel (n, 1, 80, 16).

        faces: (n, 3, P, P), of which the upper half is looked at; references: (n, 3, P, P), with shut mouths.
        """
        return self.talking(self.sync.audio_features(mel), hide_lower_half(faces), references)


def make_silent_windows(count: int) -> torch.Tensor:
    """Mel windows of silence, float32 (count, 80, 16)."""
    return torch.full((count, BANDS, COLUMNS), SILENT_MEL)


def close_mouths(silent: nn.Module, sync: AVSyncNet, faces: torch.Tensor) -> torch.Tensor:
    """Faces (n, 3, P, P) as the silent-lip generator draws them with silence (section 3.2): the mouth is shut."""
    quiet = sync.audio_features(make_silent_windows(1).to(faces.device)[:, None]).expand(len(faces), -1)
    return silent(quiet, hide_lower_half(faces), faces)
