"""The training of StyleLipSync's encoders and fusions, for `lipdub train stylelipsync`.

Ki and Min, "StyleLipSync: Style-based Personalized Lip-sync Video Generation" (ICCV 2023), sections 3.4 and 5.2:
windows of five frames and one reference, the multi-scale perceptual loss (Eq. 6) and the sync loss (Eq. 7), with a
decoder that stays as it was pre-trained.

The paper's losses alone are too weak for the small perceptual network and an hour on a CPU. The small size adds the
pixels, above all those of the lips, and a GAN loss, and lets the decoder learn too. A prior from a few ten thousand
pictures does not know enough mouths (`GeneratorTrainingOptions.trains`). The discriminator judges patches of the mouth
and the skin around it: StyleGAN2's own, of whole faces, of which most is given, stayed at chance. The training draws
one face of each window, as many windows show more people and mouths than long ones, and hears the sound around it for
the smoothing. Without windows of five faces it has no sync loss.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from lipdub.errors import UsageError
from lipdub.faces.masks import MASKS
from lipdub.faces.perceptual import load_features, multi_scale_perceptual
from lipdub.metrics.avsyncnet import find_sound_windows
from lipdub.networks.avsyncnet import FRAMES
from lipdub.networks.patch_discriminator import PatchDiscriminator
from lipdub.networks.style_lip_sync import SMOOTHING_REACH, StyleLipSync, StyleLipSyncSize
from lipdub.training.face_windows import WINDOW_AUGMENTATION, WindowBatch, WindowSampler, WindowSampling
from lipdub.training.generator_task import make_generator_task
from lipdub.training.loop import (
    LoopOptions,
    Trainer,
    make_full_loop,
    make_small_loop,
    prefix_lines,
)
from lipdub.training.losses.adversarial import generator_loss
from lipdub.training.losses.stabilized_sync import similarity
from lipdub.training.losses.sync_embedding import embed_lips
from lipdub.training.mouth_figures import measure_mouths, pick_ends, to_pictures
from lipdub.training.style_lip_sync.discriminator import AugmentedDiscriminator, DiscriminatorOptions, cut_mouths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from lipdub.arrays import F32
    from lipdub.networks.avsyncnet import AVSyncNet
    from lipdub.training.dataset import Dataset
    from lipdub.weights.face_prior_file import FacePrior

_JUDGE_LAYERS = 4
_JUDGE_RATE_RATIO = 1 / 3  # StyleGAN2's weights take larger steps than those of plain convolutions
_SAMPLE_ROWS = 4
LossParts = dict[str, tuple[float, torch.Tensor]]
"""Weight and value of each part of a loss."""


@dataclass(frozen=True)
class StyleLossWeights:
    """Weights of the parts of the loss.

    Attributes:
        perceptual: multi-scale perceptual loss, Eq. 6; the paper's lambda 1 is 10.
        sync: sync loss, Eq. 7; the paper's lambda 2 is 0.1.
        pixel: mean absolute difference; not in the paper.
        mask: factor on the pixels inside the mask.
        lips: factor on the pixels of the lips and between them.
        adversarial: GAN loss by a discriminator of mouths (`discriminator.cut_mouths`); not in the paper.
        sync_regularizer: sync loss with other speech, Eq. 9, for adaptation; the paper's lambda R is 0.1.
    """

    perceptual: float = 10.0
    sync: float = 0.1
    pixel: float = 0.0
    mask: float = 1.0
    lips: float = 1.0
    adversarial: float = 0.0
    sync_regularizer: float = 0.0


@dataclass(frozen=True)
class GeneratorTrainingOptions:
    """Options that determine a generator, besides data, prior and seed.

    Attributes:
        size: size of the encoders; the decoder has the prior's.
        trains: "encoders" (with the fusions and the smoothing; the paper's training), "decoder" (its adaptation), or
            "all".
        mask: what is hidden of a frame, a name in `faces.masks.MASKS`.
        sampling: how windows are drawn.
        loss_weights: weights of the losses.
        keeps_given: whether the perceptual and the GAN loss see the faces as a dub shows them, with the given pixels
            outside the mask. In the paper they see all that is drawn. Most of that is easy, and outweighs the mouth.
        levels: sizes at which the perceptual loss compares.
        blur: as `losses.sync_embedding.embed_lips`.
        discriminator: of the GAN loss. Its pictures have a quarter of a face's pixels, so R1 weighs less.
        sound_context: frames before and after a window whose sound is heard for the smoothing, as in a dub. The paper
            has none.
        middle_faces: whether only the middle face of each window is drawn, as many windows show more moments than a few
            do. The sync regularizer still says whole windows.
        regularized_windows: windows of a batch that the sync regularizer says; 0: all.
        lead: seconds by which the mouths of the data come later than those of real talkers. Dubs, adaptations and
            further trainings on data without a lead then hear ahead by as much.
        loop: the training loop.
    """

    size: StyleLipSyncSize = field(default_factory=StyleLipSyncSize.small)
    trains: Literal["encoders", "decoder", "all"] = "all"
    mask: str = "pose"
    sampling: WindowSampling = field(
        default_factory=lambda: WindowSampling(
            windows=16,
            frames=1,
            face_augmentation=replace(WINDOW_AUGMENTATION, tint=0.1),
            pair_share=0.4,
            shut_share=0.1,
        )
    )
    loss_weights: StyleLossWeights = field(
        default_factory=lambda: StyleLossWeights(
            perceptual=0.5, sync=0.0, pixel=10.0, mask=3.0, lips=8.0, adversarial=1.0
        )
    )
    keeps_given: bool = True
    levels: int = 3
    blur: float = 1.0
    discriminator: DiscriminatorOptions = field(default_factory=lambda: DiscriminatorOptions(r1=0.1))
    sound_context: int = SMOOTHING_REACH
    middle_faces: bool = field(default=False, metadata={"added": True})
    regularized_windows: int = field(default=0, metadata={"added": True})
    lead: float = 0.0
    loop: LoopOptions = field(default_factory=lambda: make_small_loop(steps=4000, learning_rate=1.5e-3))

    def __post_init__(self) -> None:
        if self.mask not in MASKS:
            raise ValueError(f"mask is {self.mask!r}, not one of {', '.join(MASKS.names())}")
        if self.sound_context < 0:
            raise ValueError(f"sound_context must be 0 or more, not {self.sound_context}")
        if self.regularized_windows < 0:
            raise ValueError(f"regularized_windows must be 0 or more, not {self.regularized_windows}")


def full_options() -> GeneratorTrainingOptions:
    """Give the paper's options: 256 pixels, a frozen decoder, the losses of Eq. 8, Adam at 1e-4."""
    return GeneratorTrainingOptions(
        size=StyleLipSyncSize(),
        trains="encoders",
        sampling=WindowSampling(windows=6),
        loss_weights=StyleLossWeights(),
        keeps_given=False,
        sound_context=0,
        loop=make_full_loop(betas=(0.9, 0.999)),
    )


def make_network(prior: FacePrior, sync: AVSyncNet, options: GeneratorTrainingOptions, seed: int) -> StyleLipSync:
    """Make a new generator around a face prior. It hears what AVSyncNet hears."""
    torch.manual_seed(seed)
    size, heard = options.size, sync.size
    network = StyleLipSync(
        replace(
            size,
            decoder=prior.size,
            audio=heard.audio,
            audio_rows=heard.audio_rows,
            audio_columns=heard.audio_columns,
        )
    )
    network.decoder.load_state_dict(prior.generator.state_dict())
    network.average_code.copy_(prior.average_code)
    return network


def train_style_lip_sync(
    name: str,
    data: Dataset,
    held_out: Dataset | None,
    network: StyleLipSync,
    sync: AVSyncNet,
    folder: Path,
    options: GeneratorTrainingOptions,
    *,
    others: Sequence[F32] = (),
    shares: Mapping[str, float] | None = None,
    lead: float = 0.0,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> StyleLipSync:
    """Train a generator, or resume its training.

    Args:
        name: prefix of the progress lines.
        data: clips to learn.
        held_out: clips for validation and pictures; None: those that are learnt.
        network: the generator with its first weights. It is trained in place.
        sync: AVSyncNet, which hears what the generator hears.
        folder: folder of checkpoints, figures and pictures (`training.loop`).
        options: windows, losses and loop.
        others: (rows, columns) float32 each, the audio feature of other speech, for the sync regularizer.
        shares: share of the windows for each video (`WindowSampler`).
        lead: seconds by which the generator hears ahead of its face.
        seed: seed of all random choices.
        device: "auto", or PyTorch's name of a device.
        progress: called with one line of text at each report.

    Returns:
        the averaged generator, in evaluation mode.

    Raises:
        UsageError: the generator's size differs from the dataset's, or the options do not fit each other.
    """
    if network.size.decoder.pixels != data.size:
        raise UsageError(f"the generator has {network.size.decoder.pixels} pixels, the dataset {data.size}")
    check_hearing(network, sync)
    torch.manual_seed(seed)
    choose_trained_parts(network, options.trains)
    network.face_encoder.to(memory_format=torch.channels_last)
    objective = StyleObjective(network, sync, options, progress)
    windows = make_sampler(data, sync, options, seed, lead, others, shares, has_second=False)
    checked = make_sampler(held_out or data, sync, options, seed, lead)
    task = make_generator_task(network, objective, windows.draw, checked.draw_plain, _JUDGE_RATE_RATIO)
    report = prefix_lines(name, progress)
    trained = Trainer(task, folder, options.loop, device=device, seed=seed, progress=report).run()
    assert isinstance(trained, StyleLipSync)
    trained.requires_grad_(True)
    return trained


def check_hearing(network: StyleLipSync, sync: AVSyncNet) -> None:
    """Refuse an AVSyncNet that hears something else than the generator. Raises UsageError."""
    sizes = [(size.audio, size.audio_rows, size.audio_columns) for size in (network.size, sync.size)]
    if sizes[0] != sizes[1]:
        raise UsageError("AVSyncNet does not hear what the model hears", hint="Give the one it was trained with.")


def make_sampler(
    data: Dataset,
    sync: AVSyncNet,
    options: GeneratorTrainingOptions,
    seed: int,
    lead: float = 0.0,
    others: Sequence[F32] = (),
    shares: Mapping[str, float] | None = None,
    *,
    has_second: bool = True,
) -> WindowSampler:
    """Make a sampler of windows with masks. Only figures need second references (`StyleObjective.measure`)."""
    sound, draw = find_sound_windows(sync.size), MASKS.get(options.mask).draw
    return WindowSampler(
        data,
        options.sampling,
        seed,
        others,
        shares,
        sound,
        has_second=has_second,
        lead=lead,
        draw_mask=draw,
        sound_context=options.sound_context,
    )


def choose_trained_parts(network: StyleLipSync, trains: str) -> None:
    """Let only the chosen parts learn; see `GeneratorTrainingOptions.trains`."""
    network.requires_grad_(trains != "decoder")
    network.decoder.requires_grad_(trains != "encoders")


def hold_frozen_parts(network: nn.Module) -> None:
    """Put the parts that do not learn into evaluation mode: batch normalisation would learn its statistics."""
    for part in network.children():
        if not any(value.requires_grad for value in part.parameters()):
            part.eval()


class StyleObjective:
    """The losses of a generator. Frozen networks follow the batch to its device.

    Args:
        network: the generator.
        sync: AVSyncNet.
        options: windows and losses.
        progress: called with one line on the perceptual network.

    Attributes:
        judge: the discriminator of the GAN loss; None without that loss.

    Raises:
        UsageError: a loss needs windows of five frames.
    """

    def __init__(
        self,
        network: StyleLipSync,
        sync: AVSyncNet,
        options: GeneratorTrainingOptions,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        weights = options.loss_weights
        if (weights.sync > 0 or weights.sync_regularizer > 0) and options.sampling.frames != FRAMES:
            raise UsageError(f"with a sync loss sampling.frames must be {FRAMES}, not {options.sampling.frames}")
        if weights.sync > 0 and options.middle_faces:
            raise UsageError("loss_weights.sync needs whole windows, not middle_faces")
        self.options = options
        self._sync: Any = sync.eval().requires_grad_(False)
        report = progress or (lambda text: None)
        self._features, name = load_features(report)
        report(f"perceptual features: {name}")
        self.judge: AugmentedDiscriminator | None = None
        if weights.adversarial > 0:
            layers = min(int(math.log2(network.size.decoder.pixels // 2)), _JUDGE_LAYERS)
            self.judge = AugmentedDiscriminator(PatchDiscriminator(layers=layers), options.discriminator)
        self._real = self._fake = torch.empty(0)

    def loss(self, network: nn.Module, batch: WindowBatch) -> tuple[torch.Tensor, dict[str, float]]:
        """Compute Eq. 8, or for an adaptation Eq. 10, with the parts that the options add."""
        weights = self.options.loss_weights
        self._move(batch.faces.device)
        hold_frozen_parts(getattr(network, "module", network))
        whole = batch
        if self.options.middle_faces:
            batch = pick_middle(whole)
        drawn = network(batch.sounds, batch.faces, batch.masks, batch.references[:, 0])
        fake, real = drawn.flatten(0, 1), batch.faces.flatten(0, 1)
        shown = torch.lerp(real, fake, batch.masks.flatten(0, 1)) if self.options.keeps_given else fake
        parts: LossParts = {}
        if weights.perceptual > 0:
            found = multi_scale_perceptual(self._features, shown, real, self.options.levels)
            parts["perceptual"] = (weights.perceptual, found)
        if weights.sync > 0:
            parts["sync"] = (weights.sync, self._sync_loss(drawn, batch.sounds))
        if weights.pixel > 0:
            parts["pixel"] = (weights.pixel, pixel_loss(fake, batch, weights))
        if weights.sync_regularizer > 0 and len(whole.others):
            said = WindowBatch(*(part[: self.options.regularized_windows or None] for part in whole))
            saying = network(said.others, said.faces, said.masks, said.references[:, 0])
            parts["sync_regularizer"] = (weights.sync_regularizer, self._sync_loss(saying, said.others))
        if self.judge is not None:
            # The ends of windows differ most; faces between them would cost as much and teach little.
            outlines = pick_ends(batch.lips.flatten(0, 1), len(drawn))
            seen, right = (cut_mouths(pick_ends(part, len(drawn)), outlines) * 2 - 1 for part in (shown, real))
            self._real, self._fake = right, seen.detach()
            logits = self.judge(self.judge.augment(seen))
            parts["adversarial"] = (weights.adversarial, generator_loss(logits))
        total = sum((weight * value for weight, value in parts.values()), start=fake.new_zeros(()))
        return total, {name: float(value.detach()) for name, (_, value) in parts.items()}

    def discriminator_loss(self, discriminator: nn.Module) -> tuple[torch.Tensor, dict[str, float]]:
        """Compute the discriminator's loss on the generator's last batch."""
        assert self.judge is not None
        return self.judge.loss(discriminator, self._real, self._fake)

    @torch.no_grad()
    def mask_error(self, network: nn.Module, batch: WindowBatch) -> float:
        """Compute the mean absolute difference inside the masks, for a batch on the CPU."""
        fake = self._draw(network, batch, batch.references)
        inside = batch.masks.expand_as(fake) > 0
        return float((fake - batch.faces)[inside].abs().mean())

    @torch.no_grad()
    def measure(self, network: nn.Module, batches: Iterable[WindowBatch]) -> dict[str, float]:
        """Measure the mouths of windows' first and last faces (`mouth_figures`), for batches on the CPU."""
        parts: list[list[torch.Tensor]] = []
        for batch in batches:
            count, second = len(batch.faces), batch.second_references
            fake, again = (self._draw(network, batch, references) for references in (batch.references, second))
            # All frames of a window have one reference, its first.
            shown = [part[:, :1].expand_as(part) for part in (batch.references, second)]
            faces = [fake, batch.faces, shown[0], again, shown[1]]
            parts.append([pick_ends(part.flatten(0, 1), count) for part in faces])
        return measure_mouths(*(to_pictures(torch.cat(part)) for part in zip(*parts, strict=True)))

    @torch.no_grad()
    def draw_samples(self, network: nn.Module, batch: WindowBatch) -> torch.Tensor:
        """Draw input, reference, result and true face of the windows' middle frames: (rows, 4, 3, P, P)."""
        fake = self._draw(network, batch, batch.references)
        middle = batch.faces.shape[1] // 2
        hidden = batch.faces * (1 - batch.masks) + 0.5 * batch.masks
        columns = (hidden[:, middle], batch.references[:, 0], fake[:, middle], batch.faces[:, middle])
        return torch.stack([column[:_SAMPLE_ROWS] for column in columns], 1)

    def _draw(self, network: nn.Module, batch: WindowBatch, references: torch.Tensor) -> torch.Tensor:
        """Draw a batch's faces on the network's device, and give them back on the CPU."""
        device = next(network.parameters()).device
        inputs = (batch.sounds, batch.faces, batch.masks, references[:, 0])
        drawn: torch.Tensor = network(*(part.to(device) for part in inputs)).float().cpu()
        return drawn

    def _sync_loss(self, drawn: torch.Tensor, sounds: torch.Tensor) -> torch.Tensor:
        """Compute Eq. 7, the mean over windows (n, 5, ...) of one minus the cosine of lips and sound."""
        lips = embed_lips(self._sync, drawn, self.options.blur)
        with torch.no_grad():
            heard = self._sync.audio_features(sounds[:, sounds.shape[1] // 2]).float()
        return (1 - similarity(lips, heard)).mean()

    def _move(self, device: torch.device) -> None:
        self._sync.to(device)
        self._features.to(device)


def pick_middle(batch: WindowBatch) -> WindowBatch:
    """Pick the middle face of each window, with the sounds around it. References and other speech stay."""
    frames = batch.faces.shape[1]
    middle = slice(frames // 2, frames // 2 + 1)
    context = (batch.sounds.shape[1] - frames) // 2
    return batch._replace(
        faces=batch.faces[:, middle],
        sounds=batch.sounds[:, frames // 2 : frames // 2 + 1 + 2 * context],
        lips=batch.lips[:, middle],
        masks=batch.masks[:, middle],
    )


def pixel_loss(fake: torch.Tensor, batch: WindowBatch, weights: StyleLossWeights) -> torch.Tensor:
    """Compute the mean absolute difference of faces (n F, 3, P, P), with factors inside the mask and on the lips."""
    difference = (fake - batch.faces.flatten(0, 1)).abs()
    factor = 1 + (weights.mask - 1) * batch.masks + (weights.lips - 1) * batch.lips
    return (difference * factor.flatten(0, 1).to(difference)).mean()
