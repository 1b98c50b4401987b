"""`lipdub train sync-scorer`: AVSyncNet (paper 003, section 3.4) on a dataset of `lipdub prepare`.

Five frames of a mouth are to be told from the sounds of the same clip at other times: same talker, same room, same day.
Of every clip of a batch some moments are taken; each moment's sound is right for its own frames and wrong for all the
others'.

What GRID's one talker teaches carries over to other people in part only (`tests/bench/sync_scorer.py --talking`; areas
under the ROC curve of 1 s windows): 0.86 to 0.90 in three trainings of the small size, where `lipdub.metrics.sync`, which
needs none of this, has 0.96. More steps (1500 for 1000) matched more of GRID's own moments and stronger changes fewer, and
neither more of other people's. After the same 500 steps "infonce" had 0.84 and "bce" 0.83, or 0.89 and 0.86 less the mean
over all lags: hence the default. So it judges no dubs; it is what the generators of paper 003 are trained with.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch.nn import functional

from lipdub.errors import InputError, printable
from lipdub.faces.alignment import lower_face
from lipdub.metrics import avsync
from lipdub.networks.avsyncnet import FRAMES, AVSyncNet, AVSyncNetSize
from lipdub.networks.syncnet_scorer import SyncNetScorer
from lipdub.speech import mel
from lipdub.training.card import checkpoint_folder, collect_notes
from lipdub.training.dataset import Dataset, OnBad, TalkingClips, open_dataset, open_held_out
from lipdub.training.face_augmentation import FaceAugmentation, VoiceAugmentation, augment_faces, augment_spectrograms
from lipdub.training.loop import LoopOptions, run_loop
from lipdub.training.shards import FPS
from lipdub.training.speech_augmentation import augment_speech
from lipdub.weights import safetensors_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

Scorer = AVSyncNet | SyncNetScorer
Loss = Literal["infonce", "bce"]
_CHECK_SEED = 7
_CHECK_CLIPS = 40
_SOUNDS = 8192  # spectrograms kept in memory, 40 kB for three seconds


@dataclass(frozen=True)
class SyncScorerOptions:
    """What decides the result besides the data and the seed.

    network: "avsyncnet", or "syncnet", Wav2Lip's architecture (`networks.syncnet_scorer`) with `syncnet_width` channels, for
    comparison; size: of AVSyncNet; clips, moments: of a batch, and of each of its clips; only: from so many clips and as they
    are, nothing changed by chance (0: from all); apart: frames by which two moments must differ for the one's sound to be wrong
    for the other; loss: "infonce", cross-entropy over the clip's sounds (van den Oord et al., "Representation Learning with
    Contrastive Predictive Coding", 2018), both ways, or "bce", binary cross-entropy of each pair, wrong ones together weighing
    as much as right ones (paper 003); variants: of each clip's sound, all but the first disturbed; faces, voices: further
    changes, drawn anew for each batch.
    """

    network: Literal["avsyncnet", "syncnet"] = "avsyncnet"
    size: AVSyncNetSize = AVSyncNetSize.small()
    syncnet_width: int = 16
    clips: int = 16
    moments: int = 12
    only: int = 0
    apart: int = 3
    loss: Loss = "infonce"
    variants: int = 4
    faces: FaceAugmentation = field(default_factory=FaceAugmentation)
    voices: VoiceAugmentation = field(default_factory=VoiceAugmentation)
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            steps=1000, decay=0.05, warmup=100, precision="bf16", save_every=250, report_every=50, workers=1
        )
    )


class SyncClips:
    """Clips of a dataset as this training sees them: those long enough for five frames, their sounds kept once asked for.

    Variant 0 of a sound is the sound itself; others are disturbed, the same whenever they are asked for.
    """

    def __init__(self, data: Dataset, size: AVSyncNetSize, seed: int = 0) -> None:
        long = tuple(clip for clip in data.clips if clip.frames >= FRAMES)
        if not long:
            raise InputError(f"the dataset {printable(data.folder)} has no clip of {FRAMES} frames")
        self._clips = TalkingClips(replace(data, clips=long))
        self._size, self._seed = size, seed
        self._sounds: dict[tuple[int, int], np.ndarray] = {}

    def __len__(self) -> int:
        return len(self._clips)

    def moments(self, clip: int) -> int:
        """How many moments of a clip have five frames and their sound."""
        return self._clips.count(clip) - FRAMES + 1

    def stacks(self, clip: int, moments: np.ndarray) -> torch.Tensor:
        """Five frames from each of the moments on, with their margin: (n * 5 [* 3], H, W) in 0..1, at the network's scale."""
        import cv2

        at = moments[:, None] + np.arange(FRAMES)
        needed, where = np.unique(at, return_inverse=True)
        lower = self._clips.lower(clip, needed, lower_face.MARGIN)
        high, wide = lower_face.add_margin(self._size.height), lower_face.add_margin(self._size.width)
        if self._size.grey:
            lower = np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in lower])
        if lower.shape[1:3] != (high, wide):
            lower = np.stack([cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA) for picture in lower])
        frames = lower[where.ravel()]
        if frames.ndim == 4:
            frames = frames.transpose(0, 3, 1, 2).reshape(-1, high, wide)
        return torch.from_numpy(frames).float() / 255

    def sounds(self, clip: int, moments: np.ndarray, variant: int = 0) -> torch.Tensor:
        """The mel windows (n, 80, 16) that begin with the moments' first frames."""
        whole = self._sounds.get((clip, variant))
        if whole is None:
            audio = self._clips.audio(clip)
            if variant:
                before = np.resize(self._clips.audio((clip - 1) % len(self)), len(audio))
                audio = augment_speech(audio, np.random.default_rng((self._seed, variant, clip)), before)
            whole = avsync.normalized_spectrogram(audio).astype(np.float16)
            self._sounds[clip, variant] = whole
            if len(self._sounds) > _SOUNDS:  # several threads may be here: whichever goes is made again
                self._sounds.pop(next(iter(self._sounds)), None)
        starts = np.round(moments / FPS * mel.COLUMN_RATE).astype(np.int64)
        return torch.from_numpy(mel.cut_windows(whole.astype(np.float32), starts))


