"""The stabilized synchronization loss: a generated face fits the sound as well as the true face.

It follows Yaman et al., "Audio-Driven Talking Face Generation with Stabilized Synchronization Loss" (ECCV 2024),
section 3.4.
"""

from __future__ import annotations

import torch


def similarity(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Compute AVSIM of Eq. 4: the cosines (n,), -1..1, of embeddings (n, f) of unit length."""
    return (a * b).sum(-1)


def stabilized_sync(x: torch.Tensor, y: torch.Tensor, d: torch.Tensor, epsilon: float = 0.01) -> torch.Tensor:
    """Compute Eq. 3, the mean over n: -log(1 - (|x - y| + e) / (|x - y| + |y - d| + e)).

    It equals log((|x - y| + |y - d| + e) / |y - d|). The last denominator is at least e here: the paper's loss is
    infinite where the reference fits the sound exactly as well as the true face. This changes no gradient, as the
    denominator has no x in it.

    Args:
        x: (n,) similarities of the generated faces to the sound, -1..1; only they learn.
        y: (n,) similarities of the true faces.
        d: (n,) similarities of the references.
        epsilon: e, above 0.

    Returns:
        0 or more, least where x = y. The gradient by each x is at most 1 / (e n).
    """
    y, d = y.detach(), d.detach()
    error, room = (x - y).abs(), (y - d).abs()
    return (torch.log(error + room + epsilon) - torch.log(room.clamp(min=epsilon))).mean()
