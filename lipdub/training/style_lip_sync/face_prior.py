"""The training of the face prior, for `lipdub train face-prior`: StyleGAN2 on faces of a dataset.

Ki and Min, "StyleLipSync" (ICCV 2023), section 5.2, pre-train their decoder as Karras et al., "Training Generative
Adversarial Networks with Limited Data" (NeurIPS 2020): the non-saturating loss, R1 (Mescheder et al., "Which Training
Methods for GANs do actually Converge?", ICML 2018) and path-length regularization, both only in some of the steps, an
average of the weights as the result, and adaptive augmentation.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch import nn

from lipdub.errors import InputError, LipdubError, UsageError, printable
from lipdub.faces.perceptual import load_features
from lipdub.metrics.fid import FeatureStatistics, frechet_distance, inception_features, load_inception
from lipdub.networks.stylegan2 import StyleGAN2, StyleGAN2Size
from lipdub.networks.stylegan2_discriminator import StyleDiscriminator
from lipdub.training.loop import Adversary, LoopOptions, Trainer, TrainingTask, prefix_lines
from lipdub.training.losses.adversarial import generator_loss
from lipdub.training.mouth_figures import to_pictures
from lipdub.training.rendered.variants import SHUT
from lipdub.training.shards import BadShardError
from lipdub.training.style_lip_sync.discriminator import AugmentedDiscriminator, DiscriminatorOptions
from lipdub.training.training_log import tile_pictures
from lipdub.weights.face_prior_file import FacePrior
from lipdub.weights.store import WeightsStore

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from lipdub.training.dataset import Clip, Dataset

_STREAM_PLAIN, _STREAM_OVERFIT = 1, 2  # set apart the random numbers of different uses of one seed
TRUNCATION = 0.7
"""Share of the distance from the average code at which faces are shown truncated."""

_CHUNK = 16  # pictures drawn at once outside of training
_SAMPLE_ROWS, _SAMPLE_COLUMNS = 4, 8
_PATH_DECAY = 0.01
_MAX_TRIES = 100  # damaged shards in a row


@dataclass(frozen=True)
class PriorOptions:
    """Options that determine a face prior, besides data and seed.

    Attributes:
        size: size of the generator.
        faces: faces in a batch, a multiple of 4.
        overfit: draw from this many fixed faces (sanity check), 0: from all.
        speaker_power: a speaker with n clips is drawn in proportion to n to this power; 1: each clip alike, 0: each
            speaker alike.
        flip: share of the faces that are mirrored.
        path_length: weight of the path-length regularization.
        path_length_every: steps from one path-length regularization to the next.
        mixing: share of pictures with the codes of two latents, from a random layer on.
        discriminator: R1 and augmentation.
        fid_pictures: generated pictures in the validation's FID; as many held-out faces, if there are.
        loop: the training loop.

    Raises:
        ValueError: a value is out of range.
    """

    size: StyleGAN2Size = field(default_factory=StyleGAN2Size.small)
    faces: int = 8
    overfit: int = 0
    speaker_power: float = 0.5
    flip: float = 0.5
    path_length: float = 2.0
    path_length_every: int = 8
    mixing: float = 0.9
    discriminator: DiscriminatorOptions = field(default_factory=DiscriminatorOptions)
    fid_pictures: int = 512
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            steps=20_000,
            learning_rate=1.5e-3,
            weight_decay=0.0,
            betas=(0.0, 0.99),
            warmup=50,
            min_lr_ratio=0.5,
            clip=1e6,
            ema_decay=0.998,
            precision="bf16",
            workers=-1,
            save_every=100,
            report_every=50,
            sample_every=250,
            validate_every=500,
        )
    )

    def __post_init__(self) -> None:
        if self.faces < 4 or self.faces % 4:
            raise ValueError(f"faces must be a multiple of 4, not {self.faces}")


def full_options() -> PriorOptions:
    """Give the paper's options: 256 pixels and codes of 512, trained as Karras et al. (NeurIPS 2020) do."""
    return PriorOptions(
        size=StyleGAN2Size(),
        faces=32,
        discriminator=DiscriminatorOptions(augment_pictures=500_000),
        loop=LoopOptions(
            steps=200_000,
            learning_rate=2e-3,
            weight_decay=0.0,
            betas=(0.0, 0.99),
            min_lr_ratio=0.25,
            clip=1e6,
            ema_decay=0.9989,
            precision="bf16",
            workers=-1,
            save_every=1000,
            sample_every=1000,
            validate_every=5000,
        ),
    )