def train(
    out: Path,
    *,
    data: Path,
    options: SyncScorerOptions | None = None,
    workdir: Path | None = None,
    seed: int = 0,
    threads: int = 2,
    device: str = "cpu",
    on_bad: OnBad = "skip",
    progress: Callable[[str], None] | None = None,
) -> Path:
    """Train a network on the clips of a dataset but those held out, and write its weights.

    out: the safetensors file to write (replaced whole at the end); data: of `lipdub prepare`; workdir: where checkpoints are
    kept, by default beside `out`: a stopped run called again goes on from there; device: "auto", or torch's name of it; on_bad:
    what a damaged shard does; progress: called with one line of text now and then. Returns `out`. Raises InputError for what is
    no dataset.
    """
    options, say = options or SyncScorerOptions(), progress or (lambda text: None)
    torch.set_num_threads(max(threads, 1))
    folder = checkpoint_folder(workdir, out, "sync", options, seed)
    learn = open_dataset(data, split="train", on_bad=on_bad, tell=say)
    apart = open_held_out(data, on_bad=on_bad, tell=say)
    network = train_scorer(
        SyncClips(learn, _size(options), seed), folder, options, seed=seed, device=device, progress=say
    )
    figures: dict[str, float] = {}
    if apart is None:
        say("sync: the dataset has no clips held out, so there is nothing to check with")
    else:
        check = SyncClips(apart, network.size)
        figures["matched"] = round(matching_accuracy(network, check, options), 4)
        say(f"sync: {100 * figures['matched']:.1f} % of held-out moments find their own sound among {options.moments}")
    return write_weights(out, network, collect_notes(learn, options, seed, figures))


