"""Stitching tuning: a generator learns to meet a video's own pixels around the face (Su et al., Eq. 8).

Tzaban et al., "Stitch it in Time: GAN-Based Facial Editing of Real Videos" (SIGGRAPH Asia 2022). In a ring around the
mask the pictures are to be the frames'; inside, they are to stay what they were. Then the mask's edge lies where both
agree.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch
from torch.nn.functional import max_pool2d

from lipdub.faces.editing.tuning import TuningLoop, tune_synthesis

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from torch import nn

    from lipdub.faces.editing.tuning import Loss
    from lipdub.networks.stylegan2 import StyleGAN2


@dataclass(frozen=True)
class StitchingOptions:
    """How a generator is tuned.

    Attributes:
        ring: Width of the ring, as a share of the picture.
        inside: Weight of what is inside the mask, lambda_m of Eq. 8; Tzaban et al. take 0.01 of the ring's.
        loop: Steps and learning rate.
    """

    ring: float = 1 / 16
    inside: float = 0.01
    loop: TuningLoop = field(default_factory=lambda: TuningLoop(steps=200))


def tune_on_rings(
    generator: StyleGAN2,
    latents: torch.Tensor,
    read_frames: Callable[[torch.Tensor], tuple[torch.Tensor, torch.Tensor]],
    options: StitchingOptions,
    checkpoint: Path,
    key: str,
    check: Callable[[int], None] = lambda step: None,
) -> None:
    """Tune a generator in place, or resume its tuning.

    Args:
        generator: What is tuned: its synthesis network, not its mapping.
        latents: (n, L, D), those of the edited frames.
        read_frames: Takes the numbers (m,) of frames. Returns them, (m, 3, P, P), RGB in -1..1, and their masks,
            (m, 1, P, P), 1 where the picture is drawn.
        options: Losses and loop.
        checkpoint: File that keeps the tuning between calls.
        key: Says what the tuning depends on.
        check: Called with the steps that are done, after each.
    """

    def make_loss(before: StyleGAN2) -> Loss:
        def loss(network: nn.Module, chosen: torch.Tensor, random: torch.Generator) -> torch.Tensor:
            frames, masks = read_frames(chosen)
            with torch.no_grad():
                kept = before(latents[chosen])
            return stitching_loss(network(latents[chosen]), frames, kept, masks, options)

        return loss

    tune_synthesis(generator, make_loss, len(latents), options.loop, checkpoint, key, check)


def stitching_loss(
    drawn: torch.Tensor, frames: torch.Tensor, kept: torch.Tensor, masks: torch.Tensor, options: StitchingOptions
) -> torch.Tensor:
    """Compute Eq. 8: the mean absolute difference to the frames in the ring, and to what was drawn before inside.

    Args:
        drawn: (n, 3, P, P), RGB in -1..1.
        frames: (n, 3, P, P), the video's.
        kept: (n, 3, P, P), drawn before the tuning.
        masks: (n, 1, P, P), 1 where the picture is drawn.
        options: Width of the ring, and the weight of what is inside.
    """
    ring = draw_ring(masks, max(round(options.ring * masks.shape[-1]), 1))
    return mean_under(drawn - frames, ring) + options.inside * mean_under(drawn - kept, masks)


def draw_ring(masks: torch.Tensor, width: int) -> torch.Tensor:
    """Draw the ring of some pixels around masks (n, 1, P, P): what widening adds to them."""
    return max_pool2d(masks, 2 * width + 1, 1, width) - masks


def mean_under(difference: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Compute the mean of the absolute differences (n, 3, P, P) under masks (n, 1, P, P); 0 where these are empty."""
    return (difference.abs() * masks).sum() / (difference.shape[1] * masks.sum()).clamp(min=1)
