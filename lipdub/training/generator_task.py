"""What the trainings of face generators have in common: what is validated, measured and shown of one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

from lipdub.training.loop import Adversary, TrainingTask

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import torch
    from torch import nn

_VALIDATION_BATCHES = 6

Batch = TypeVar("Batch")
GivenBatch = TypeVar("GivenBatch", contravariant=True)


class Objective(Protocol[GivenBatch]):
    """The losses and figures of a generator.

    Attributes:
        judge: the discriminator of the GAN loss; None without that loss.
    """

    @property
    def judge(self) -> nn.Module | None: ...  # noqa: D102 - the class says it

    def loss(self, network: nn.Module, batch: GivenBatch) -> tuple[torch.Tensor, dict[str, float]]:
        """Compute the loss of a batch, and its parts."""

    def discriminator_loss(self, discriminator: nn.Module) -> tuple[torch.Tensor, dict[str, float]]:
        """Compute the discriminator's loss on the generator's last batch."""

    def mask_error(self, network: nn.Module, batch: GivenBatch) -> float:
        """Compute the mean absolute difference inside the masks of a batch."""

    def measure(self, network: nn.Module, batches: Iterable[GivenBatch]) -> dict[str, float]:
        """Measure the mouths of batches."""

    def draw_samples(self, network: nn.Module, batch: GivenBatch) -> torch.Tensor:
        """Draw pictures of a batch."""


def make_generator_task(
    network: nn.Module,
    objective: Objective[Batch],
    draw_batch: Callable[[int], Batch],
    draw_plain: Callable[[int], Batch],
    rate_ratio: float = 1.0,
) -> TrainingTask[Batch]:
    """Make the task of a generator's training.

    Args:
        network: the generator.
        objective: its losses.
        draw_batch: draws the batch of a number, to learn.
        draw_plain: draws batches for validation and pictures.
        rate_ratio: the discriminator's learning rate as a multiple of the generator's.
    """

    def validate(averaged: nn.Module) -> float:
        return (
            sum(objective.mask_error(averaged, draw_plain(n)) for n in range(_VALIDATION_BATCHES)) / _VALIDATION_BATCHES
        )

    def measure(averaged: nn.Module) -> dict[str, float]:
        return objective.measure(averaged, map(draw_plain, range(_VALIDATION_BATCHES)))

    def draw_samples(averaged: nn.Module) -> torch.Tensor:
        return objective.draw_samples(averaged, draw_plain(0))

    judge = objective.judge
    adversary = Adversary(judge, objective.discriminator_loss, rate_ratio) if judge is not None else None
    return TrainingTask(network, draw_batch, objective.loss, validate, measure, draw_samples, adversary)