class FaceSampler:
    """Draws single faces of a dataset, in batches by number: the same number gives the same faces.

    Dubbed pictures of real people are left out.

    Args:
        data: the clips.
        options: how faces are drawn.
        seed: seed of all random choices.

    Raises:
        UsageError: the dataset's faces have another size than the generator's.
        InputError: there are no clips but dubs, or too many damaged ones.
    """

    def __init__(self, data: Dataset, options: PriorOptions, seed: int) -> None:
        if data.size != options.size.pixels:
            raise UsageError(f"the generator has {options.size.pixels} pixels, the dataset {data.size}")
        self._data, self._options, self._seed = data, options, seed
        self._clips = [clip for clip in data.clips if not is_dub(clip)]
        if not self._clips:
            raise InputError(
                f"the dataset {printable(data.folder)} has nothing but dubs", hint="Leave out --shut-dubs."
            )
        _, groups, counts = np.unique([clip.speaker for clip in self._clips], return_inverse=True, return_counts=True)
        odds = counts[groups] ** float(options.speaker_power - 1)
        self._odds = odds / odds.sum()

    def draw(self, number: int) -> torch.Tensor:
        """Draw the batch of a number: (faces, 3, P, P) float32, RGB in -1..1."""
        return self._draw(np.random.default_rng((self._seed, number)), self._options.faces)

    def draw_plain(self, count: int) -> torch.Tensor:
        """Draw the same faces each time, for validation."""
        return self._draw(np.random.default_rng((self._seed, _STREAM_PLAIN, 0)), count)

    def _draw(self, rng: np.random.Generator, count: int) -> torch.Tensor:
        faces: list[torch.Tensor] = []
        failures = 0
        while len(faces) < count:
            one = rng
            if self._options.overfit:
                one = np.random.default_rng((self._seed, _STREAM_OVERFIT, int(rng.integers(self._options.overfit))))
            clip = self._clips[int(one.choice(len(self._clips), p=self._odds))]
            try:
                window = self._data.read(clip, int(one.integers(clip.frames)), 1)
            except BadShardError as error:
                self._data.handle_bad_shard(error)
                failures += 1
                if failures == _MAX_TRIES:
                    folder = printable(self._data.folder)
                    raise InputError(
                        f"the dataset {folder} is damaged: {failures} shards in a row cannot be used"
                    ) from error
                continue
            failures = 0
            face = self._data.crop_middle(window.crops)[0]
            faces.append(torch.from_numpy(face[:, ::-1].copy() if one.random() < self._options.flip else face))
        return torch.stack(faces).permute(0, 3, 1, 2).float() / 127.5 - 1


def is_dub(clip: Clip) -> bool:
    """Tell whether a clip shows a real person dubbed (`lipdub prepare --shut-dubs`), not a camera's picture."""
    return clip.variant == SHUT and clip.id.startswith(f"{SHUT}-")


