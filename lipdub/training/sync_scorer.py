"""The training of AVSyncNet, for `lipdub train sync-scorer`, on a dataset of `lipdub prepare`.

AVSyncNet is the sync network of Yaman et al., "Audio-Driven Talking Face Generation with Stabilized Synchronization
Loss" (ECCV 2024), section 3.4. Five frames of a mouth are told from the sounds of the same clip at other times: same
speaker, same room, same day. A batch takes some moments of each clip. Each moment's sound is right for its own frames
and wrong for all others.

A network that learns one GRID speaker's mel spectrograms works for other people only in part. Figures are areas under
the ROC curve of 1 s windows (`tests/bench/sync_scorer.py --talking`). Three trainings of the small size gave 0.86 to
0.90. `lipdub.metrics.motion_sync`, which needs no training, gives 0.96. Phonetic features, learnt from rendered people
and GRID together (1000 steps of ten clips), gave 0.98. It then found 75 % of GRID's held-out moments and 49 % of those
of rendered people; after 2600 steps, 80 and 70 %. What follows was measured with mel spectrograms. More steps (1500
instead of 1000) matched more of GRID's own moments, and stronger augmentation matched fewer. Neither helped with other
people. After 500 steps "infonce" gave 0.84 and "bce" 0.83. Less the mean over all lags, they gave 0.89 and 0.86, hence
the default. So no score uses this network. It only trains generators.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import torch
from torch.nn import functional

from lipdub.errors import InputError, printable
from lipdub.faces.alignment import lower_face
from lipdub.metrics import avsyncnet
from lipdub.networks.avsyncnet import FRAMES, AVSyncNet, AVSyncNetSize
from lipdub.networks.syncnet_scorer import SyncNetScorer
from lipdub.speech.sound_windows import sound_windows
from lipdub.training.config import setting
from lipdub.training.dataset import Dataset, TalkingClips
from lipdub.training.face_augmentation import FaceAugmentation, VoiceAugmentation, augment_faces, augment_spectrograms
from lipdub.training.loop import LoopOptions, Trainer, TrainingTask, prefix_lines
from lipdub.training.rendered.variants import SHUT
from lipdub.training.shards import FPS
from lipdub.training.sound_cache import SoundCache
from lipdub.training.speech_augmentation import augment_speech
from lipdub.weights import safetensors_file

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lipdub.arrays import I64

Scorer = AVSyncNet | SyncNetScorer
Loss = Literal["infonce", "bce"]
SyncBatch = tuple[torch.Tensor, torch.Tensor, torch.Tensor]

_CHECK_SEED = 7
_CHECK_CLIPS = 40


def hear_feature(size: AVSyncNetSize, audio: str) -> AVSyncNetSize:
    """Give the size of a network that hears an audio feature, "mel" or "phonetic", in new windows of it."""
    windows = sound_windows(audio)
    return replace(size, audio=audio, audio_rows=windows.rows, audio_columns=windows.columns)


@dataclass(frozen=True)
class SyncScorerOptions:
    """Options that determine the network, besides data and seed.

    Attributes:
        network: "avsyncnet", or for comparison "syncnet", the architecture of Wav2Lip (`networks.syncnet_scorer`).
        size: size of AVSyncNet.
        syncnet_width: channels of the "syncnet".
        clips: clips in a batch.
        moments: moments of each of its clips.
        overfit: learn this many clips without augmentation (sanity check), 0: all.
        min_distance: frames between two moments for the one's sound to be wrong for the other.
        loss: "infonce", cross-entropy over the clip's sounds both ways (van den Oord et al., "Representation Learning
            with Contrastive Predictive Coding", 2018), or "bce", binary cross-entropy of each pair, where wrong pairs
            together weigh as much as right ones (Yaman et al.).
        variants: variants of each clip's sound, all but the first augmented.
        face_augmentation: drawn anew for each batch.
        voice_augmentation: drawn anew for each batch of mel windows. Phonetic ones are the same for all voices.
        loop: the training loop.
    """

    network: Literal["avsyncnet", "syncnet"] = "avsyncnet"
    size: AVSyncNetSize = field(default_factory=AVSyncNetSize.small)
    syncnet_width: int = 16
    clips: int = 16
    moments: int = 12
    overfit: int = setting(0, was="only")
    min_distance: int = setting(3, was="apart")
    loss: Loss = "infonce"
    variants: int = 4
    face_augmentation: FaceAugmentation = setting(was="faces", factory=FaceAugmentation)
    voice_augmentation: VoiceAugmentation = setting(was="voices", factory=VoiceAugmentation)
    loop: LoopOptions = field(
        default_factory=lambda: LoopOptions(
            steps=1000, weight_decay=0.05, warmup=100, precision="bf16", save_every=250, report_every=50, workers=1
        )
    )

    @property
    def face_size(self) -> AVSyncNetSize:
        """Size of the faces that the network takes."""
        return SyncNetScorer(2).size if self.network == "syncnet" else self.size


class SyncClips:
    """Clips of a dataset as this training takes them: those of five frames or more, with their sounds.

    Rendered people who keep the mouth shut in silence are left out: their moments are all alike.

    Variant 0 of a sound is the sound itself. The others are augmented; the same variant is always the same.

    Args:
        data: the dataset.
        size: the network's size.
        seed: seeds the variants.

    Raises:
        InputError: no clip of someone who talks has five frames.
    """

    def __init__(self, data: Dataset, size: AVSyncNetSize, seed: int = 0) -> None:
        clips = tuple(clip for clip in data.clips if clip.frames >= FRAMES and clip.variant != SHUT)
        if not clips:
            raise InputError(f"the dataset {printable(data.folder)} has no clip of {FRAMES} frames")
        self._clips = TalkingClips(replace(data, clips=clips))
        self._size, self._seed = size, seed
        self._windows = avsyncnet.find_sound_windows(size)
        self._sounds = SoundCache(self._windows.feature)

    def __len__(self) -> int:
        return len(self._clips)

    def moments(self, clip: int) -> int:
        """Count the moments of a clip that have five frames and their sound."""
        return self._clips.count(clip) - FRAMES + 1

    def stacks(self, clip: int, moments: I64) -> torch.Tensor:
        """Read the five frames from each moment on, with their margin, at the network's scale.

        Args:
            clip: number of the clip.
            moments: (n,) numbers of the first frames.

        Returns:
            (5 n, h, w) float32 grey in 0..1, or (15 n, h, w) where the network takes colours.
        """
        import cv2

        frames = moments[:, None] + np.arange(FRAMES)
        needed, inverse = np.unique(frames, return_inverse=True)
        lower = self._clips.lower(clip, needed, lower_face.MARGIN)
        high, wide = lower_face.add_margin(self._size.height), lower_face.add_margin(self._size.width)
        if self._size.grey:
            lower = np.stack([cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in lower])
        if lower.shape[1:3] != (high, wide):
            lower = np.stack([cv2.resize(picture, (wide, high), interpolation=cv2.INTER_AREA) for picture in lower])
        pictures = lower[inverse.ravel()]
        if pictures.ndim == 4:
            pictures = pictures.transpose(0, 3, 1, 2).reshape(-1, high, wide)
        return torch.from_numpy(pictures).float() / 255

    def sounds(self, clip: int, moments: I64, variant: int = 0) -> torch.Tensor:
        """Cut the windows of sound that go with the moments' five frames. Returns (n, rows, columns) float32."""
        whole = self._sounds.find((clip, variant))
        if whole is None:
            audio = self._clips.audio(clip)
            if variant:
                background = np.resize(self._clips.audio((clip - 1) % len(self)), len(audio))
                audio = augment_speech(audio, np.random.default_rng((self._seed, variant, clip)), background)
            whole = self._sounds.compute((clip, variant), audio, self._clips.folder(clip))
        starts = np.round(moments / FPS * self._windows.feature.rate).astype(np.int64)
        return torch.from_numpy(self._windows.cut(whole, starts))


