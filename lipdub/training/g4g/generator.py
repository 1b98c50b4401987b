"""The training of G4G, for `lipdub train g4g`.

Zhang et al., "G4G: A Generic Framework for High Fidelity Talking Face Generation with Fine-grained Intra-modal
Alignment" (2024), section 3.3: the attribute loss (Eq. 12), the perceptual loss at two sizes (Eq. 13), least-squares
GAN losses on single frames and on five successive ones (Eq. 14), the difference under masks of several sizes (Eq. 15)
and the contrastive loss (Eq. 16), weighted as in Eq. 17. All networks train together; nothing is frozen or shared.

What the paper leaves open:

- Eq. 12 compares "the source feature" with the landmarks': here the aligned face's vector, which attributes that the
  landmarks deny would draw away.
- Eq. 15 names no masks. Here each is a mean over its own area, from the lips outwards (`scale_masks`), so that few
  pixels count as much as many.
- The small size draws one face of each window, as many windows show more mouths than long ones, and has no GAN loss of
  five frames. Two further losses are about moved pixels (`G4GLossWeights.moved`, `cover`).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn.functional import avg_pool2d, cosine_similarity, interpolate, max_pool2d

from lipdub.faces.masks import MASKS
from lipdub.faces.perceptual import load_features, perceptual
from lipdub.networks.g4g import G4G, MOUTH, MOUTH_LEFT, MOUTH_TOP, G4GDrawn, G4GMotion, G4GSize
from lipdub.networks.patch_discriminator import PatchDiscriminator
from lipdub.speech.sound_windows import FRAMES, sound_windows
from lipdub.training.face_windows import WINDOW_AUGMENTATION, WindowSampling
from lipdub.training.g4g.reference_windows import ReferenceBatch, ReferenceSampler, view_crops
from lipdub.training.generator_task import make_generator_task
from lipdub.training.loop import (
    LoopOptions,
    Trainer,
    make_full_loop,
    make_small_loop,
    prefix_lines,
)
from lipdub.training.losses.adversarial import least_squares_discriminator_loss, least_squares_generator_loss
from lipdub.training.losses.contrastive import contrastive
from lipdub.training.mouth_figures import measure_mouths, pick_ends, to_pictures
from lipdub.training.style_lip_sync.discriminator import cut_mouths

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from lipdub.training.dataset import Dataset

_SAMPLE_ROWS = 4
LossParts = dict[str, tuple[float, torch.Tensor]]
"""Weight and value of each part of a loss."""


@dataclass(frozen=True)
class G4GLossWeights:
    """Weights of the parts of the loss, Eq. 17; the defaults are the paper's.

    Attributes:
        attribute: facial attribute loss, Eq. 12; lambda v.
        perceptual: perceptual loss at two sizes, Eq. 13; lambda p.
        adversarial: GAN losses, Eq. 14; lambda GAN.
        pixel: difference under masks of several sizes, Eq. 15; lambda r.
        contrastive: contrastive loss, Eq. 16; lambda con.
        moved: difference of the moved pixels alone inside the mask (`moved_difference`); not in the paper.
        cover: mean share of decoded colours away from the lips; not in the paper.
    """

    attribute: float = 1.0
    perceptual: float = 2.0
    adversarial: float = 3.0
    pixel: float = 4.0
    contrastive: float = 5.0
    moved: float = 0.0
    cover: float = 0.0


@dataclass(frozen=True)
class G4GOptions:
    """Options that determine a generator, besides data and seed.

    Attributes:
        size: size of the networks.
        mask: what is hidden of a frame and drawn, a name in `faces.masks.MASKS`.
        sampling: how windows are drawn.
        loss_weights: weights of the losses.
        scales: masks of Eq. 15, 1 to 4; 1 is the whole crop alone (Table 2's "w/o supervision").
        temperature: tau of Eq. 8 and 9.
        judge_width: channels of the discriminators' first layers.
        judge_layers: layers of the discriminators that halve the picture.
        lead: seconds by which the mouths of the data come later than those of real talkers. Dubs, adaptations and
            further trainings on data without a lead then hear ahead by as much.
        loop: the training loop.
    """

    size: G4GSize = field(default_factory=G4GSize.small)
    mask: str = "pose"
    sampling: WindowSampling = field(
        default_factory=lambda: WindowSampling(
            windows=12,
            frames=1,
            face_augmentation=replace(WINDOW_AUGMENTATION, tint=0.1, shift=0.01, scale=0.02, turn=1.5),
            pair_share=0.3,
            shut_share=0.1,
        )
    )
    loss_weights: G4GLossWeights = field(
        default_factory=lambda: G4GLossWeights(
            attribute=0.1, perceptual=1.0, adversarial=0.3, pixel=4.0, contrastive=0.1, moved=2.0, cover=0.1
        )
    )
    scales: int = 4
    temperature: float = 0.07
    judge_width: int = 32
    judge_layers: int = 4
    lead: float = 0.0
    loop: LoopOptions = field(default_factory=lambda: make_small_loop(steps=3000, learning_rate=1e-3, clip=5.0))

    def __post_init__(self) -> None:
        if self.mask not in MASKS:
            raise ValueError(f"mask is {self.mask!r}, not one of {', '.join(MASKS.names())}")
        if not 1 <= self.scales <= len(_GROWTH) + 2:
            raise ValueError(f"scales must be 1 to {len(_GROWTH) + 2}, not {self.scales}")
        if self.temperature <= 0:
            raise ValueError(f"temperature must be above 0, not {self.temperature}")


_GROWTH = (0.0, 1.0)  # of the lips' masks of Eq. 15 beyond the lips, in units


def full_options() -> G4GOptions:
    """Give the paper's options: 416 x 320 pixels, the losses of Eq. 17 on windows of five frames, batches of three."""
    return G4GOptions(
        size=G4GSize(),
        sampling=WindowSampling(windows=3),
        loss_weights=G4GLossWeights(),
        judge_width=64,
        loop=make_full_loop(betas=(0.5, 0.999)),
    )


def make_network(options: G4GOptions, audio: str, seed: int) -> G4G:
    """Make a new generator that hears windows of an audio feature, "mel" or "phonetic"."""
    windows = sound_windows(audio)
    torch.manual_seed(seed)
    return G4G(replace(options.size, audio=audio, audio_rows=windows.rows, audio_columns=windows.columns))


def train_g4g(
    name: str,
    data: Dataset,
    held_out: Dataset | None,
    network: G4G,
    folder: Path,
    options: G4GOptions,
    *,
    shares: Mapping[str, float] | None = None,
    lead: float = 0.0,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> G4G:
    """Train a generator, or resume its training.

    Args:
        name: prefix of the progress lines.
        data: clips to learn.
        held_out: clips for validation and pictures; None: those that are learnt.
        network: the generator with its first weights. It is trained in place.
        folder: folder of checkpoints, figures and pictures (`training.loop`).
        options: windows, losses and loop.
        shares: share of the windows for each video (`WindowSampler`).
        lead: seconds by which the generator hears ahead of its face.
        seed: seed of all random choices.
        device: "auto", or PyTorch's name of a device.
        progress: called with one line of text at each report.

    Returns:
        the averaged generator, in evaluation mode.

    Raises:
        UsageError: the dataset's crops are too small for the generator's, or the options do not fit each other.
    """
    torch.manual_seed(seed)
    network.to(memory_format=torch.channels_last)
    objective = G4GObjective(network.size, options, progress)
    windows = make_sampler(data, network.size, options, seed, lead, shares)
    checked = make_sampler(held_out or data, network.size, options, seed, lead)
    task = make_generator_task(network, objective, windows.draw, checked.draw_plain)
    report = prefix_lines(name, progress)
    trained = Trainer(task, folder, options.loop, device=device, seed=seed, progress=report).run()
    assert isinstance(trained, G4G)
    return trained


def make_sampler(
    data: Dataset,
    size: G4GSize,
    options: G4GOptions,
    seed: int,
    lead: float = 0.0,
    shares: Mapping[str, float] | None = None,
) -> ReferenceSampler:
    """Make a sampler of windows with masks, landmark images and references.

    Raises:
        UsageError: the dataset's faces have another size.
    """
    sound, draw = sound_windows(size.audio, size.audio_columns, size.audio_rows), MASKS.get(options.mask).draw
    view, how = view_crops(data, size), options.sampling
    return ReferenceSampler(view, how, size, seed, shares=shares, sound=sound, lead=lead, draw_mask=draw)


class WindowDiscriminator(nn.Module):
    """Judges patches of single frames, and of five successive ones at once.

    Args:
        width: channels of the first layers.
        layers: layers that halve the picture.
        judges_motion: whether windows are judged, too.
    """

    def __init__(self, width: int, layers: int, *, judges_motion: bool) -> None:
        super().__init__()
        self.frame = PatchDiscriminator(width, layers)
        self.window = PatchDiscriminator(width, layers, 3 * FRAMES) if judges_motion else None

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """Return the values of all patches, (values,), of windows (n, F, 3, P, P), RGB in -1..1."""
        values = [self.frame(pictures.flatten(0, 1)).flatten()]
        if self.window is not None:
            values.append(self.window(pictures.flatten(1, 2)).flatten())
        return torch.cat(values)


class G4GObjective:
    """The losses of a generator. The frozen network follows the batch to its device.

    Args:
        size: of the generator.
        options: windows and losses.
        progress: called with one line on the perceptual network.

    Attributes:
        judge: the discriminators of the GAN losses; None without these.
    """

    def __init__(self, size: G4GSize, options: G4GOptions, progress: Callable[[str], None] | None = None) -> None:
        self.options, self.size = options, size
        report = progress or (lambda text: None)
        self._features: Any = None
        if options.loss_weights.perceptual > 0:
            self._features, name = load_features(report)
            report(f"perceptual features: {name}")
        self.judge: WindowDiscriminator | None = None
        if options.loss_weights.adversarial > 0:
            has_motion = options.sampling.frames == FRAMES
            self.judge = WindowDiscriminator(options.judge_width, options.judge_layers, judges_motion=has_motion)
        self._real = self._fake = torch.empty(0)

    def loss(self, network: nn.Module, batch: ReferenceBatch) -> tuple[torch.Tensor, dict[str, float]]:
        """Compute Eq. 17 for a batch, and its parts."""
        weights = self.options.loss_weights
        drawn = generate(network, batch)
        fake = drawn.faces
        real, lips, masks = (part.flatten(0, 1) for part in (batch.faces, batch.lips, batch.masks))
        scales = scale_masks(lips, masks, self.size.unit)
        compared = scales[: self.options.scales]
        parts: LossParts = {"pixel": (weights.pixel, masked_difference(fake, real, compared))}
        if self._features is not None:
            self._features.to(fake.device)
            parts["perceptual"] = (weights.perceptual, two_scale_perceptual(self._features, fake, real))
        if weights.attribute > 0:
            parts["attribute"] = (weights.attribute, attribute_loss(drawn.aligned, drawn.landmarks))
        if weights.contrastive > 0:
            found = contrastive(drawn.face_embedding, drawn.sound_embedding, self.options.temperature)
            parts["contrastive"] = (weights.contrastive, found)
        if drawn.motion is not None:
            away = masks * (1 - scales[2])
            parts["moved"] = (weights.moved, moved_difference(drawn.motion, real, masks))
            parts["cover"] = (weights.cover, (drawn.motion.cover * away).mean())
        if self.judge is not None:
            count = len(batch.faces)
            seen, right = (self._cut_judged(faces, lips, count) for faces in (fake, real))
            self._real, self._fake = right, seen.detach()
            parts["adversarial"] = (weights.adversarial, least_squares_generator_loss(self.judge(seen)))
        total = sum((weight * value for weight, value in parts.values()), start=fake.new_zeros(()))
        return total, {name: float(value.detach()) for name, (_, value) in parts.items()}

    def discriminator_loss(self, discriminator: nn.Module) -> tuple[torch.Tensor, dict[str, float]]:
        """Compute the discriminators' loss on the generator's last batch."""
        real, fake = discriminator(self._real), discriminator(self._fake)
        return least_squares_discriminator_loss(real, fake), {
            "real": float(real.detach().mean()),
            "fake": float(fake.detach().mean()),
        }

    @torch.no_grad()
    def mask_error(self, network: nn.Module, batch: ReferenceBatch) -> float:
        """Compute the mean absolute difference inside the masks, for a batch on the CPU."""
        fake = self._draw(network, batch)
        inside = batch.masks.expand_as(fake) > 0
        return float((fake - batch.faces)[inside].abs().mean())

    @torch.no_grad()
    def measure(self, network: nn.Module, batches: Iterable[ReferenceBatch]) -> dict[str, float]:
        """Measure the mouths of windows' first and last faces (`mouth_figures`), for batches on the CPU.

        The second drawing has but the reference with the shut mouth: what leaks is how much less the mouth then opens.
        """
        parts: list[list[torch.Tensor]] = []
        for batch in batches:
            shut = batch.references[:, :1].expand_as(batch.references)
            fake, again = (self._draw(network, batch._replace(references=part)) for part in (batch.references, shut))
            shown = [part[:, -1:].expand_as(batch.faces) for part in (batch.references, shut)]
            faces = [fake, batch.faces, shown[0], again, shown[1]]
            parts.append([pick_ends(part.flatten(0, 1), len(batch.faces)) for part in faces])
        return measure_mouths(*(to_pictures(torch.cat(part)) for part in zip(*parts, strict=True)))

    @torch.no_grad()
    def draw_samples(self, network: nn.Module, batch: ReferenceBatch) -> torch.Tensor:
        """Draw input, landmarks, a reference, result and truth of the windows' middle frames: (rows, 5, 3, H, W)."""
        fake = self._draw(network, batch)
        middle = batch.faces.shape[1] // 2
        hidden = batch.faces * (1 - batch.masks) + 0.5 * batch.masks
        landmarks = batch.landmarks.expand_as(batch.faces)
        columns = (*(part[:, middle] for part in (hidden, landmarks)), batch.references[:, -1])
        columns = (*columns, fake[:, middle], batch.faces[:, middle])
        return torch.stack([column[:_SAMPLE_ROWS] for column in columns], 1)

    def _draw(self, network: nn.Module, batch: ReferenceBatch) -> torch.Tensor:
        """Draw a batch's faces (n, F, 3, H, W) on the network's device, and give them back on the CPU."""
        device = next(network.parameters()).device
        drawn = generate(network, ReferenceBatch(*(part.to(device) for part in batch)))
        return drawn.faces.float().cpu().unflatten(0, batch.faces.shape[:2])

    def _cut_judged(self, faces: torch.Tensor, lips: torch.Tensor, windows: int) -> torch.Tensor:
        """Cut the mouths that are judged, (windows, F, 3, P, P), RGB in -1..1."""
        mouths, outlines = (cut_mouth_region(part, self.size) for part in (faces, lips))
        return (cut_mouths(mouths, outlines) * 2 - 1).unflatten(0, (windows, -1))


def generate(network: nn.Module, batch: ReferenceBatch) -> G4GDrawn:
    """Draw all faces of a batch, on its device: n F faces."""
    frames = batch.faces.shape[1]
    drawn: G4GDrawn = network(
        batch.sounds.flatten(0, 1),
        batch.faces.flatten(0, 1),
        batch.masks.flatten(0, 1),
        batch.references.repeat_interleave(frames, 0),
        batch.landmarks.flatten(0, 1),
    )
    return drawn


def attribute_loss(aligned: torch.Tensor, landmarks: torch.Tensor) -> torch.Tensor:
    """Compute Eq. 12: one minus the cosine of the aligned feature and the landmarks', (n, d) each, as a mean."""
    return (1 - cosine_similarity(aligned.float(), landmarks.float(), dim=1)).mean()


def two_scale_perceptual(features: nn.Module, fake: torch.Tensor, real: torch.Tensor) -> torch.Tensor:
    """Compute Eq. 13: the differences of feature maps, at full and at half size, halved.

    Args:
        features: of `faces.perceptual.load_features`.
        fake: (n, 3, H, W), RGB in 0..1.
        real: (n, 3, H, W), RGB in 0..1.
    """
    total = fake.new_zeros(())
    for shown, right in ((fake, real), (avg_pool2d(fake, 2), avg_pool2d(real, 2))):
        with torch.no_grad():
            wanted = features(right)
        total = total + perceptual(features(shown), wanted) / 2
    return total


def scale_masks(lips: torch.Tensor, masks: torch.Tensor, unit: int) -> list[torch.Tensor]:
    """Make the masks of Eq. 15, the largest first: the whole crop, the mask, the lips and what is around, the lips.

    Args:
        lips: (n, 1, H, W), 1 on the lips and between them.
        masks: (n, 1, H, W), 1 where the face is drawn.
        unit: pixels of a unit.
    """
    grown = [max_pool2d(lips, 2 * int(share * unit) + 1, 1, int(share * unit)) for share in _GROWTH[::-1]]
    return [torch.ones_like(masks), masks, *grown]


def masked_difference(fake: torch.Tensor, real: torch.Tensor, scales: Sequence[torch.Tensor]) -> torch.Tensor:
    """Compute Eq. 15: the mean over masks of the mean absolute difference under each.

    Args:
        fake: (n, 3, H, W).
        real: (n, 3, H, W).
        scales: masks (n, 1, H, W). An empty one counts nothing.
    """
    difference = (fake - real).abs().mean(1, keepdim=True)
    parts = [(difference * mask).sum() / mask.sum().clamp(min=1) for mask in scales]
    return torch.stack(parts).mean()


def moved_difference(motion: G4GMotion, real: torch.Tensor, masks: torch.Tensor) -> torch.Tensor:
    """Compute the mean absolute difference of the moved references under masks, weighted by the attention.

    Each reference must be right where it is chosen. Were their sum compared, several that are wrong each would be mixed
    to a blur that is right on average.

    Args:
        motion: of the network.
        real: (n, 3, H, W).
        masks: (n, 1, H, W).
    """
    difference = (motion.moved - real[:, None]).abs().mean(2)
    share = interpolate(motion.attention, real.shape[2:], mode="bilinear", align_corners=False)
    return ((difference * share).sum(1, keepdim=True) * masks).sum() / masks.sum().clamp(min=1)


def cut_mouth_region(pictures: torch.Tensor, size: G4GSize) -> torch.Tensor:
    """Cut the mouth region (n, c, 8 units, 8 units) out of crops (n, c, H, W)."""
    top, left, side = (size.unit * value for value in (MOUTH_TOP, MOUTH_LEFT, MOUTH))
    return pictures[..., top : top + side, left : left + side]
