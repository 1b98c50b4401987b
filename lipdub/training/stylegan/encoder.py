"""The training of a latent encoder for a generator, for `lipdub train stylegan`.

As Tov et al., "Designing an Encoder for StyleGAN Image Manipulation" (SIGGRAPH 2021), train e4e: what the generator
draws from the encoder's latents is to look like the face, and the layers' latents are to differ little, because near W
a generator can be edited. Pictures of the generator itself are shown, too, whose latents are known. e4e's discriminator
of latents and its identity loss are left out: there are few people to learn.

The paper's generator is frozen. That of a small prior has seen too few faces to draw any other, so it learns with its
encoder (`EncoderOptions.trains`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Literal, NamedTuple

import torch
from torch import nn
from torch.nn.functional import l1_loss

from lipdub.errors import UsageError
from lipdub.faces.perceptual import load_features, multi_scale_perceptual
from lipdub.networks.latent_encoder import LatentEncoder, StyleAutoencoder
from lipdub.training.loop import LoopOptions, Trainer, TrainingTask, prefix_lines
from lipdub.training.style_lip_sync.face_prior import FaceSampler, PriorOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lipdub.networks.stylegan2 import StyleGAN2Size
    from lipdub.training.dataset import Dataset
    from lipdub.weights.face_prior_file import FacePrior

_VALIDATION_FACES = 32
_SAMPLE_ROWS = 6


@dataclass(frozen=True)
class EncoderOptions:
    """Options that determine an encoder, besides data, generator and seed.

    Attributes:
        trains: "encoder", or "both" where the generator learns too.
        widen: factor on the generator's channels.
        faces: faces of a batch, a multiple of 4.
        generated: how many more are drawn by the generator.
        overfit: draw from this many fixed faces (sanity check), 0: from all.
        pixel: weight of the mean absolute difference.
        perceptual: weight of the multi-scale perceptual difference.
        code: weight of the mean squared error of known latents.
        difference: weight of the mean squared differences of the layers' latents.
        speaker_power: a speaker with n clips is drawn in proportion to n to this power.
        flip: share of the faces that are mirrored.
        loop: the training loop.

    Raises:
        ValueError: a value is out of range.
    """

    trains: Literal["encoder", "both"] = "both"
    widen: float = 1.0
    faces: int = 4
    generated: int = 2
    overfit: int = 0
    pixel: float = 1.0
    perceptual: float = 0.3
    code: float = 0.05
    difference: float = 0.02
    speaker_power: float = 0.5
    flip: float = 0.5
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            steps=6000,
            learning_rate=1e-3,
            warmup=50,
            clip=1.0,
            ema_decay=0.99,
            precision="bf16",
            save_every=100,
            report_every=25,
            validate_every=250,
            sample_every=500,
            workers=1,
        )
    )

    def __post_init__(self) -> None:
        if self.faces < 4 or self.faces % 4 or self.generated < 0:
            raise ValueError(f"faces must be a multiple of 4, not {self.faces}")


def full_options() -> EncoderOptions:
    """Give options for a GPU: twice the channels, and as many steps as pSp's encoders take."""
    loop = replace(EncoderOptions().loop, steps=200_000, save_every=1000, validate_every=5000, sample_every=5000)
    return EncoderOptions(trains="encoder", widen=2.0, loop=loop)


class EncoderBatch(NamedTuple):
    """Faces, and random numbers for the generator.

    Attributes:
        faces: (n, 3, P, P) float32, RGB in -1..1.
        latents: (m, D) float32 about N(0, 1), from which further faces are drawn.
    """

    faces: torch.Tensor
    latents: torch.Tensor


