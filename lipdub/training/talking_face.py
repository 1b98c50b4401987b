"""The training of the talking-face generators, for `lipdub train silent-lip` and `lipdub train stabilized`.

They follow Yaman et al., "Audio-Driven Talking Face Generation with Stabilized Synchronization Loss" (ECCV 2024),
sections 3.2 to 3.5. Both generators are the same network on the same windows. The silent-lip generator learns by
reconstruction and GAN losses alone to draw a face with its sound, and closes the mouth when it is given silence. The
talking-face generator gets references that the silent-lip generator has closed. It learns by the synchronization and
triplet losses too (Eq. 5).

The ablations of the paper's table 2 are settings. `closes_references = false` leaves the references as they are,
`sync_loss` takes the plain lip-sync loss or none, and `triplet_loss` the vanilla one or none.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from lipdub.errors import UsageError
from lipdub.faces.perceptual import load_features, perceptual
from lipdub.metrics.avsyncnet import find_sound_windows
from lipdub.networks.avsyncnet import FRAMES
from lipdub.networks.face_discriminator import FaceDiscriminator
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize, hide_lower_half
from lipdub.networks.talking_face import close_mouths
from lipdub.training.config import setting
from lipdub.training.face_windows import WindowBatch, WindowSampler, WindowSampling
from lipdub.training.loop import Adversary, LoopOptions, Trainer, TrainingTask, prefix_lines
from lipdub.training.losses.adaptive_triplet import adaptive_triplet, triplet
from lipdub.training.losses.adversarial import discriminator_loss, generator_loss
from lipdub.training.losses.lip_sync import lip_sync
from lipdub.training.losses.stabilized_sync import similarity, stabilized_sync
from lipdub.training.losses.sync_embedding import embed_lips
from lipdub.training.mouth_figures import measure_mouths, pick_ends, to_pictures

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from lipdub.arrays import F32
    from lipdub.networks.avsyncnet import AVSyncNetSize
    from lipdub.training.dataset import Dataset
    from lipdub.weights.talking_face_file import TalkingFaceModel

LossParts = dict[str, tuple[float, torch.Tensor]]
"""Weight and value of each part of a loss."""

_VALIDATION_BATCHES = 8
_SAMPLE_ROWS = 4


@dataclass(frozen=True)
class LossWeights:
    """Weights of the parts of the loss (Eq. 5 of Yaman et al.).

    `pixel`, `perceptual`, `sync` and `triplet` are the paper's lambda 1 to 4, there 10, 1, 2 and 0.5. A `sync` of 2 is
    too large for the small AVSyncNet. Trainings have no GAN loss by default (`GeneratorOptions`): warped skin is sharp
    without it, and in an hour on a CPU a discriminator teaches patterns.

    Attributes:
        pixel: mean absolute difference.
        mouth: factor on pixels of the mouth region; 1: as in the paper.
        lips: factor on pixels of the lips and between them, where the clip's landmarks have them; 1: as in the paper.
        perceptual: perceptual loss.
        sync: synchronization loss.
        triplet: triplet loss.
        adversarial: GAN loss.
        sync_regularizer: lip-sync loss with other speech, for adaptation (`training.adapt`).
        reference: mean absolute difference of the mouth regions that are drawn from two references which differ in
            their mouths alone. Nothing of a reference's mouth may come through.
    """

    pixel: float = 10.0
    mouth: float = 1.0
    lips: float = field(default=1.0, metadata={"added": True})
    perceptual: float = 1.0
    sync: float = 0.5
    triplet: float = 0.5
    adversarial: float = 1.0
    sync_regularizer: float = setting(0.0, was="other")
    reference: float = field(default=0.0, metadata={"added": True})


@dataclass(frozen=True)
class GeneratorOptions:
    """Options that determine a generator, besides data and seed.

    Attributes:
        size: size of a new generator.
        own_sound: length of the embedding of a new generator's own audio encoder, where AVSyncNet hears phonetic
            features; 0: it has none.
        sampling: how windows are drawn.
        loss_weights: weights of the losses; the silent-lip generator has neither sync nor triplet.
        closes_references: the silent-lip generator closes the mouths of the references.
        open_share: share of the windows whose references stay as they are all the same. The silent-lip generator leaves
            remains of some mouths, and the talking-face generator learns to cover even whole ones.
        sync_loss: "stabilized" (Eq. 3), "plain" (cross-entropy of the similarity, for the ablation) or "none".
        triplet_loss: "adaptive" (Eq. 2), "vanilla" or "none".
        epsilon: epsilon of Eq. 3.
        alpha: alpha of Eq. 2.
        blur: sigma in pixels of AVSyncNet's faces, applied before AVSyncNet sees a face. Without the blur the generator
            learns to satisfy AVSyncNet with high-frequency patterns that are not lips.
        begin: first weights of the talking-face generator: "silent" (the silent-lip generator's), "talking" (those of
            the model that is trained further) or "new".
        lead: seconds by which the mouths of the data come later than those of real talkers. Dubs, adaptations and
            further trainings on data without a lead then hear ahead by as much.
        loop: the training loop.
    """

    size: FaceGeneratorSize = field(default_factory=FaceGeneratorSize.small)
    sampling: WindowSampling = setting(was="draw", factory=lambda: WindowSampling(pair_share=0.7))
    loss_weights: LossWeights = setting(was="weights", factory=lambda: LossWeights(lips=4.0, adversarial=0.0))
    closes_references: bool = setting(True, was="silent")
    sync_loss: Literal["stabilized", "plain", "none"] = "stabilized"
    triplet_loss: Literal["adaptive", "vanilla", "none"] = "adaptive"
    epsilon: float = 0.01
    alpha: float = 1.0
    blur: float = 1.0
    begin: Literal["silent", "talking", "new"] = "silent"
    own_sound: int = field(default=64, metadata={"added": True})
    open_share: float = field(default=0.0, metadata={"added": True})
    lead: float = field(default=0.0, metadata={"added": True})
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            steps=1800,
            learning_rate=6e-4,
            weight_decay=0.0,
            betas=(0.5, 0.999),
            warmup=50,
            ema_decay=0.995,
            precision="bf16",
            workers=-1,
            sample_every=250,
            validate_every=250,
        )
    )

    def for_silent_lip(self) -> GeneratorOptions:
        """Give the options of a silent-lip generator: no closed references, sync or triplet loss."""
        return replace(self, closes_references=False, sync_loss="none", triplet_loss="none")


def train_generator(
    name: str,
    data: Dataset,
    held_out: Dataset | None,
    model: TalkingFaceModel,
    folder: Path,
    options: GeneratorOptions,
    *,
    seed: int = 0,
    device: str = "cpu",
    begin: FaceGenerator | None = None,
    others: Sequence[F32] = (),
    shares: Mapping[str, float] | None = None,
    progress: Callable[[str], None] | None = None,
) -> FaceGenerator:
    """Train a generator, or resume its training.

    Args:
        name: prefix of the progress lines.
        data: clips to learn.
        held_out: clips for validation and pictures; None: those that are learnt.
        model: holds AVSyncNet, and the silent-lip generator if there is one.
        folder: folder of checkpoints, figures and pictures (`training.loop`).
        options: network, windows, losses and loop.
        seed: seed of all random choices.
        device: "auto", or PyTorch's name of a device.
        begin: first weights, over `options.begin`.
        others: (rows, columns) float32 each, the audio feature of other speech, for the sync regularizer.
        shares: share of the windows for each video (`WindowSampler`).
        progress: called with one line of text at each report.

    Returns:
        the averaged generator, in evaluation mode.

    Raises:
        UsageError: the generator's size differs from the dataset's.
    """
    torch.manual_seed(seed)
    generator = _make_generator(data, model, options, begin)
    objective = GeneratorObjective(model, FaceDiscriminator(generator.size), options, progress)
    sound = find_sound_windows(model.sync.size)
    has_second = options.loss_weights.reference > 0
    lead = 0.0 if options.lead else model.lead
    windows = WindowSampler(data, options.sampling, seed, others, shares, sound, has_second, lead)
    shown = held_out if held_out is not None else data
    checked = WindowSampler(shown, options.sampling, seed, sound=sound, has_second=True, lead=lead)

    def validate(network: nn.Module) -> float:
        values = [objective.lower_face_error(network, checked.draw_plain(n)) for n in range(_VALIDATION_BATCHES)]
        result: float = sum(values) / len(values)
        return result

    def measure(network: nn.Module) -> dict[str, float]:
        found: dict[str, float] = objective.measure_mouths(network, map(checked.draw_plain, range(_VALIDATION_BATCHES)))
        return found

    def draw_samples(network: nn.Module) -> torch.Tensor:
        return objective.draw_samples(network, checked.draw_plain(0))

    has_adversary = options.loss_weights.adversarial > 0
    adversary = Adversary(objective.discriminator, objective.discriminator_loss) if has_adversary else None
    task = TrainingTask(generator, windows.draw, objective.loss, validate, measure, draw_samples, adversary)
    report = prefix_lines(name, progress)
    trained = Trainer(task, folder, options.loop, device=device, seed=seed, progress=report).run()
    assert isinstance(trained, FaceGenerator)
    return trained


def _make_generator(
    data: Dataset, model: TalkingFaceModel, options: GeneratorOptions, begin: FaceGenerator | None
) -> FaceGenerator:
    """Make the generator to train, with its first weights."""
    if begin is None and options.begin != "new":
        begin = model.silent if options.begin == "silent" else model.talking
        if begin is None and options.begin == "talking":
            raise UsageError("the model holds no talking-face generator to begin with", hint="Set begin=silent.")
    if begin is not None and begin.size.pixels != data.size:
        raise UsageError(f"the generator has {begin.size.pixels} pixels, the dataset {data.size}")
    generator = FaceGenerator(_fit_size(options, data.size, model.sync.size) if begin is None else begin.size)
    if begin is not None:
        generator.load_state_dict(begin.state_dict())
    generator.to(memory_format=torch.channels_last)
    return generator


def _fit_size(options: GeneratorOptions, pixels: int, sync: AVSyncNetSize) -> FaceGeneratorSize:
    """Fit a new generator's size to its faces, and to the AVSyncNet that it hears by."""
    size = replace(options.size, pixels=pixels, sound=sync.features)
    if sync.audio == "mel" or not options.own_sound:
        return size
    return replace(size, own_sound=options.own_sound, audio_rows=sync.audio_rows, audio_columns=sync.audio_columns)