class PriorObjective:
    """The losses of generator and discriminator.

    Args:
        discriminator: the discriminator.
        options: weight of the path-length regularization, and steps between two.
    """

    def __init__(self, discriminator: AugmentedDiscriminator, options: PriorOptions) -> None:
        self.discriminator, self.options = discriminator, options
        self._real = self._fake = torch.empty(0)

    def loss(self, network: nn.Module, faces: torch.Tensor) -> tuple[torch.Tensor, dict[str, float]]:
        """Compute the generator's loss. `faces` are for the discriminator alone."""
        options, judge = self.options, self.discriminator
        generator = getattr(network, "module", network)
        fake = network(self._draw_codes(generator, len(faces)), make_noises(generator, len(faces)))
        self._real, self._fake = faces, fake.detach()
        loss = generator_loss(judge(judge.augment(fake)))
        figures = {"generator": float(loss.detach())}
        if options.path_length > 0 and int(judge.step) % options.path_length_every == 0:
            half = max(len(faces) // 2, 1)
            codes = self._draw_codes(generator, half)
            penalty = self._path_penalty(network(codes, make_noises(generator, half)), codes)
            loss = loss + options.path_length * options.path_length_every * penalty
            figures["path"] = float(penalty.detach())
        return loss, figures

    def discriminator_loss(self, discriminator: nn.Module) -> tuple[torch.Tensor, dict[str, float]]:
        """Compute the discriminator's loss on the generator's last batch, and adapt the augmentation."""
        return self.discriminator.loss(discriminator, self._real, self._fake)

    def _draw_codes(self, generator: StyleGAN2, count: int) -> torch.Tensor:
        """Draw style codes (n, layers, style_dim), some of two latents."""
        device = generator.input.input.device
        z = torch.randn(2, count, generator.style_dim, device=device)
        codes = generator.mapping(z.flatten(0, 1)).unflatten(0, (2, count))[:, :, None]
        first, second = codes.expand(-1, -1, generator.layers, -1)
        begin = torch.randint(1, generator.layers, (count,), device=device)
        is_mixed = torch.rand(count, device=device) < self.options.mixing
        begin = torch.where(is_mixed, begin, generator.layers)
        is_second = torch.arange(generator.layers, device=device)[None] >= begin[:, None]
        return torch.where(is_second[..., None], second, first)

    def _path_penalty(self, pictures: torch.Tensor, codes: torch.Tensor) -> torch.Tensor:
        """Compute how far a step in the codes differs from its mean effect on the pictures (Karras et al., Eq. 4)."""
        noise = torch.randn_like(pictures) / (pictures.shape[2] * pictures.shape[3]) ** 0.5
        (slope,) = torch.autograd.grad((pictures * noise).sum(), codes, create_graph=True)
        lengths = slope.square().sum(2).mean(1).sqrt()
        mean = self.discriminator.path_length
        mean.lerp_(lengths.detach().mean(), _PATH_DECAY)
        return (lengths - mean).square().mean()


def make_noises(generator: StyleGAN2, count: int) -> list[torch.Tensor]:
    """Draw noise maps for each of some pictures."""
    return [torch.randn(count, *buffer.shape[1:], device=buffer.device) for buffer in generator.noises.buffers()]


@torch.no_grad()
def sample_faces(generator: StyleGAN2, count: int, *, seed: int = 0, truncation: float = 1.0) -> Iterator[torch.Tensor]:
    """Generate faces in chunks.

    Args:
        generator: the generator.
        count: number of faces.
        seed: seed of the latents.
        truncation: share of the distance from the average code that is kept (Karras et al., "A Style-Based Generator
            Architecture", CVPR 2019, appendix B); less is more ordinary faces.

    Yields:
        (up to 16, 3, P, P) float32, RGB in -1..1, not clipped.
    """
    device = generator.input.input.device
    random = torch.Generator().manual_seed(seed)
    mean = generator.average_code() if truncation != 1 else None
    for first in range(0, count, _CHUNK):
        z = torch.randn(min(_CHUNK, count - first), generator.style_dim, generator=random).to(device)
        codes = generator.mapping(z)
        if mean is not None:
            codes = mean + truncation * (codes - mean)
        yield generator(codes).float()


@torch.no_grad()
def collect_statistics(features: nn.Module, batches: Iterator[torch.Tensor]) -> FeatureStatistics:
    """Collect the distribution of faces' features: the means of each map of a perceptual network.

    Args:
        features: of `faces.perceptual.load_features`.
        batches: faces (n, 3, P, P), RGB in -1..1, on the CPU.
    """
    found: FeatureStatistics | None = None
    for faces in batches:
        maps = features((faces.clamp(-1, 1) + 1) / 2)
        vectors = torch.cat([values.mean((2, 3)) for values in maps], 1).numpy()
        found = found or FeatureStatistics(vectors.shape[1])
        found.add(vectors)
    assert found is not None
    return found


def evaluate_prior(prior: FacePrior, held_out: Dataset, options: PriorOptions) -> dict[str, float]:
    """Measure FID of generated faces against held-out ones, by lipdub's own features and, with its weights, Inception.

    Returns:
        figures by name: ``fid_own`` whole and ``fid_own_truncated`` at 0.7; ``fid_inception`` where its weights are.
    """
    count = options.fid_pictures
    sampler = FaceSampler(held_out, replace(options, flip=0.0), 0)
    true = list(sampler.draw_plain(count).split(_CHUNK))
    made = list(sample_faces(prior.generator, count, seed=1))
    features, _ = load_features()
    own = collect_statistics(features, iter(true))
    figures = {"fid_own": frechet_distance(collect_statistics(features, iter(made)), own)}
    truncated = sample_faces(prior.generator, count, seed=1, truncation=TRUNCATION)
    figures["fid_own_truncated"] = frechet_distance(collect_statistics(features, truncated), own)
    try:
        inception = load_inception(WeightsStore())
    except LipdubError:  # neither weights nor package come with lipdub
        return figures
    sides = [FeatureStatistics(), FeatureStatistics()]
    for side, batches in zip(sides, (made, true), strict=True):
        for faces in batches:
            side.add(inception_features(inception, to_pictures((faces + 1) / 2)))
    return {**figures, "fid_inception": frechet_distance(*sides)}


def write_sheet(path: Path, generator: StyleGAN2, rows: int, columns: int) -> None:
    """Write a sheet of generated faces as a picture: the upper half whole, the lower half truncated at 0.7."""
    import cv2

    halves = [sample_faces(generator, rows * columns // 2, truncation=share) for share in (1.0, TRUNCATION)]
    faces = torch.cat([faces for half in halves for faces in half])
    whole = tile_pictures(((faces + 1) / 2).unflatten(0, (rows, columns)))
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.ascontiguousarray(whole[..., ::-1]))


def train_face_prior(
    data: Dataset,
    held_out: Dataset | None,
    folder: Path,
    options: PriorOptions,
    *,
    begin: FacePrior | None = None,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> FacePrior:
    """Train a face prior, or resume its training.

    Args:
        data: clips whose faces are learnt.
        held_out: clips for the validation's FID; None: those that are learnt.
        folder: folder of checkpoints, figures and pictures (`training.loop`).
        options: network, losses and loop.
        begin: a prior whose weights come first.
        seed: seed of all random choices.
        device: "auto", or PyTorch's name of a device.
        progress: called with one line of text at each report.

    Returns:
        the averaged generator with its discriminator, in evaluation mode, without notes.

    Raises:
        UsageError: the faces have another size than the generator.
    """
    torch.manual_seed(seed)
    sampler = FaceSampler(data, options, seed)
    shown = FaceSampler(held_out or data, replace(options, flip=0.0), seed)
    size = options.size
    generator = size.build()
    discriminator = StyleDiscriminator(size.pixels, size.multiplier, size.narrow)
    objective = PriorObjective(AugmentedDiscriminator(discriminator, options.discriminator), options)
    if begin is not None:
        _begin_with(begin, generator, discriminator)
    features, _ = load_features()
    true = collect_statistics(features, iter(shown.draw_plain(options.fid_pictures).split(_CHUNK)))

    def validate(network: nn.Module) -> float:
        assert isinstance(network, StyleGAN2)
        made = (faces.cpu() for faces in sample_faces(network, options.fid_pictures, seed=1))
        return frechet_distance(collect_statistics(features, made), true)

    def draw_samples(network: nn.Module) -> torch.Tensor:
        assert isinstance(network, StyleGAN2)
        count = _SAMPLE_ROWS * _SAMPLE_COLUMNS
        faces = torch.cat(list(sample_faces(network, count, truncation=1.0)))
        return ((faces + 1) / 2).unflatten(0, (_SAMPLE_ROWS, _SAMPLE_COLUMNS))

    adversary = Adversary(objective.discriminator, objective.discriminator_loss)
    task = TrainingTask(generator, sampler.draw, objective.loss, validate, None, draw_samples, adversary)
    report = prefix_lines("face-prior", progress)
    trained = Trainer(task, folder, options.loop, device=device, seed=seed, progress=report).run()
    assert isinstance(trained, StyleGAN2)
    return FacePrior(size, trained, trained.average_code(), discriminator.cpu().eval())


def _begin_with(prior: FacePrior, generator: StyleGAN2, discriminator: nn.Module) -> None:
    """Give new networks the weights of a prior of their size. Raises UsageError."""
    try:
        generator.load_state_dict(prior.generator.state_dict())
    except RuntimeError as error:
        raise UsageError(f"the prior to begin with has another size: {prior.size}") from error
    if prior.discriminator is not None:
        discriminator.load_state_dict(prior.discriminator.state_dict())
