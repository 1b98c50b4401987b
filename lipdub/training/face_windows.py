"""The batches that the talking-face generators are trained on.

They follow Yaman et al., "Audio-Driven Talking Face Generation with Stabilized Synchronization Loss" (ECCV 2024),
section 3.5: successive faces (five in the paper), as many faces of the same clip from another time as reference, and
each face's sound.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from lipdub.networks.avsyncnet import FRAMES
from lipdub.speech import mel
from lipdub.training import shards
from lipdub.training.config import setting
from lipdub.training.face_augmentation import FaceAugmentation, VoiceAugmentation, augment_faces, augment_spectrograms
from lipdub.training.shards import FPS, BadShardError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lipdub.arrays import F32, U8
    from lipdub.training.dataset import Dataset, Window

_MAX_SPECTROGRAMS = 2048  # kept in memory: 80 kB for a clip of three seconds
_MIDDLE = FRAMES // 2
_PLAIN_STREAM, _OVERFIT_STREAM = 1, 2  # set apart the random numbers of different uses of one seed

# Faces differ as much as the alignment does between frames of one head. A mirrored mouth speaks the same words.
WINDOW_AUGMENTATION = FaceAugmentation(
    shift=0.02,
    scale=0.03,
    stretch=0.02,
    turn=2.0,
    light=0.1,
    slope=0.05,
    contrast=0.1,
    blur=0.4,
    noise=0.0,
    flip=0.5,
    blurred=0.0,
)
_NO_VOICE_CHANGES = VoiceAugmentation()


class WindowBatch(NamedTuple):
    """A batch of n windows of F faces.

    Attributes:
        faces: (n, F, 3, P, P) float32 RGB in 0..1.
        references: (n, F, 3, P, P) float32 RGB in 0..1.
        sounds: (n, F, 80, 16) float32 in -4..4, the mel window around each face. The middle one is the sound of the
            whole window, the input of AVSyncNet.
        others: (n, F, 80, 16) float32 in -4..4, other speech; (0, F, 80, 16) without it.
    """

    faces: torch.Tensor
    references: torch.Tensor
    sounds: torch.Tensor
    others: torch.Tensor


@dataclass(frozen=True)
class WindowSampling:
    """How windows are drawn.

    Attributes:
        windows: windows in a batch.
        frames: faces in a window; AVSyncNet needs five.
        overfit: draw from this many fixed windows without augmentation (sanity check), 0: from all.
        face_augmentation: drawn for each window, the same in all its faces and its reference.
        voice_augmentation: drawn for each window.
        min_distance: frames between a window and its reference, at least.
        cross_video_share: share of windows whose reference is the same moment in another video of the dataset, which
            shows the same frames with other mouths (`training.adapt`).
    """

    windows: int = 4
    frames: int = FRAMES
    overfit: int = setting(0, was="only")
    face_augmentation: FaceAugmentation = setting(WINDOW_AUGMENTATION, was="views")
    voice_augmentation: VoiceAugmentation = setting(_NO_VOICE_CHANGES, was="voices")
    min_distance: int = setting(FRAMES, was="apart")
    cross_video_share: float = setting(0.0, was="across")


class WindowSampler:
    """Draws batches of a dataset by their number: the same number gives the same batch.

    Args:
        data: the clips.
        options: how windows are drawn.
        seed: seed of all random choices.
        others: spectrograms (80, columns) float32 of other speech.
        shares: share of the windows for each video, by its id; by default all windows are equally likely.

    Raises:
        InputError: no clip is long enough for a window, or a damaged one must not be skipped.
    """

    def __init__(
        self,
        data: Dataset,
        options: WindowSampling,
        seed: int = 0,
        others: Sequence[F32] = (),
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self._data, self._options, self._seed, self._others = data, options, seed, others
        parts = [(data.select_video(video), share) for video, share in (shares or {}).items() if share > 0]
        parts = [(part, share) for part, share in parts if part.windows(options.frames)]
        self._parts = [part for part, _ in parts]
        odds = np.array([share for _, share in parts])
        self._odds = odds / odds.sum() if parts else odds
        self._spectrograms: dict[str, F32] = {}

    def draw(self, number: int) -> WindowBatch:
        """Draw the batch of a number."""
        return self._make_batch(np.random.default_rng((self._seed, number)), augment=not self._options.overfit)

    def draw_plain(self, number: int) -> WindowBatch:
        """Draw a batch without augmentation, for validation and pictures."""
        return self._make_batch(np.random.default_rng((self._seed, _PLAIN_STREAM, number)), augment=False)

    def sounds(self, window: Window) -> F32:
        """Cut the mel window around each frame of a window. Returns (n, 80, 16) float32."""
        return _cut_sounds(self._spectrogram(window), window.first, len(window))

    def _make_batch(self, rng: np.random.Generator, *, augment: bool) -> WindowBatch:
        options, size = self._options, self._data.size
        items: list[tuple[U8, U8, F32]] = []
        while len(items) < options.windows:
            window, reference = self._draw_pair(rng)
            items.append((window.crops, reference.crops, self.sounds(window)))
        faces, references, sounds = (np.stack(part) for part in zip(*items, strict=True))
        pictures = torch.from_numpy(np.concatenate([faces, references], 1)).permute(0, 1, 4, 2, 3).float() / 255
        mels = torch.from_numpy(sounds)
        if augment:
            flat = augment_faces(pictures.flatten(1, 2), size, size, rng, options.face_augmentation)
            mels = augment_spectrograms(mels, rng, options.voice_augmentation)
        else:
            edge = (self._data.side - size) // 2
            flat = pictures.flatten(1, 2)[..., edge : edge + size, edge : edge + size]
        pictures = flat.reshape(len(flat), 2, options.frames, 3, size, size)
        others = self._draw_other_sounds(rng, augment=augment) if self._others else mels[:0]
        return WindowBatch(pictures[:, 0], pictures[:, 1], mels, others)

    def _draw_other_sounds(self, rng: np.random.Generator, *, augment: bool) -> torch.Tensor:
        """Draw mel windows of successive moments of the other speech for each window of a batch."""
        options, cuts = self._options, []
        for _ in range(options.windows):
            whole = self._others[int(rng.integers(len(self._others)))]
            moments = max(int((whole.shape[1] - mel.COLUMNS) / mel.COLUMN_RATE * FPS), 1)
            cuts.append(_cut_sounds(whole, int(rng.integers(moments)), options.frames))
        mels = torch.from_numpy(np.stack(cuts))
        return augment_spectrograms(mels, rng, options.voice_augmentation) if augment else mels

    def _draw_pair(self, rng: np.random.Generator) -> tuple[Window, Window]:
        """Draw a window and its reference: another time of the clip, or the same time in another video."""
        options = self._options
        if options.overfit:
            rng = np.random.default_rng((self._seed, _OVERFIT_STREAM, int(rng.integers(options.overfit))))
        while True:
            data = self._parts[int(rng.choice(len(self._parts), p=self._odds))] if self._parts else self._data
            window = data.draw(rng, options.frames)
            try:
                if options.cross_video_share > 0 and rng.random() < options.cross_video_share:
                    reference = self._draw_from_other_video(rng, window)
                    if reference is not None:
                        return window, reference
                return window, self._data.draw_other(rng, window, options.min_distance)
            except BadShardError as error:
                self._data.handle_bad_shard(error)

    def _draw_from_other_video(self, rng: np.random.Generator, window: Window) -> Window | None:
        """Draw the same moment in another video; None if no video has it. Raises BadShardError."""
        start, length = window.clip.start + window.first / FPS, len(window)
        firsts = [
            (clip, round((start - clip.start) * FPS)) for clip in self._data.clips if clip.video != window.clip.video
        ]
        choices = [(clip, first) for clip, first in firsts if 0 <= first <= clip.frames - length]
        if not choices:
            return None
        clip, first = choices[int(rng.integers(len(choices)))]
        return self._data.read(clip, first, length)

    def _spectrogram(self, window: Window) -> F32:
        from lipdub.metrics.avsyncnet import compute_normalized_spectrogram

        clip, data = window.clip, self._data
        spectrogram = self._spectrograms.get(clip.id)
        if spectrogram is None:
            samples = shards.read_rows(
                data.path(clip), data.layout(clip), "audio", 0, clip.frames * shards.SAMPLES_PER_FRAME
            )
            spectrogram = compute_normalized_spectrogram(samples.astype(np.float32) / 32768)
            self._spectrograms[clip.id] = spectrogram
            # Several threads may run this: a spectrogram that is dropped is computed again.
            if len(self._spectrograms) > _MAX_SPECTROGRAMS:
                self._spectrograms.pop(next(iter(self._spectrograms)), None)
        return spectrogram


def _cut_sounds(spectrogram: F32, first: int, count: int) -> F32:
    """Cut mel windows around successive frames of a sound. Returns (count, 80, 16) float32."""
    times = (first + np.arange(count) - _MIDDLE) / FPS
    return mel.cut_windows(spectrogram, mel.find_window_starts(times))