class GeneratorObjective:
    """The losses of a generator and of its discriminator. Frozen networks follow the batch to its device.

    Each part is a mean over the faces. Parts with weight zero are not computed.

    Args:
        model: holds AVSyncNet and the silent-lip generator.
        discriminator: the discriminator.
        options: windows and losses.
        progress: called with one line on the perceptual network.

    Raises:
        UsageError: a batch has one face only, or a synchronization loss has no windows of five faces.
    """

    def __init__(
        self,
        model: TalkingFaceModel,
        discriminator: FaceDiscriminator,
        options: GeneratorOptions,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._has_sync = options.loss_weights.sync > 0 and options.sync_loss != "none"
        self._has_triplet = options.loss_weights.triplet > 0 and options.triplet_loss != "none"
        _check_windows(options, needs_sync=self._has_sync or options.loss_weights.sync_regularizer > 0)
        self.options, self.discriminator = options, discriminator
        self._sync, self._silent = _freeze(model.sync), _freeze(model.silent)
        self._features: nn.Module | None = None
        if options.loss_weights.perceptual > 0 or self._has_triplet:
            report = progress or (lambda text: None)
            self._features, name = load_features(report)
            report(f"perceptual features: {name}")
        self._real = self._fake = torch.empty(0)

    def loss(self, network: nn.Module, batch: WindowBatch) -> tuple[torch.Tensor, dict[str, float]]:
        """Compute Eq. 5 for a batch, and its parts."""
        weights = self.options.loss_weights
        stays_open = torch.rand(len(batch.faces), device=batch.faces.device) < self.options.open_share
        real, references, sounds = self._prepare(batch, stays_open)
        embeddings, hidden, heard = sounds.flatten(0, 1), hide_lower_half(real), batch.sounds.flatten(0, 1)
        parts: LossParts = {}
        if weights.reference > 0 and len(batch.second_references):
            both = torch.cat([references, self._close_references(batch.second_references, stays_open)])
            embeddings, hidden, heard = (torch.cat([part, part]) for part in (embeddings, hidden, heard))
            fake, again = network(embeddings, hidden, both, heard).chunk(2)
            parts["reference"] = (weights.reference, _crop_mouth(fake - again).abs().mean())
        else:
            fake = network(embeddings, hidden, references, heard)
        self._real, self._fake = real, fake.detach()
        parts["pixel"] = (weights.pixel, _pixel_loss(fake, real, batch.lips.flatten(0, 1), weights))
        if self._features is not None:
            parts |= self._feature_parts(self._features, fake, real, references)
        if self._has_sync:
            parts |= self._sync_parts(fake, real, references, sounds)
        if weights.sync_regularizer > 0 and len(batch.others):
            others = self._embed_sounds(batch.others)
            said = network(others.flatten(0, 1), hide_lower_half(real), references, batch.others.flatten(0, 1))
            x = similarity(self._embed_lips(said, len(others)), others[:, others.shape[1] // 2])
            parts["sync_regularizer"] = (weights.sync_regularizer, lip_sync(self._sync.logit(x)))
        if weights.adversarial > 0:
            parts["adversarial"] = (weights.adversarial, generator_loss(self.discriminator(fake)))
        total = sum((weight * value for weight, value in parts.values() if weight), start=fake.new_zeros(()))
        return total, {name: float(value.detach()) for name, (_, value) in parts.items()}

    def discriminator_loss(self, discriminator: nn.Module) -> tuple[torch.Tensor, dict[str, float]]:
        """Compute the discriminator's loss on the generator's last batch."""
        return discriminator_loss(discriminator(self._real), discriminator(self._fake)), {}

    @torch.no_grad()
    def lower_face_error(self, network: nn.Module, batch: WindowBatch) -> float:
        """Compute the mean absolute difference of the lower halves, for a batch on the CPU."""
        fake, real, _ = self._generate(network, batch)
        half = real.shape[2] // 2
        return float((fake - real)[:, :, half:].abs().mean())

    @torch.no_grad()
    def measure_mouths(self, network: nn.Module, batches: Iterable[WindowBatch]) -> dict[str, float]:
        """Measure the mouths of the first and last faces of windows (`mouth_figures`), for batches on the CPU.

        Where a batch has no second reference with another mouth, the true face stands in for it.
        """
        parts: list[list[torch.Tensor]] = []
        for batch in batches:
            fake, real, _ = self._generate(network, batch)
            second = _find_other_references(batch)
            again, _, _ = self._generate(network, batch._replace(references=second))
            faces = (fake.cpu(), real.cpu(), batch.references.flatten(0, 1), again.cpu(), second.flatten(0, 1))
            parts.append([pick_ends(part, len(batch.faces)) for part in faces])
        return measure_mouths(*(to_pictures(torch.cat(part)) for part in zip(*parts, strict=True)))

    @torch.no_grad()
    def draw_samples(self, network: nn.Module, batch: WindowBatch) -> torch.Tensor:
        """Draw the input, reference, result and true face of the windows' middle faces: (rows, 4, 3, P, P)."""
        fake, real, references = self._generate(network, batch)
        middle = batch.faces.shape[1] // 2
        columns = (hide_lower_half(real), references, fake, real)
        return torch.stack([c.unflatten(0, batch.faces.shape[:2])[:_SAMPLE_ROWS, middle] for c in columns], 1)

    def _feature_parts(
        self, features: nn.Module, fake: torch.Tensor, real: torch.Tensor, references: torch.Tensor
    ) -> LossParts:
        """Compute the perceptual and the triplet loss, of the lower halves: the upper ones are given."""
        options, weights, half = self.options, self.options.loss_weights, real.shape[2] // 2
        fake, real, references = (faces[:, :, half:] for faces in (fake, real, references))
        maps, true = features(fake), [value.detach() for value in features(real)]
        parts: LossParts = {"perceptual": (weights.perceptual, perceptual(maps, true))}
        if self._has_triplet:
            with torch.no_grad():
                other = features(references)[-1]
            compute = adaptive_triplet if options.triplet_loss == "adaptive" else triplet
            anchor, positive, negative = (
                value.float().flatten(1) / value[0].numel() ** 0.5 for value in (maps[-1], true[-1], other)
            )
            parts["triplet"] = (weights.triplet, compute(anchor, positive, negative, options.alpha))
        return parts

    def _sync_parts(
        self, fake: torch.Tensor, real: torch.Tensor, references: torch.Tensor, sounds: torch.Tensor
    ) -> LossParts:
        """Compute the synchronization loss, and the error of the similarity to the sound."""
        options, windows = self.options, len(sounds)
        middle = sounds[:, sounds.shape[1] // 2]
        x = similarity(self._embed_lips(fake, windows), middle)
        with torch.no_grad():
            y, d = (similarity(self._embed_lips(faces, windows), middle) for faces in (real, references))
        if options.sync_loss == "stabilized":
            loss = stabilized_sync(x, y, d, options.epsilon)
        else:
            loss = lip_sync(self._sync.logit(x))
        return {"sync": (options.loss_weights.sync, loss), "similarity": (0.0, (x - y).detach().abs().mean())}

    def _generate(self, network: nn.Module, batch: WindowBatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Generate the faces of a batch. Returns faces, true faces and references."""
        device = next(network.parameters()).device
        batch = WindowBatch(*(part.to(device) for part in batch))
        real, references, sounds = self._prepare(batch)
        fake = network(sounds.flatten(0, 1), hide_lower_half(real), references, batch.sounds.flatten(0, 1))
        return fake, real, references

    @torch.no_grad()
    def _prepare(
        self, batch: WindowBatch, stays_open: torch.Tensor | None = None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Give faces and references (n F, 3, P, P) and embeddings of the sounds (n, F, features)."""
        for network in (self._sync, self._silent, self._features):
            if network is not None:
                network.to(batch.faces.device)
        real = batch.faces.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        return real, self._close_references(batch.references, stays_open), self._embed_sounds(batch.sounds)

    @torch.no_grad()
    def _close_references(self, references: torch.Tensor, stays_open: torch.Tensor | None = None) -> torch.Tensor:
        """Close the mouths of references (n, F, 3, P, P), but in windows (n,) that stay open: (n F, 3, P, P)."""
        faces = references.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        if not self.options.closes_references or self._silent is None:
            return faces
        closed = close_mouths(self._silent, self._sync, faces)
        if stays_open is None:
            return closed
        each = stays_open.repeat_interleave(references.shape[1])[:, None, None, None]
        return torch.where(each, faces, closed)

    @torch.no_grad()
    def _embed_sounds(self, sounds: torch.Tensor) -> torch.Tensor:
        """Embed windows of sound (n, F, rows, columns). Returns (n, F, features) float32."""
        embeddings: torch.Tensor = self._sync.audio_features(sounds.flatten(0, 1))
        return embeddings.float().unflatten(0, sounds.shape[:2])

    def _embed_lips(self, faces: torch.Tensor, windows: int) -> torch.Tensor:
        """Embed faces (5 windows, 3, P, P) by AVSyncNet. Returns (windows, features) float32."""
        return embed_lips(self._sync, faces.unflatten(0, (windows, -1)), self.options.blur)


def _check_windows(options: GeneratorOptions, *, needs_sync: bool) -> None:
    frames, windows = options.sampling.frames, options.sampling.windows
    if needs_sync and frames != FRAMES:
        raise UsageError(f"with a synchronization loss sampling.frames must be {FRAMES}, not {frames}")
    if frames * windows < 2:
        raise UsageError("a batch must have two faces or more (sampling.windows, sampling.frames)")


def _pixel_loss(fake: torch.Tensor, real: torch.Tensor, lips: torch.Tensor, weights: LossWeights) -> torch.Tensor:
    """Compute the mean absolute difference of faces (n, 3, P, P), with factors on the mouth region and on the lips.

    Args:
        fake: the generated faces.
        real: the true faces.
        lips: (n, 1, P, P), 1 on the true lips and between them.
        weights: holds the factors.
    """
    difference = (fake - real).abs()
    loss = difference.mean()
    if weights.mouth != 1:
        loss = loss + (weights.mouth - 1) * _crop_mouth(difference).sum() / difference.numel()
    if weights.lips != 1:
        loss = loss + (weights.lips - 1) * (difference * lips.to(difference)).mean()
    return loss


def _crop_mouth(faces: torch.Tensor) -> torch.Tensor:
    """Crop the mouth region of faces (n, 3, P, P)."""
    size = faces.shape[2]
    return faces[:, :, 5 * size // 8 : 15 * size // 16, size // 4 : 3 * size // 4]


def _find_other_references(batch: WindowBatch) -> torch.Tensor:
    """Find a reference with another mouth for each window: the second one, or else the true faces."""
    if not len(batch.second_references):
        return batch.faces
    is_same = (batch.second_references == batch.references).flatten(1).all(1)
    return torch.where(is_same[:, None, None, None, None], batch.faces, batch.second_references)


def _freeze(network: Any) -> Any:
    return network.eval().requires_grad_(False) if network is not None else None