def train_scorer(
    clips: SyncClips,
    folder: Path,
    options: SyncScorerOptions,
    *,
    seed: int = 0,
    device: str = "cpu",
    progress: Callable[[str], None] | None = None,
) -> Scorer:
    """Train a network on clips, or resume its training.

    Args:
        clips: the clips.
        folder: folder of the checkpoints (`training.loop`).
        options: network, batches, loss and loop.
        seed: seed of all random choices.
        device: "auto", or PyTorch's name of a device.
        progress: called with one line of text at each report.

    Returns:
        the averaged network, in evaluation mode.
    """
    torch.manual_seed(seed)
    network: Scorer = SyncNetScorer(options.syncnet_width) if options.network == "syncnet" else AVSyncNet(options.size)
    network.to(memory_format=torch.channels_last)  # a fifth less time on a CPU

    def draw(number: int) -> SyncBatch:
        return draw_batch(clips, options, np.random.default_rng((seed, number)))

    def compute_loss(net: torch.nn.Module, batch: SyncBatch) -> tuple[torch.Tensor, dict[str, float]]:
        sounds, faces, moments = batch
        sound, mouth = net(sounds.flatten(0, 1), faces.flatten(0, 1))
        shape = (*moments.shape, -1)
        cosine = mouth.float().reshape(shape) @ sound.float().reshape(shape).transpose(1, 2)
        logits = getattr(net, "module", net).logit(cosine)
        wrong = (moments[:, :, None] - moments[:, None]).abs() >= options.min_distance
        right = (logits.masked_fill(~wrong, -torch.inf).amax(2) < logits.diagonal(dim1=1, dim2=2)).float().mean()
        return pair_loss(logits, wrong, options.loss), {"matched": float(right)}

    task = TrainingTask(network, draw, compute_loss)
    report = prefix_lines("sync", progress)
    trained = Trainer(task, folder, options.loop, device=device, seed=seed, progress=report).run()
    assert isinstance(trained, Scorer)
    return trained


