"""The two generators of the talking-face model, from sounds and faces to faces.

Yaman et al., Audio-Driven Talking Face Generation with Stabilized Synchronization Loss (ECCV 2024), sections 3.1 and
3.2. Each is a frozen audio encoder (`avsyncnet`) before a generator (`face_generator`).
"""

from __future__ import annotations

import torch
from torch import nn

from lipdub.networks.avsyncnet import BANDS, COLUMNS, AVSyncNet
from lipdub.networks.face_generator import FaceGenerator, hide_lower_half

SILENT_MEL = -4.0  # value of silence in a mel spectrogram (`speech.mel`)


class SilentLip(nn.Module):
    """The silent-lip generator with silence as its sound: it closes mouths."""

    def __init__(self, silent: FaceGenerator, sync: AVSyncNet) -> None:
        super().__init__()
        self.silent, self.sync = silent, sync

    def forward(self, faces: torch.Tensor) -> torch.Tensor:
        """Return faces (n, 3, P, P), RGB in 0..1, with closed mouths."""
        return close_mouths(self.silent, self.sync, faces)


class TalkingFace(nn.Module):
    """The talking-face generator."""

    def __init__(self, talking: FaceGenerator, sync: AVSyncNet) -> None:
        super().__init__()
        self.talking, self.sync = talking, sync

    def forward(self, mel: torch.Tensor, faces: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
        """Return faces (n, 3, P, P), RGB in 0..1, that say the fifth of a second around them.

        Args:
            mel: (n, 1, 80, 16), -4..4.
            faces: (n, 3, P, P), RGB in 0..1; only the upper halves are used.
            references: (n, 3, P, P), RGB in 0..1, with closed mouths.
        """
        return self.talking(self.sync.audio_features(mel), hide_lower_half(faces), references)


def make_silent_windows(count: int) -> torch.Tensor:
    """Return mel windows of silence, (count, 80, 16) float32."""
    return torch.full((count, BANDS, COLUMNS), SILENT_MEL)


def close_mouths(silent: nn.Module, sync: AVSyncNet, faces: torch.Tensor) -> torch.Tensor:
    """Return faces with closed mouths: the silent-lip generator draws them with silence (section 3.2).

    Args:
        silent: The silent-lip generator.
        sync: AVSyncNet.
        faces: (n, 3, P, P), RGB in 0..1.
    """
    quiet = sync.audio_features(make_silent_windows(1).to(faces.device)[:, None]).expand(len(faces), -1)
    return silent(quiet, hide_lower_half(faces), faces)
