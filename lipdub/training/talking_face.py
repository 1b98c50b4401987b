"""`lipdub train silent-lip` and `lipdub train stabilized`: the generators of paper 003 ("Audio-driven Talking Face Generation
with Stabilized Synchronization Loss", sections 3.2 to 3.5).

Both are the same network on the same windows. The silent-lip generator learns to draw a face anew with its sound by
reconstruction and GAN losses alone, and shuts the mouth when it is given silence. The talking-face generator is shown references
that the silent-lip generator has shut, and learns by the synchronization and triplet losses besides (Eq. 5).

The ablations of the paper's table 2 are settings: `silent = false` shows the references as they are, `sync_loss` takes the
plain lip-sync loss or none, `triplet_loss` the vanilla one.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn
from torch.nn.functional import interpolate

from lipdub.errors import UsageError
from lipdub.metrics import avsync
from lipdub.networks.avsyncnet import FRAMES, AVSyncNet
from lipdub.networks.face_discriminator import FaceDiscriminator
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize, hide_lower_half
from lipdub.networks.talking_face import close_mouths
from lipdub.training.card import checkpoint_folder, collect_notes
from lipdub.training.dataset import Dataset, OnBad, open_dataset, open_held_out
from lipdub.training.face_augmentation import gaussian_blur
from lipdub.training.face_windows import WindowBatch, WindowSampler, WindowSampling
from lipdub.training.loop import Adversary, LoopOptions, run_loop
from lipdub.training.losses.adaptive_triplet import adaptive_triplet, triplet
from lipdub.training.losses.adversarial import discriminator_loss, generator_loss
from lipdub.training.losses.lip_sync import lip_sync
from lipdub.training.losses.perceptual import load_features, perceptual
from lipdub.training.losses.stabilized_sync import similarity, stabilized_sync
from lipdub.weights import talking_face_file
from lipdub.weights.talking_face_file import TalkingFaceModel

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import numpy as np

_VALIDATION = 8  # batches
_SAMPLES = 4  # rows of a picture


@dataclass(frozen=True)
class LossWeights:
    """Of the parts of the loss, Eq. 5. mouth: how many times more a pixel counts in the middle of the lower half, where the mouth is,
    than elsewhere (1: as the paper has it); pixel, perceptual, sync and triplet are the paper's lambda 1 to 4, which are 10, 1, 2 and
    0.5 there; 2 is too much for an AVSyncNet in small. other: of the sync regularizer of an adaptation (`training.adapt`), the
    lip-sync loss with other speech.
    """

    pixel: float = 10.0
    mouth: float = 1.0
    perceptual: float = 1.0
    sync: float = 0.5
    triplet: float = 0.5
    adversarial: float = 1.0
    other: float = 0.0


@dataclass(frozen=True)
class GeneratorOptions:
    """What decides a generator besides its data and the seed.

    size: of a generator that is begun anew; draw: which windows; weights: of the losses (the silent-lip generator has neither sync
    nor triplet); silent: references are shut by the silent-lip generator; sync_loss: "stabilized" (Eq. 3), "plain" (cross-entropy
    of the similarity, for the ablation) or "none"; triplet_loss: "adaptive" (Eq. 2), "vanilla" or "none"; epsilon: of Eq. 3; alpha:
    of Eq. 2; blur: sigma, in pixels of AVSyncNet's faces, of what it is shown: what it takes for lips that say the sound can else be
    a pattern too fine to be lips, which a generator soon finds; begin: the talking-face generator's first weights: "silent", those
    of the silent-lip generator, or "new".
    """

    size: FaceGeneratorSize = FaceGeneratorSize.small()
    draw: WindowSampling = WindowSampling()
    weights: LossWeights = LossWeights()
    silent: bool = True
    sync_loss: Literal["stabilized", "plain", "none"] = "stabilized"
    triplet_loss: Literal["adaptive", "vanilla", "none"] = "adaptive"
    epsilon: float = 0.01
    alpha: float = 1.0
    blur: float = 1.0
    begin: Literal["silent", "new"] = "silent"
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            steps=1800, rate=6e-4, decay=0.0, betas=(0.5, 0.999), warmup=50, average=0.995, precision="bf16", workers=-1
        )
    )


def train_silent_lip(out: Path, *, data: Path, sync: Path, options: GeneratorOptions | None = None, **how: Any) -> Path:
    """Train the silent-lip generator G_S and write it, with AVSyncNet, as a talker's file (`weights.talker`).

    Args:
        out: the file. data: a dataset of `lipdub prepare`. sync: AVSyncNet, of `lipdub train sync-scorer`. how: see `trained`.

    Raises:
        InputError: no such dataset. WeightsError: no such network. UsageError: sizes that do not go together.
    """
    options = options or GeneratorOptions()
    options = replace(options, silent=False, sync_loss="none", triplet_loss="none", begin="new")
    heard = avsync.load_avsyncnet(sync)
    if not isinstance(heard, AVSyncNet):
        raise UsageError(f"{sync} holds a SyncNet", hint="Train AVSyncNet: lipdub train sync-scorer.")
    return _train("silent-lip", out, data, TalkingFaceModel(heard), options, **how)


def train_stabilized(
    out: Path, *, data: Path, silent: Path, options: GeneratorOptions | None = None, **how: Any
) -> Path:
    """Train the talking-face generator G_L and write it with what it needs as a talker's file.

    Args:
        out, data, how: see `train_silent`. silent: a file with a silent-lip generator.

    Raises:
        InputError, WeightsError, UsageError.
    """
    model = talking_face_file.load(silent)
    if model.silent is None:
        raise UsageError(f"{silent} holds no silent-lip generator", hint="lipdub train silent-lip makes one.")
    return _train("stabilized", out, data, model, options or GeneratorOptions(), **how)


def _train(
    name: str,
    out: Path,
    data: Path,
    model: TalkingFaceModel,
    options: GeneratorOptions,
    *,
    workdir: Path | None = None,
    seed: int = 0,
    threads: int = 2,
    device: str = "cpu",
    on_bad: OnBad = "skip",
    progress: Callable[[str], None] | None = None,
) -> Path:
    """workdir: where checkpoints are kept, by default beside `out`: a stopped training called again goes on from there; device:
    "auto", or torch's name of it; on_bad: what a damaged shard does; progress: called with one line of text now and then.
    """
    say = progress or (lambda text: None)
    torch.set_num_threads(max(threads, 1))
    folder = checkpoint_folder(workdir, out, name, options, seed, model.sync, model.silent)
    learn = open_dataset(data, split="train", on_bad=on_bad, tell=say)
    check = open_held_out(data, on_bad=on_bad, tell=say)
    generator = train_generator(name, learn, check, model, folder, options, seed=seed, device=device, progress=say)
    notes = collect_notes(learn, options, seed)
    silent, talking = (generator, None) if name == "silent-lip" else (model.silent, generator)
    told = {**model.notes, name: notes, "remark": _remark(notes["speakers"])}
    return talking_face_file.save(out, TalkingFaceModel(model.sync, silent, talking, told))


def _remark(speakers: Sequence[str]) -> str:
    """What a person should know of a model with this training."""
    if len(speakers) == 1:
        return f"trained on one speaker ({speakers[0]}): a demonstration, not made for other people unless it is adapted to them"
    return f"trained on {len(speakers)} speakers"


def train_generator(
    name: str,
    learn: Dataset,
    check: Dataset | None,
    model: TalkingFaceModel,
    folder: Path,
    options: GeneratorOptions,
    *,
    seed: int = 0,
    device: str = "cpu",
    begin: FaceGenerator | None = None,
    others: Sequence[np.ndarray] = (),
    shares: Mapping[str, float] | None = None,
    progress: Callable[[str], None] | None = None,
) -> FaceGenerator:
    """Train (or go on training) a generator; checkpoints, figures and pictures lie in `folder` (`training.loop`).

    Args:
        check: clips that are looked at and validated on, None for those that are learnt. model: what it hears by, and the
            silent-lip generator. begin: first weights, over `options.begin`. others, shares: other speech, and how often
            each video is drawn (`FaceWindows`).

    Returns:
        the averaged generator, in evaluation mode.
    """
    torch.manual_seed(seed)
    if begin is None and options.begin == "silent":
        begin = model.silent
    if begin is not None and begin.size.pixels != learn.size:
        raise UsageError(f"the generator has {begin.size.pixels} pixels, the dataset {learn.size}")
    size = begin.size if begin is not None else replace(options.size, pixels=learn.size, sound=model.sync.size.features)
    generator = FaceGenerator(size)
    if begin is not None:
        generator.load_state_dict(begin.state_dict())
    generator.to(memory_format=torch.channels_last)
    objective = GeneratorObjective(model, FaceDiscriminator(size), options, progress or (lambda text: None))
    windows = WindowSampler(learn, options.draw, seed, others, shares)
    looked = WindowSampler(check if check is not None else learn, options.draw, seed)

    def validate(network: nn.Module) -> float:
        rows = [objective.plain(network, looked.plain(n)) for n in range(_VALIDATION)]
        return sum(rows) / len(rows)

    def samples(network: nn.Module) -> torch.Tensor:
        return objective.pictures(network, looked.plain(0))

    tell = (lambda text: progress(f"{name}: {text}")) if progress else None
    made = run_loop(
        generator,
        windows.draw,
        objective.loss,
        folder,
        options.loop,
        device=device,
        seed=seed,
        progress=tell,
        validate=validate,
        samples=samples,
        adversary=Adversary(objective.discriminator, objective.against) if options.weights.adversarial > 0 else None,
    )
    assert isinstance(made, FaceGenerator)
    return made


class GeneratorObjective:
    """The loss of a generator on a batch, and of its discriminator on what came out; the frozen networks they need follow the
    batch to its device.

    Parts are summed over the faces of a window alike; those of weight zero are not computed. Raises UsageError for batches of
    one face, and for windows that AVSyncNet, where it is asked, cannot look at.
    """

    def __init__(
        self,
        model: TalkingFaceModel,
        discriminator: FaceDiscriminator,
        options: GeneratorOptions,
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        weights = options.weights
        if options.draw.frames != FRAMES and (weights.other > 0 or (weights.sync > 0 and options.sync_loss != "none")):
            raise UsageError(f"with a synchronization loss draw.frames must be {FRAMES}, not {options.draw.frames}")
        if options.draw.frames * options.draw.windows < 2:
            raise UsageError("a batch must have two faces or more (draw.windows, draw.frames)")
        self.options, self.discriminator = options, discriminator
        self._sync, self._silent = _frozen(model.sync), _frozen(model.silent)
        self._features: nn.Module | None = None
        if weights.perceptual > 0 or (weights.triplet > 0 and options.triplet_loss != "none"):
            self._features, which = load_features(say)
            say(f"perceptual features: {which}")
        self._real = self._fake = torch.empty(0)

    def loss(self, network: nn.Module, batch: WindowBatch) -> tuple[torch.Tensor, dict[str, float]]:
        """Eq. 5 for a batch, and its parts."""
        options, weights = self.options, self.options.weights
        real, references, sounds = self._shown(batch)
        made = network(sounds.flatten(0, 1), hide_lower_half(real), references)
        self._real, self._fake = real, made.detach()
        parts: dict[str, tuple[float, torch.Tensor]] = {"pixel": (weights.pixel, _apart(made, real, weights.mouth))}
        if self._features is not None:
            found, true = self._features(made), [value.detach() for value in self._features(real)]
            parts["perceptual"] = (weights.perceptual, perceptual(found, true))
            if options.triplet_loss != "none" and weights.triplet > 0:
                with torch.no_grad():
                    other = self._features(references)[-1]
                far = adaptive_triplet if options.triplet_loss == "adaptive" else triplet
                at, to, off = (
                    value.float().flatten(1) / value[0].numel() ** 0.5 for value in (found[-1], true[-1], other)
                )
                parts["triplet"] = (weights.triplet, far(at, to, off, options.alpha))
        if options.sync_loss != "none" and weights.sync > 0:
            heard = sounds[:, sounds.shape[1] // 2]
            x = similarity(self._lips(made, len(sounds)), heard)
            with torch.no_grad():
                y, d = (similarity(self._lips(faces, len(sounds)), heard) for faces in (real, references))
            if options.sync_loss == "stabilized":
                parts["sync"] = (weights.sync, stabilized_sync(x, y, d, options.epsilon))
            else:
                parts["sync"] = (weights.sync, lip_sync(self._sync.logit(x)))
            parts["similarity"] = (0.0, (x - y).detach().abs().mean())
        if weights.other > 0 and len(batch.others):
            others = self._heard(batch.others)
            said = network(others.flatten(0, 1), hide_lower_half(real), references)
            x = similarity(self._lips(said, len(others)), others[:, others.shape[1] // 2])
            parts["other"] = (weights.other, lip_sync(self._sync.logit(x)))
        if weights.adversarial > 0:
            parts["adversarial"] = (weights.adversarial, generator_loss(self.discriminator(made)))
        total = sum((weight * value for weight, value in parts.values() if weight), start=made.new_zeros(()))
        return total, {name: float(value.detach()) for name, (_, value) in parts.items()}

    def against(self, discriminator: nn.Module) -> tuple[torch.Tensor, dict[str, float]]:
        """The discriminator's loss on what the generator made last."""
        return discriminator_loss(discriminator(self._real), discriminator(self._fake)), {}

    @torch.no_grad()
    def plain(self, network: nn.Module, batch: WindowBatch) -> float:
        """Mean absolute difference of the lower halves, of a batch on the CPU."""
        made, real, _ = self._made(network, batch)
        half = real.shape[2] // 2
        return float((made - real)[:, :, half:].abs().mean())

    @torch.no_grad()
    def pictures(self, network: nn.Module, batch: WindowBatch) -> torch.Tensor:
        """What is given, made and true of the windows' middle faces: (rows, 4, 3, P, P)."""
        made, real, references = self._made(network, batch)
        middle = batch.faces.shape[1] // 2
        columns = (hide_lower_half(real), references, made, real)
        return torch.stack([c.unflatten(0, batch.faces.shape[:2])[:_SAMPLES, middle] for c in columns], 1)

    def _made(self, network: nn.Module, batch: WindowBatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        device = next(network.parameters()).device
        real, references, sounds = self._shown(WindowBatch(*(part.to(device) for part in batch)))
        return network(sounds.flatten(0, 1), hide_lower_half(real), references), real, references

    @torch.no_grad()
    def _shown(self, batch: WindowBatch) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Faces and references (n F, 3, P, P), these as the generator sees them, and embeddings of the sounds (n, F, features)."""
        device = batch.faces.device
        real = batch.faces.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        references = batch.references.flatten(0, 1).contiguous(memory_format=torch.channels_last)
        for network in (self._sync, self._silent, self._features):
            if network is not None:
                network.to(device)
        if self.options.silent and self._silent is not None:
            references = close_mouths(self._silent, self._sync, references)
        return real, references, self._heard(batch.sounds)

    @torch.no_grad()
    def _heard(self, sounds: torch.Tensor) -> torch.Tensor:
        """Embeddings (n, F, features) of mel windows (n, F, 80, 16)."""
        return self._sync.audio_features(sounds.flatten(0, 1)[:, None]).float().unflatten(0, sounds.shape[:2])

    def _lips(self, faces: torch.Tensor, windows: int) -> torch.Tensor:
        """AVSyncNet's embeddings (windows, features) of faces (5 * windows, 3, P, P)."""
        size, half = self._sync.size, faces.shape[2] // 2
        lower = faces[:, :, half:]
        if lower.shape[2:] != (size.height, size.width):
            lower = interpolate(lower, (size.height, size.width), mode="bilinear", antialias=True)
        if self.options.blur > 0:
            lower = gaussian_blur(lower, self.options.blur)
        return self._sync.image_features(lower.unflatten(0, (windows, -1)).flatten(1, 2)).float()


def _apart(made: torch.Tensor, real: torch.Tensor, mouth: float) -> torch.Tensor:
    """Mean absolute difference of faces (n, 3, P, P), with those of the mouth's part counted so many times."""
    apart, size = (made - real).abs(), made.shape[2]
    if mouth == 1:
        return apart.mean()
    part = apart[:, :, 5 * size // 8 : 15 * size // 16, size // 4 : 3 * size // 4]
    return apart.mean() + (mouth - 1) * part.sum() / apart.numel()


def _frozen(network: Any) -> Any:
    return network.eval().requires_grad_(False) if network is not None else None
