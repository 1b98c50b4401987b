"""The lip-sync loss of Wav2Lip: a generated face fits the sound as well as possible.

See Prajwal et al., "A Lip Sync Expert Is All You Need for Speech to Lip Generation In the Wild", 2020. Yaman et al.
(ECCV 2024) replace it by the stabilized synchronization loss.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.functional import softplus

if TYPE_CHECKING:
    import torch


def lip_sync(logits: torch.Tensor) -> torch.Tensor:
    """Compute the binary cross-entropy of "in sync", the mean over logits (n,)."""
    return softplus(-logits).mean()