def train_encoder(
    data: Dataset,
    held_out: Dataset | None,
    prior: FacePrior,
    folder: Path,
    options: EncoderOptions,
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> StyleAutoencoder:
    """Train an encoder and perhaps its generator, or resume the training.

    Args:
        data: clips to learn.
        held_out: clips for validation and pictures; None: those that are learnt.
        prior: the generator.
        folder: folder of checkpoints, figures and pictures (`training.loop`).
        options: network, losses and loop.
        seed: seed of all random choices.
        device: "auto", or PyTorch's name of a device.
        progress: called with one line of text at each report.

    Returns:
        the averaged networks, in evaluation mode.

    Raises:
        UsageError: the dataset's faces have another size than the generator's.
    """
    torch.manual_seed(seed)
    network = StyleAutoencoder(prior.generator, LatentEncoder(prior.size, prior.average_code, options.widen))
    prior.generator.requires_grad_(options.trains == "both")
    objective = EncoderObjective(options, progress)
    sampler = make_sampler(data, prior.size, options, seed)
    checked = make_sampler(held_out or data, prior.size, options, seed).draw_plain(_VALIDATION_FACES)

    def draw(number: int) -> EncoderBatch:
        random = torch.Generator().manual_seed(seed * 1_000_003 + number)
        return EncoderBatch(
            sampler.draw(number), torch.randn(options.generated, prior.size.style_dim, generator=random)
        )

    task = TrainingTask(
        network,
        draw,
        objective.loss,
        validate=lambda network: objective.measure_difference(network, checked),
        draw_samples=lambda network: objective.draw_samples(network, checked[:_SAMPLE_ROWS]),
    )
    report = prefix_lines("stylegan", progress)
    trained = Trainer(task, folder, options.loop, device=device, seed=seed, progress=report).run()
    assert isinstance(trained, StyleAutoencoder)
    return trained


def make_sampler(data: Dataset, size: StyleGAN2Size, options: EncoderOptions, seed: int) -> FaceSampler:
    """Make a sampler of single faces. Raises UsageError where they have another size than the generator's."""
    how = PriorOptions(
        size=size,
        faces=options.faces,
        overfit=options.overfit,
        speaker_power=options.speaker_power,
        flip=options.flip,
    )
    try:
        return FaceSampler(data, how, seed)
    except UsageError as error:
        error.hint = f"Prepare the data with --size {size.pixels}."
        raise


class EncoderObjective:
    """The losses of an encoder. The perceptual network follows the batch to its device.

    Args:
        options: weights.
        progress: called with one line on the perceptual network.
    """

    def __init__(self, options: EncoderOptions, progress: Callable[[str], None] | None = None) -> None:
        self.options = options
        self.features, name = load_features(progress or (lambda text: None))
        if progress is not None:
            progress(f"perceptual features: {name}")

    def loss(self, network: nn.Module, batch: EncoderBatch) -> tuple[torch.Tensor, dict[str, float]]:
        """Compute the loss of a batch, and its parts."""
        options, faces = self.options, batch.faces
        self.features.to(faces.device)
        generator = getattr(network, "module", network).generator
        known = faces.new_zeros(0, generator.layers, generator.style_dim)
        if len(batch.latents):
            with torch.no_grad():
                known = generator.mapping(batch.latents)[:, None].expand(-1, generator.layers, -1)
                faces = torch.cat([faces, generator(known)])
        differences, codes, drawn = network(faces)
        shown, true = (drawn + 1) / 2, (faces.clamp(-1, 1) + 1) / 2
        parts = {
            "pixel": (options.pixel, l1_loss(drawn, faces)),
            "perceptual": (options.perceptual, multi_scale_perceptual(self.features, shown, true)),
            "difference": (options.difference, differences[:, 1:].square().mean()),
        }
        if len(known):
            parts["code"] = (options.code, (codes[-len(known) :] - known).square().mean())
        total = sum((weight * value for weight, value in parts.values()), start=faces.new_zeros(()))
        return total, {name: float(value.detach()) for name, (_, value) in parts.items()}

    @torch.no_grad()
    def measure_difference(self, network: nn.Module, faces: torch.Tensor) -> float:
        """Measure the mean absolute difference of faces (n, 3, P, P) on the CPU to what is drawn again, of 0..1."""
        return float((self._draw_again(network, faces) - faces).abs().mean()) / 2

    @torch.no_grad()
    def draw_samples(self, network: nn.Module, faces: torch.Tensor) -> torch.Tensor:
        """Draw faces beside what the generator draws of them, (rows, 2, 3, P, P) in 0..1."""
        return ((torch.stack([faces, self._draw_again(network, faces)], 1) + 1) / 2).clamp(0, 1)

    def _draw_again(self, network: nn.Module, faces: torch.Tensor) -> torch.Tensor:
        device = next(network.parameters()).device
        return torch.cat([network(part.to(device))[2].float().cpu() for part in faces.split(8)])
