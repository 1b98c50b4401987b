"""The SyncNet that others train talking faces with (Wav2Lip's expert, `wav2lip_sync`), to be trained and asked as AVSyncNet is.

Paper 003 (section 4.3 and Fig. 6) sets AVSyncNet against it. The architecture is the expert's; what goes in (grey stacks, freed of
their brightness and contrast) and the loss are the small AVSyncNet's, so that the two differ in their layers alone.
"""

from __future__ import annotations

import torch
from torch import nn

from lipdub.networks.avsyncnet import AVSyncNetSize, normalize_stacks
from lipdub.networks.wav2lip_sync import SyncExpert

HEIGHT, WIDTH = 48, 96  # of its faces, pixels: its last layer takes in what is left of them


class SyncNetScorer(nn.Module):
    """As `AVSyncNet`. width: channels at full size, 32 for the published expert. Embeddings have 16 * width entries, none
    negative.
    """

    def __init__(self, width: int = 32) -> None:
        super().__init__()
        self.width = width
        self.size = AVSyncNetSize(HEIGHT, WIDTH, features=16 * width, grey=True)
        self.expert = SyncExpert(width)
        self.scale = nn.Parameter(torch.tensor(10.0).log())
        self.bias = nn.Parameter(torch.tensor(-3.0))

    def image_features(self, faces: torch.Tensor) -> torch.Tensor:
        """Faces (B, 5, 48, 96) of luma or (B, 15, 48, 96) RGB, 0..1, to (B, features) of unit length."""
        grey = normalize_stacks(faces).repeat_interleave(3, 1)
        return nn.functional.normalize(self.expert.face_encoder(grey).flatten(1))

    def audio_features(self, mel: torch.Tensor) -> torch.Tensor:
        """Mel (B, 1, 80, 16) to (B, features) of unit length."""
        return nn.functional.normalize(self.expert.audio_encoder(mel).flatten(1))

    def forward(self, mel: torch.Tensor, faces: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The embeddings of both."""
        return self.audio_features(mel), self.image_features(faces)

    def logit(self, cosine: torch.Tensor) -> torch.Tensor:
        """The logit of "in sync" for cosines of any shape."""
        return cosine * self.scale.exp() + self.bias
