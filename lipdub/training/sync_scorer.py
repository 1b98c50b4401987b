"""`lipdub train sync-scorer`: AVSyncNet on GRID (paper 003, section 3.4).

Five frames of a mouth are to be told from the sounds of the same clip at other times: same talker, same room, same day.
Of every clip of a batch some moments are taken; each moment's sound is right for its own frames and wrong for all the
others'.

What GRID's one talker teaches carries over to other people in part only (`tests/bench/sync_scorer.py`, talking clips; areas
under the ROC curve of 1 s windows): 0.86 to 0.90 in three trainings of the small size, where `lipdub.metrics.sync`, which
needs none of this, has 0.96. More steps (1500 for 1000) matched more of GRID's own moments and stronger changes fewer, and
neither more of other people's. After the same 500 steps "infonce" had 0.84 and "bce" 0.83, or 0.89 and 0.86 less the mean
over all lags: hence the default. No weights are shipped.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Literal, get_args

import numpy as np
import torch
from torch.nn import functional

from lipdub.faces import lowerface
from lipdub.metrics import avsync
from lipdub.networks.avsyncnet import FRAMES, AVSyncNet, AVSyncNetSize
from lipdub.speech import mel
from lipdub.training import grid as grid_corpus
from lipdub.training.augment import disturbed
from lipdub.training.augment_faces import FaceChanges, VoiceChanges, face_views, voice_views
from lipdub.training.loop import LoopOptions, run_loop

Loss = Literal["infonce", "bce"]
LOSSES: tuple[Loss, ...] = get_args(Loss)
_CHECK_EVERY = 42  # of the clips, one is not trained on but checked with
_CHECK_SEED = 7


@dataclass(frozen=True)
class SyncScorerTraining:
    """What decides the result besides the seed. steps: optimiser steps; minutes: end by wall time (0: by steps alone,
    which is reproducible); clips, moments: of a batch, and of each of its clips; apart: frames by which two moments must
    differ for the one's sound to be wrong for the other; loss: "infonce", cross-entropy over the clip's sounds (van den
    Oord et al., "Representation Learning with Contrastive Predictive Coding", 2018), both ways, or "bce", binary
    cross-entropy of each pair, wrong ones together weighing as much as right ones (paper 003); variants: of each clip's
    sound, all but the first disturbed; faces, voices: further changes, drawn anew for each batch."""

    steps: int = 1000
    minutes: float = 0.0
    clips: int = 16
    moments: int = 12
    apart: int = 3
    rate: float = 1e-3
    decay: float = 0.05
    loss: Loss = "infonce"
    variants: int = 4
    precision: str = "bf16"
    save_every: int = 250
    size: AVSyncNetSize = AVSyncNetSize.small()
    faces: FaceChanges = field(default_factory=FaceChanges)
    voices: VoiceChanges = field(default_factory=VoiceChanges)


@dataclass(frozen=True)
class Talks:
    """Clips at 25 fps. crops: uint8 (clips, frames, H, W) of luma or (clips, frames, H, W, 3) RGB, lower half faces with
    their margin (`lowerface.margined`); mels: (variants, clips, 80, columns) as `speech.mel` has them."""

    crops: np.ndarray
    mels: np.ndarray

    def __len__(self) -> int:
        return len(self.crops)

    def part(self, which: Sequence[int]) -> Talks:
        """Some of the clips, in memory."""
        return Talks(self.crops[list(which)], self.mels[:, list(which)])

    def moments(self) -> int:
        """How many moments of a clip have five frames and their sound."""
        columns = (self.mels.shape[3] - mel.COLUMNS) / mel.COLUMN_RATE
        return min(self.crops.shape[1] - FRAMES, int(columns * grid_corpus.FPS + 1e-6)) + 1

    def stacks(self, clip: int, moments: np.ndarray) -> torch.Tensor:
        """Five frames from each of the moments on: (n * 5 [* 3], H, W) in 0..1."""
        frames = self.crops[clip][(moments[:, None] + np.arange(FRAMES)).ravel()]
        if frames.ndim == 4:
            frames = frames.transpose(0, 3, 1, 2).reshape(-1, *frames.shape[1:3])
        return torch.from_numpy(frames).float() / 255

    def sounds(self, clip: int, moments: np.ndarray, variant: int = 0) -> torch.Tensor:
        """The mel windows (n, 80, 16) that begin with the moments' first frames."""
        starts = np.round(moments / grid_corpus.FPS * mel.COLUMN_RATE).astype(np.int64)
        return torch.from_numpy(mel.windows(np.asarray(self.mels[variant, clip], np.float32), starts))


