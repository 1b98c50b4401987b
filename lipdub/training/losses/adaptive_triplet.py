"""Triplet losses: a generated face is near the true one and far from the reference, whose light it must not copy.

They follow Yaman et al., "Audio-Driven Talking Face Generation with Stabilized Synchronization Loss" (ECCV 2024),
section 3.3, Eq. 2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_EPSILON = 1e-3  # of Eq. 2, and the least distance of two vectors


def adaptive_triplet(
    anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, alpha: float = 1.0
) -> torch.Tensor:
    """Compute Eq. 2, the mean over n: [D(a, p) - D(a, n) / D(p, n) + alpha]+, where [x]+ = max(x, e).

    Args:
        anchor: (n, f) features of the generated faces.
        positive: (n, f) features of the true faces.
        negative: (n, f) features of the references.
        alpha: the margin.

    Returns:
        e (0.001, which the paper leaves open) or more. Value and gradient are finite for equal faces; if all three are
        equal, the quotient is 1.
    """
    quotient = _distance(anchor, negative) / _distance(positive, negative)
    return (_distance(anchor, positive) - quotient + alpha).clamp(min=_EPSILON).mean()


def triplet(anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, alpha: float = 1.0) -> torch.Tensor:
    """Compute the vanilla loss: [D(a, p) - D(a, n) + alpha]+ (Schroff et al., "FaceNet", 2015).

    It ignores how near reference and true face are. Arguments and result are those of `adaptive_triplet`.
    """
    return (_distance(anchor, positive) - _distance(anchor, negative) + alpha).clamp(min=_EPSILON).mean()


def _distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Compute L2 distances (n,), smooth at 0, where a root has no slope."""
    return ((a - b).square().sum(-1) + _EPSILON**2).sqrt()
