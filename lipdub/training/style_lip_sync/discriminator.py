"""The discriminators of both trainings, behind their augmentation and with R1, and the mouths that one of them judges.

R1 is the squared slope of the logits at real pictures (Mescheder et al., "Which Training Methods for GANs do actually
Converge?", ICML 2018), computed in some of the steps only (Karras et al., "Analyzing and Improving the Image Quality of
StyleGAN", CVPR 2020, section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn

from lipdub.training.losses.adversarial import discriminator_loss
from lipdub.training.style_lip_sync.adaptive_augmentation import AdaptiveAugmentation

_LEAST_WEIGHT = 1e-6  # of a pixel that is not of the lips


@dataclass(frozen=True)
class DiscriminatorOptions:
    """How the discriminator is trained.

    Attributes:
        r1: weight of R1, Karras et al.'s gamma.
        r1_every: steps from one R1 to the next.
        augment_target: as `AdaptiveAugmentation`.
        augment_pictures: as `AdaptiveAugmentation`; far below the paper's, for far shorter trainings.
    """

    r1: float = 1.0
    r1_every: int = 16
    augment_target: float = 0.6
    augment_pictures: int = 40_000


def cut_mouths(faces: torch.Tensor, lips: torch.Tensor) -> torch.Tensor:
    """Cut squares of half the side around the mouths.

    Args:
        faces: (n, 3, P, P).
        lips: (n, 1, P, P), 1 on the lips and between them, 0 elsewhere. Without lips the square is in the middle.

    Returns:
        (n, 3, P / 2, P / 2), views of whole pixels that nowhere leave the faces.
    """
    whole = faces.shape[-1]
    side, at = whole // 2, torch.arange(whole, device=lips.device)
    weights = lips[:, 0].float() + _LEAST_WEIGHT
    columns, rows = (weights.sum(axis) @ at.float() / weights.sum((1, 2)) for axis in (1, 2))
    corners = torch.stack([rows, columns], 1) - (side - 1) / 2
    places = corners.round().clamp(0, whole - side).long().tolist()
    cuts = [face[:, y : y + side, x : x + side] for face, (y, x) in zip(faces, places, strict=True)]
    return torch.stack(cuts)


class AugmentedDiscriminator(nn.Module):
    """A discriminator, with what the losses remember between steps.

    Args:
        network: maps pictures (n, 3, P, P) to logits (n,), or (n, patches).
        options: R1 and augmentation.

    Attributes:
        step: its steps so far.
        path_length: mean path length of the generator so far.
    """

    step: torch.Tensor
    path_length: torch.Tensor

    def __init__(self, network: nn.Module, options: DiscriminatorOptions) -> None:
        super().__init__()
        self.options = options
        self.discriminator = network
        self.augment = AdaptiveAugmentation(options.augment_target, options.augment_pictures)
        self.register_buffer("step", torch.zeros((), dtype=torch.long))
        self.register_buffer("path_length", torch.zeros(()))
        self.to(memory_format=torch.channels_last)

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the network's logits of pictures (n, 3, P, P), RGB in -1..1, that were augmented already."""
        logits: torch.Tensor = self.discriminator(pictures)
        return logits

    def loss(self, network: nn.Module, real: torch.Tensor, fake: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
        """Compute the loss of a step, and adapt the augmentation.

        Args:
            network: this module, as the training loop has wrapped it.
            real: (n, 3, P, P), RGB in -1..1.
            fake: (n, 3, P, P), RGB in -1..1.

        Returns:
            the loss, and figures to report.
        """
        options = self.options
        with torch.no_grad():
            real, fake = self.augment(real), self.augment(fake)
        has_r1 = options.r1 > 0 and int(self.step) % options.r1_every == 0
        real = real.detach().requires_grad_(has_r1)
        real_logits, fake_logits = network(real), network(fake)
        loss = discriminator_loss(real_logits, fake_logits)
        figures = {"augment": float(self.augment.probability), "real": float(real_logits.detach().sign().mean())}
        if has_r1:
            judged = real_logits.reshape(len(real), -1).mean(1)
            (slope,) = torch.autograd.grad(judged.sum(), real, create_graph=True)
            penalty = slope.square().sum((1, 2, 3)).mean()
            loss = loss + options.r1 / 2 * options.r1_every * penalty
            figures["r1"] = float(penalty.detach())
        self.augment.adapt(real_logits.detach())
        self.step += 1
        return loss, figures
