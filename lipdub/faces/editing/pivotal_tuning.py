"""Pivotal tuning: a generator learns to draw a video's frames from their latents (Su et al., Eq. 4).

The latents of an encoder draw faces that look alike but are not the person. Roich et al., "Pivotal Tuning for
Latent-based Editing of Real Images" (ACM TOG, 2022), keep them as pivots and change the generator a little. Locality
regularization keeps what it draws elsewhere.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import mse_loss

from lipdub.faces.editing.tuning import TuningLoop, tune_synthesis
from lipdub.faces.perceptual import perceptual

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

    from lipdub.faces.editing.tuning import Loss
    from lipdub.networks.stylegan2 import StyleGAN2


@dataclass(frozen=True)
class PivotalTuningOptions:
    """How a generator is tuned on a video.

    Attributes:
        pixel: Weight of the mean squared difference, lambda_L2 of Eq. 4.
        locality: Weight of the locality regularization, lambda_R.
        reach: Root mean square of the entries by which the regularized latents differ from a pivot; Roich et al. take
            a length of 30 for 512 entries.
        loop: Steps and learning rate.
    """

    pixel: float = 1.0
    locality: float = 0.1
    reach: float = 1.33
    loop: TuningLoop = field(default_factory=lambda: TuningLoop(steps=400))


def tune_on_pivots(
    generator: StyleGAN2,
    pivots: torch.Tensor,
    read_frames: Callable[[torch.Tensor], torch.Tensor],
    features: nn.Module,
    options: PivotalTuningOptions,
    checkpoint: Path,
    key: str,
    check: Callable[[int], None] = lambda step: None,
) -> None:
    """Tune a generator in place, or resume its tuning.

    Args:
        generator: What is tuned: its synthesis network, not its mapping.
        pivots: (n, L, D), the latents of the frames.
        read_frames: Takes the numbers (m,) of frames, returns them: (m, 3, P, P), RGB in -1..1.
        features: Frozen perceptual network (`faces.perceptual.load_features`).
        options: Losses and loop.
        checkpoint: File that keeps the tuning between calls.
        key: Says what the tuning depends on.
        check: Called with the steps that are done, after each.
    """

    def make_loss(before: StyleGAN2) -> Loss:
        def loss(network: nn.Module, chosen: torch.Tensor, random: torch.Generator) -> torch.Tensor:
            latents, frames = pivots[chosen], read_frames(chosen)
            total = compare(features, network(latents), frames, options.pixel)
            if options.locality > 0:
                near = draw_near(before, latents, options.reach, random)
                with torch.no_grad():
                    right = before(near)
                total = total + options.locality * compare(features, network(near), right, options.pixel)
            return total

        return loss

    tune_synthesis(generator, make_loss, len(pivots), options.loop, checkpoint, key, check)


def compare(features: nn.Module, drawn: torch.Tensor, true: torch.Tensor, pixel: float) -> torch.Tensor:
    """Compute the perceptual difference of pictures (n, 3, P, P), RGB in -1..1, plus `pixel` times the squared one."""
    with torch.no_grad():
        wanted = features((true + 1) / 2)
    return perceptual(features((drawn + 1) / 2), wanted) + pixel * mse_loss(drawn, true)


def draw_near(generator: StyleGAN2, pivots: torch.Tensor, reach: float, random: torch.Generator) -> torch.Tensor:
    """Draw latents that lie `reach` away from pivots (n, L, D), on the way to random ones (Roich et al.)."""
    z = torch.randn(len(pivots), generator.style_dim, generator=random).to(pivots)
    with torch.no_grad():
        way = generator.mapping(z)[:, None] - pivots
    length = way.flatten(1).norm(dim=1).clamp(min=1e-8)[:, None, None]
    return pivots + reach * way[0].numel() ** 0.5 * way / length