def draw_batch(clips: SyncClips, options: SyncScorerOptions, rng: np.random.Generator) -> SyncBatch:
    """Draw moments of random clips, augmented.

    Returns:
        windows of sound (clips, moments, rows, columns) float32; faces (clips, moments, channels, height, width)
        float32; the moments' first frames (clips, moments) int64.
    """
    size = options.face_size
    among = min(options.overfit, len(clips)) or len(clips)
    numbers = [int(c) for c in rng.choice(among, options.clips, replace=among < options.clips)]
    firsts = np.stack([_draw_moments(clips.moments(c), options.moments, rng) for c in numbers])
    pairs = list(zip(numbers, firsts, strict=True))
    faces = torch.stack([clips.stacks(c, f) for c, f in pairs])
    variants = 1 if options.overfit else options.variants
    sounds = torch.stack([clips.sounds(c, f, int(rng.integers(variants))) for c, f in pairs])
    if options.overfit:
        faces = torch.stack([avsyncnet.crop_middle(stack, size.height, size.width) for stack in faces])
    else:
        faces = augment_faces(faces, size.height, size.width, rng, options.face_augmentation)
        if size.audio == "mel":
            sounds = augment_spectrograms(sounds, rng, options.voice_augmentation)
    return sounds, faces.reshape(*firsts.shape, -1, size.height, size.width), torch.from_numpy(firsts)


def pair_loss(logits: torch.Tensor, wrong: torch.Tensor, loss: Loss) -> torch.Tensor:
    """Compute the loss of pairs of mouths and sounds.

    Args:
        logits: (clips, mouths, sounds) float32; the diagonals belong together.
        wrong: (clips, mouths, sounds) bool, pairs that do not belong together. Pairs that are neither do not count.
        loss: as `SyncScorerOptions.loss`.
    """
    own = torch.eye(logits.shape[1], dtype=torch.bool, device=logits.device).expand_as(logits)
    if loss == "bce":
        return (functional.softplus(-logits[own]).mean() + functional.softplus(logits[wrong]).mean()) / 2
    counted = logits.masked_fill(~(wrong | own), -torch.inf)
    both = counted.log_softmax(2) + counted.log_softmax(1)
    return -both[own].mean() / 2


@torch.no_grad()
def embed_moments(network: Scorer, clips: SyncClips, clip: int, moments: I64) -> tuple[torch.Tensor, torch.Tensor]:
    """Embed the sounds and the mouths of moments of a clip, without augmentation. Returns (n, features) each."""
    size = network.size
    faces = avsyncnet.crop_middle(clips.stacks(clip, moments), size.height, size.width)
    sound, mouth = network(clips.sounds(clip, moments), faces.reshape(len(moments), -1, size.height, size.width))
    return sound, mouth


@torch.no_grad()
def matching_accuracy(network: Scorer, clips: SyncClips, options: SyncScorerOptions) -> float:
    """Give the share of moments, without augmentation, whose own sound is the nearest of as many as in training."""
    rng, right = np.random.default_rng(_CHECK_SEED), []
    for clip in np.unique(np.linspace(0, len(clips) - 1, min(len(clips), _CHECK_CLIPS)).round().astype(int)):
        moments = _draw_moments(clips.moments(int(clip)), options.moments, rng)
        sound, mouth = embed_moments(network, clips, int(clip), moments)
        cosine = (mouth @ sound.T).numpy()
        wrong = np.abs(moments[:, None] - moments) >= options.min_distance
        right.append((np.where(wrong, cosine, -np.inf).max(1) < cosine.diagonal()).mean())
    return float(np.mean(right))


def write_weights(out: Path, network: Scorer, notes: dict[str, Any]) -> Path:
    """Write a weights file in float16, whole or not at all. Returns its path."""
    description: dict[str, Any] = {"size": asdict(network.size), "notes": notes}
    if isinstance(network, SyncNetScorer):
        description["syncnet"] = network.width
    return safetensors_file.write(out, avsyncnet.FORMAT, description, network.state_dict())


def _draw_moments(count: int, size: int, rng: np.random.Generator) -> I64:
    """Draw moments of a clip in order, (size,) int64; moments repeat if the clip has fewer."""
    return np.sort(rng.permutation(count)[:size] if count >= size else rng.integers(0, count, size))