def train_scorer(
    talks: SyncClips,
    folder: Path,
    options: SyncScorerOptions,
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> Scorer:
    """Train (or go on training) on these clips; checkpoints lie in `folder` (`training.loop`). Returns the averaged
    network, in evaluation mode.
    """
    torch.manual_seed(seed)
    network: Scorer = SyncNetScorer(options.syncnet_width) if options.network == "syncnet" else AVSyncNet(options.size)
    network.to(memory_format=torch.channels_last)  # a fifth less time on a CPU

    def draw(number: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        return draw_batch(talks, options, np.random.default_rng((seed, number)))

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

    tell = (lambda text: progress(f"sync: {text}")) if progress else None
    made = run_loop(network, draw, loss_of, folder, options.loop, device=device, seed=seed, progress=tell)
    assert isinstance(made, Scorer)
    return made


def draw_batch(
    talks: SyncClips, options: SyncScorerOptions, rng: np.random.Generator
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Moments of clips drawn by chance: mel windows (clips, moments, 80, 16), stacks of faces (clips, moments, channels,
    height, width), changed by chance, and the moments' first frames (clips, moments).
    """
    size = _size(options)
    among = min(options.only, len(talks)) or len(talks)
    which = [int(c) for c in rng.choice(among, options.clips, replace=among < options.clips)]
    firsts = np.stack([_moments(talks.moments(c), options.moments, rng) for c in which])
    pairs = list(zip(which, firsts, strict=True))
    faces = torch.stack([talks.stacks(c, f) for c, f in pairs])
    variants = 1 if options.only else options.variants
    sounds = torch.stack([talks.sounds(c, f, int(rng.integers(variants))) for c, f in pairs])
    if options.only:
        faces = torch.stack([avsync.crop_middle(stack, size.height, size.width) for stack in faces])
    else:
        faces = augment_faces(faces, size.height, size.width, rng, options.faces)
        sounds = augment_spectrograms(sounds, rng, options.voices)
    return sounds, faces.reshape(*firsts.shape, -1, size.height, size.width), torch.from_numpy(firsts)


def _moments(count: int, wanted: int, rng: np.random.Generator) -> np.ndarray:
    """So many of a clip's moments by chance, in order; some come again where it has fewer."""
    return np.sort(rng.permutation(count)[:wanted] if count >= wanted else rng.integers(0, count, wanted))


def _size(options: SyncScorerOptions) -> AVSyncNetSize:
    """Of the network's faces."""
    return SyncNetScorer(2).size if options.network == "syncnet" else options.size


def pair_loss(logits: torch.Tensor, wrong: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Of logits (clips, mouths, sounds), whose diagonals belong together and whose pairs `wrong` (bool) do not; pairs
    that are neither do not count. loss: see `SyncScorerTraining`.
    """
    own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device).expand_as(logits)
    if loss == "bce":
        return (functional.softplus(-logits[own]).mean() + functional.softplus(logits[wrong]).mean()) / 2
    counted = logits.masked_fill(~(wrong | own), -torch.inf)
    both = counted.log_softmax(2) + counted.log_softmax(1)
    return -both[own].mean() / 2


@torch.no_grad()
def matching_accuracy(network: Scorer, talks: SyncClips, options: SyncScorerOptions) -> float:
    """Share of moments, of clips as they are, whose own sound is the nearest of as many as in training."""
    rng, size = np.random.default_rng(_CHECK_SEED), network.size
    right = []
    for clip in np.unique(np.linspace(0, len(talks) - 1, min(len(talks), _CHECK_CLIPS)).round().astype(int)):
        moments = _moments(talks.moments(int(clip)), options.moments, rng)
        faces = avsync.crop_middle(talks.stacks(int(clip), moments), size.height, size.width)
        faces = faces.reshape(len(moments), -1, size.height, size.width)
        sound, mouth = network(talks.sounds(int(clip), moments)[:, None], faces)
        cosine = (mouth @ sound.T).numpy()
        wrong = np.abs(moments[:, None] - moments) >= options.apart
        right.append((np.where(wrong, cosine, -np.inf).max(1) < cosine.diagonal()).mean())
    return float(np.mean(right))


def write_weights(out: Path, network: Scorer, notes: dict[str, Any]) -> Path:
    """Write a weights file (float16); whole or not at all. Returns its path."""
    told: dict[str, Any] = {"size": asdict(network.size), "notes": notes}
    if isinstance(network, SyncNetScorer):
        told["syncnet"] = network.width
    return safetensors_file.write(out, avsync.FORMAT, told, network.state_dict())
