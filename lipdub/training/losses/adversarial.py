"""The GAN losses of paper 003 (section 3.3, "GAN Loss"): cross-entropy, the generator's not saturating (Goodfellow et al.,
"Generative Adversarial Nets", 2014).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.functional import softplus

if TYPE_CHECKING:
    import torch


def generator_loss(fake: torch.Tensor) -> torch.Tensor:
    """Mean -log D(fake), of a discriminator's logits (n,) of "real"."""
    return softplus(-fake).mean()


def discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Mean -log D(real) plus mean -log(1 - D(fake)), of logits (n,) and (m,) of "real"."""
    return softplus(-real).mean() + softplus(fake).mean()
