"""The two generators of the talking-face model, from sounds and faces to faces.

Yaman et al., Audio-Driven Talking Face Generation with Stabilized Synchronization Loss (ECCV 2024), sections 3.1 and
3.2. Each is a frozen audio encoder (`avsyncnet`) before a generator (`face_generator`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch import nn

from lipdub.networks.face_generator import FaceGenerator, hide_lower_half

if TYPE_CHECKING:
    import torch

    from lipdub.networks.avsyncnet import AVSyncNet


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

    def forward(self, audio: torch.Tensor, faces: torch.Tensor, references: torch.Tensor) -> torch.Tensor:
        """Return faces (n, 3, P, P), RGB in 0..1, that say the fifth of a second around them.

        Args:
            audio: (n, rows, columns), the windows of sound that AVSyncNet hears.
            faces: (n, 3, P, P), RGB in 0..1; only the upper halves are used.
            references: (n, 3, P, P), RGB in 0..1, with closed mouths.
        """
        return self.talking(self.sync.audio_features(audio), hide_lower_half(faces), references, audio)


def close_mouths(silent: FaceGenerator, sync: AVSyncNet, faces: torch.Tensor) -> torch.Tensor:
    """Return faces with closed mouths: the silent-lip generator draws them with silence (section 3.2).

    A generator that changes faces (`FaceGeneratorSize.draws_change`) does so twice. Of the mouths of people who were
    not trained on, the first time leaves a third to a half of the opening, and the second time a tenth.

    Args:
        silent: The silent-lip generator.
        sync: AVSyncNet.
        faces: (n, 3, P, P), RGB in 0..1.
    """
    silence = sync.make_silence(1)
    quiet = sync.audio_features(silence).expand(len(faces), -1)
    for _ in range(2 if silent.size.draws_change else 1):
        faces = silent(quiet, hide_lower_half(faces), faces, silence.expand(len(faces), -1, -1))
    return faces
