"""GAN losses of Yaman et al. (ECCV 2024), section 3.3: cross-entropy with a non-saturating generator loss.

See Goodfellow et al., "Generative Adversarial Nets", 2014.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from torch.nn.functional import softplus

if TYPE_CHECKING:
    import torch


def generator_loss(fake: torch.Tensor) -> torch.Tensor:
    """Compute mean -log D(fake) from a discriminator's logits (n,) of "real"."""
    return softplus(-fake).mean()


def discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Compute mean -log D(real) plus mean -log(1 - D(fake)) from logits (n,) and (m,) of "real"."""
    return softplus(-real).mean() + softplus(fake).mean()
