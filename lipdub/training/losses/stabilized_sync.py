"""The stabilized synchronization loss of paper 003 ("Audio-driven Talking Face Generation with Stabilized Synchronization Loss",
section 3.4): a made face is to go with the sound as well as the true one does, not as well as it can.
"""

from __future__ import annotations

import torch


def similarity(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """AVSIM of Eq. 4: the cosines (n,), -1..1, of embeddings (n, f) of unit length."""
    return (a * b).sum(-1)


def stabilized_sync(x: torch.Tensor, y: torch.Tensor, d: torch.Tensor, epsilon: float = 0.01) -> torch.Tensor:
    """Eq. 3, the mean over n: -log(1 - (|x - y| + e) / (|x - y| + |y - d| + e)) = log((|x - y| + |y - d| + e) / |y - d|).

    The last denominator is at least e here: the paper's is infinite where the reference goes with the sound exactly as the true
    face does. No gradient changes by that, since it has no x in it; and x = y = d costs nothing.

    Args:
        x, y, d: (n,) similarities to the sound, -1..1, of the made faces, the true ones and the reference's; only x learns.
        epsilon: e, above 0.

    Returns:
        0 or more; least where x = y. The gradient by each x is at most 1 / (e n).
    """
    y, d = y.detach(), d.detach()
    apart, room = (x - y).abs(), (y - d).abs()
    return (torch.log(apart + room + epsilon) - torch.log(room.clamp(min=epsilon))).mean()
