"""GAN losses.

- Cross-entropy with a non-saturating generator loss, of Yaman et al. (ECCV 2024), section 3.3: Goodfellow et al.,
  "Generative Adversarial Nets", 2014.
- Least squares, of Zhang et al. (G4G, 2024), Eq. 14: Mao et al., "Least Squares Generative Adversarial Networks" (ICCV
  2017), with the labels 1 for real and 0 for generated.
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


def least_squares_generator_loss(fake: torch.Tensor) -> torch.Tensor:
    """Compute half the mean square by which a discriminator's values of generated pictures are off 1."""
    return (fake - 1).square().mean() / 2


def least_squares_discriminator_loss(real: torch.Tensor, fake: torch.Tensor) -> torch.Tensor:
    """Compute half the mean squares by which values of real pictures are off 1, and of generated ones off 0."""
    return ((real - 1).square().mean() + fake.square().mean()) / 2