def train(
    out: Path,
    *,
    grid: Path,
    workdir: Path | None = None,
    minutes: float = 0.0,
    steps: int | None = None,
    seed: int = 0,
    threads: int = 2,
    device: str = "cpu",
    options: SyncScorerTraining | None = None,
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Train AVSyncNet on GRID's clips but those held out, and write its weights.

    out: the safetensors file to write (replaced whole at the end); grid: folder of the GRID clips; workdir: where
    landmarks, crops, sounds and checkpoints are kept, by default beside `out`: a stopped run called again goes on from
    there; device: torch's name of it; progress: called with one line of text now and then. Returns `out`.
    """
    options = options or SyncScorerTraining()
    options = replace(options, steps=steps or options.steps, minutes=minutes or options.minutes)
    say = progress or (lambda text: None)
    workdir = Path(workdir) if workdir else out.with_suffix(".work")
    workdir.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(max(threads, 1))
    words = grid_corpus.clip_words(grid)
    apart = set(grid_corpus.held_out(words))
    names = [name for name in sorted(words) if name not in apart]
    talks = of_grid(grid, workdir, names, options, seed, progress=say)
    check = list(range(0, len(talks), _CHECK_EVERY)) if len(talks) > _CHECK_EVERY else []
    learn = [i for i in range(len(talks)) if i not in set(check)]
    folder = workdir / f"sync-{_key(options, seed)}"
    network = train_scorer(talks, learn, folder, options, seed=seed, device=device, progress=say)
    figures = {}
    if check:
        figures = {"matched": round(matched(network, talks.part(check), options), 4)}
        say(f"sync: {100 * figures['matched']:.1f} % of the checked moments find their own sound among {options.moments}")
    return export(out, network, {"seed": seed, "training": asdict(options), "figures": figures})


def of_grid(
    grid: Path,
    workdir: Path,
    names: Sequence[str],
    options: SyncScorerTraining,
    seed: int,
    *,
    progress: Callable[[str], None] | None = None,
) -> Talks:
    """GRID's clips as this training sees them; crops and sounds are kept in `workdir`."""
    size = options.size
    crops = workdir / f"lower-faces-{size.height}x{size.width}-{'grey' if size.grey else 'rgb'}.npy"
    sounds = workdir / f"sounds-{options.variants}-{seed}.npz"
    if not (_holds(crops.with_suffix(".json"), names) and crops.exists()):
        _make_crops(crops, grid, grid_corpus.load(grid, workdir, names, progress=progress), size, progress)
    if not (_holds(sounds.with_suffix(".json"), names) and sounds.exists()):
        _make_sounds(sounds, grid_corpus.load(grid, workdir, names, progress=progress), options.variants, seed)
    with np.load(sounds) as kept:
        return Talks(np.load(crops, mmap_mode="r"), kept["mels"])


def _holds(listing: Path, names: Sequence[str]) -> bool:
    return listing.exists() and json.loads(listing.read_text(encoding="utf-8")) == list(names)


def _make_crops(
    path: Path,
    grid: Path,
    sentences: Sequence[grid_corpus.Sentence],
    size: AVSyncNetSize,
    progress: Callable[[str], None] | None,
) -> None:
    import cv2

    high, wide = lowerface.margined(size.height), lowerface.margined(size.width)
    shape = (len(sentences), grid_corpus.FRAMES, high, wide) + (() if size.grey else (3,))
    beside = path.with_suffix(".tmp.npy")
    crops = np.lib.format.open_memmap(beside, "w+", np.uint8, shape)
    for i, sentence in enumerate(sentences):
        capture = cv2.VideoCapture(str(grid / "clips" / f"{sentence.name}.mp4"))
        frames: list[np.ndarray] = []
        while len(frames) < grid_corpus.FRAMES and (read := capture.read())[0]:
            frames.append(cv2.cvtColor(read[1], cv2.COLOR_BGR2GRAY if size.grey else cv2.COLOR_BGR2RGB))
        capture.release()
        seen = avsync.lower_faces(frames, sentence.landmarks[: len(frames)], 1 / grid_corpus.FPS, size)
        crops[i, : len(seen)] = seen
        crops[i, len(seen) :] = seen[-1]
        if progress and (i + 1) % 100 == 0:
            progress(f"crops: {i + 1} of {len(sentences)} clips")
    crops.flush()
    os.replace(beside, path)
    _list(path, sentences)


def _make_sounds(path: Path, sentences: Sequence[grid_corpus.Sentence], variants: int, seed: int) -> None:
    mels = []
    for variant in range(variants):
        rng = np.random.default_rng((seed, variant))
        rows, before = [], None
        for sentence in sentences:
            audio = disturbed(sentence.audio, rng, before) if variant else sentence.audio
            rows.append(avsync.spectrogram(audio).astype(np.float16))
            before = sentence.audio
        mels.append(np.stack(rows))
    beside = path.with_suffix(".tmp.npz")
    np.savez(beside, mels=np.stack(mels))
    os.replace(beside, path)
    _list(path, sentences)


def _list(path: Path, sentences: Sequence[grid_corpus.Sentence]) -> None:
    path.with_suffix(".json").write_text(json.dumps([s.name for s in sentences]), encoding="utf-8")


def train_scorer(
    talks: Talks,
    clips: Sequence[int],
    folder: Path,
    options: SyncScorerTraining,
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> AVSyncNet:
    """Train (or go on training) on these clips; checkpoints lie in `folder` (`training.loop`). Returns the averaged
    network, in evaluation mode. ValueError for an unknown loss."""
    if options.loss not in LOSSES:
        raise ValueError(f"loss is {options.loss!r}, not one of {', '.join(LOSSES)}")
    torch.manual_seed(seed)
    network = AVSyncNet(options.size)
    network.to(memory_format=torch.channels_last)  # a fifth less time on a CPU

    def draw(number: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return batch(talks, clips, options, np.random.default_rng((seed, number)))

    def loss_of(
        net: torch.nn.Module, drawn: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    ) -> tuple[torch.Tensor, dict[str, float]]:
        mels, faces, moments = drawn
        sound, mouth = net(mels.flatten(0, 1)[:, None], faces.flatten(0, 1))
        shape = (*moments.shape, -1)
        cosine = mouth.float().reshape(shape) @ sound.float().reshape(shape).transpose(1, 2)
        logits = getattr(net, "module", net).logit(cosine)
        wrong = (moments[:, :, None] - moments[:, None]).abs() >= options.apart
        right = (logits.masked_fill(~wrong, -torch.inf).amax(2) < logits.diagonal(dim1=1, dim2=2)).float().mean()
        return pair_loss(logits, wrong, options.loss), {"matched": float(right)}

    loop = LoopOptions(
        steps=options.steps,
        minutes=options.minutes,
        rate=options.rate,
        decay=options.decay,
        warmup=min(200, options.steps // 10 + 1),
        precision=options.precision,
        save_every=options.save_every,
    )
    tell = (lambda text: progress(f"sync: {text}")) if progress else None
    trained = run_loop(network, draw, loss_of, folder, loop, device=device, seed=seed, progress=tell)
    assert isinstance(trained, AVSyncNet)
    return trained


def batch(
    talks: Talks, clips: Sequence[int], options: SyncScorerTraining, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Moments of clips drawn by chance: mel windows (clips, moments, 80, 16), stacks of faces (clips, moments, channels,
    height, width), changed by chance, and the moments' first frames (clips, moments)."""
    size = options.size
    which = rng.choice(clips, options.clips, replace=len(clips) < options.clips)
    firsts = np.stack([np.sort(rng.permutation(talks.moments())[: options.moments]) for _ in which])
    pairs = [(int(c), f) for c, f in zip(which, firsts, strict=True)]
    faces = torch.stack([talks.stacks(c, f) for c, f in pairs])
    sounds = torch.stack([talks.sounds(c, f, int(rng.integers(len(talks.mels)))) for c, f in pairs])
    faces = face_views(faces, size.height, size.width, rng, options.faces)
    faces = faces.reshape(*firsts.shape, -1, size.height, size.width)
    return voice_views(sounds, rng, options.voices), faces, torch.from_numpy(firsts)


def pair_loss(logits: torch.Tensor, wrong: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Of logits (clips, mouths, sounds), whose diagonals belong together and whose pairs `wrong` (bool) do not; pairs
    that are neither do not count. loss: see `SyncScorerTraining`."""
    own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device).expand_as(logits)
    if loss == "bce":
        return (functional.softplus(-logits[own]).mean() + functional.softplus(logits[wrong]).mean()) / 2
    counted = logits.masked_fill(~(wrong | own), -torch.inf)
    both = counted.log_softmax(2) + counted.log_softmax(1)
    return -both[own].mean() / 2


@torch.no_grad()
def matched(network: AVSyncNet, talks: Talks, options: SyncScorerTraining) -> float:
    """Share of moments, of clips as they are, whose own sound is the nearest of as many as in training."""
    rng, size = np.random.default_rng(_CHECK_SEED), options.size
    right = 0.0
    for clip in range(len(talks)):
        moments = np.sort(rng.permutation(talks.moments())[: options.moments])
        faces = avsync.middle(talks.stacks(clip, moments), size.height, size.width)
        faces = faces.reshape(len(moments), -1, size.height, size.width)
        sound, mouth = network(talks.sounds(clip, moments)[:, None], faces)
        cosine = (mouth @ sound.T).numpy()
        wrong = np.abs(moments[:, None] - moments) >= options.apart
        right += float((np.where(wrong, cosine, -np.inf).max(1) < cosine.diagonal()).mean())
    return right / max(len(talks), 1)


def export(out: Path, network: AVSyncNet, notes: dict) -> Path:
    """Write a weights file (float16); whole or not at all. Returns its path."""
    from safetensors.torch import save_file

    state = {k: v.half() if v.is_floating_point() else v for k, v in network.state_dict().items()}
    out.parent.mkdir(parents=True, exist_ok=True)
    beside = out.with_name(out.name + ".tmp")
    # one entry only: safetensors writes several in an order of its own each time
    about = {avsync.FORMAT: json.dumps({"size": asdict(network.size), "notes": notes})}
    save_file({k: v.contiguous() for k, v in state.items()}, str(beside), about)
    os.replace(beside, out)
    return out


def _key(options: SyncScorerTraining, seed: int) -> str:
    """A name for the checkpoints of this training: another set of options is another training."""
    import hashlib

    told = json.dumps([asdict(replace(options, minutes=0.0, save_every=0)), seed])
    return hashlib.sha256(told.encode()).hexdigest()[:12]
