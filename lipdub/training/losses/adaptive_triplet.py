"""The triplet losses of paper 003 (section 3.3, Eq. 2): a made face is to be near the true one and not near the reference, whose
light and pose are not to be copied.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_EPSILON = 1e-3  # of Eq. 2, and what two vectors are apart at least


def adaptive_triplet(
    anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, alpha: float = 1.0
) -> torch.Tensor:
    """Eq. 2, the mean over n: [D(a, p) - D(a, n) / D(p, n) + alpha]+, where [x]+ = max(x, e).

    Args:
        anchor, positive, negative: (n, f) features of the made faces, the true ones and the references.

    Returns:
        e (0.001, which the paper leaves open) or more. Value and gradient are finite where faces are equal; where all three
        are, the quotient is 1.
    """
    quotient = _distance(anchor, negative) / _distance(positive, negative)
    return (_distance(anchor, positive) - quotient + alpha).clamp(min=_EPSILON).mean()


def triplet(anchor: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor, alpha: float = 1.0) -> torch.Tensor:
    """The vanilla one (Schroff et al., "FaceNet", 2015), which does not ask how near reference and true face are:
    [D(a, p) - D(a, n) + alpha]+. Arguments and result are as `adaptive_triplet` has them.
    """
    return (_distance(anchor, positive) - _distance(anchor, negative) + alpha).clamp(min=_EPSILON).mean()


def _distance(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """L2 distances (n,), smooth where they are 0 (a root has no slope there)."""
    return ((a - b).square().sum(-1) + _EPSILON**2).sqrt()
