"""The lip-sync loss of Wav2Lip (Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild",
2020), which paper 003 replaces: a made face is to go with the sound as well as it can.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.functional import softplus

if TYPE_CHECKING:
    import torch


def lip_sync(logits: torch.Tensor) -> torch.Tensor:
    """Binary cross-entropy of "in sync", the mean over logits (n,)."""
    return softplus(-logits).mean()
