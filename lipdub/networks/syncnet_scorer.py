"""SyncNet scorer: the SyncNet of Wav2Lip's expert, trained and used like AVSyncNet.

Yaman et al., Audio-Driven Talking Face Generation with Stabilized Synchronization Loss (ECCV 2024), section 4.3 and
Fig. 6, compares AVSyncNet with it. The architecture is the expert's (`wav2lip_sync`). Its input (grey stacks without
brightness and contrast) and its loss are those of the small AVSyncNet, so the two differ in their layers only.
"""

from __future__ import annotations

import torch
from torch import nn

from lipdub.networks.avsyncnet import AVSyncNetSize, normalize_stacks
from lipdub.networks.wav2lip_sync import SyncExpert

HEIGHT, WIDTH = 48, 96  # pixels of its faces, which fit its last layer


class SyncNetScorer(nn.Module):
    """The scorer, with the methods of `AVSyncNet`.

    Embeddings have 16 * width entries, none of them negative.

    Args:
        width: Channels at full size; 32 for the published expert.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.width = width
        self.size = AVSyncNetSize(HEIGHT, WIDTH, features=16 * width, grey=True)
        self.expert = SyncExpert(width)
        self.scale = nn.Parameter(torch.tensor(10.0).log())
        self.bias = nn.Parameter(torch.tensor(-3.0))

    def image_features(self, faces: torch.Tensor) -> torch.Tensor:
        """Return the embeddings of stacks of faces, (B, features) of unit length.

        Args:
            faces: (B, 5, 48, 96) of luma or (B, 15, 48, 96) RGB, in 0..1.
        """
        grey = normalize_stacks(faces).repeat_interleave(3, 1)
        return nn.functional.normalize(self.expert.face_encoder(grey).flatten(1))

    def audio_features(self, mel: torch.Tensor) -> torch.Tensor:
        """Return the embeddings (B, features), of unit length, of mel windows (B, 80, 16)."""
        return nn.functional.normalize(self.expert.audio_encoder(mel[:, None]).flatten(1))

    def forward(self, mel: torch.Tensor, faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return both embeddings."""
        return self.audio_features(mel), self.image_features(faces)

    def logit(self, cosine: torch.Tensor) -> torch.Tensor:
        """Return the logit of "in sync" for cosines of any shape."""
        return cosine * self.scale.exp() + self.bias
