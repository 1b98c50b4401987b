"""What the generators of paper 003 are trained on: successive faces (five in the paper), as many of the same clip from elsewhere
as reference, and each face's sound (section 3.5).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from lipdub.networks.avsyncnet import FRAMES
from lipdub.speech import mel
from lipdub.training import shards
from lipdub.training.face_augmentation import FaceAugmentation, VoiceAugmentation, augment_faces, augment_spectrograms
from lipdub.training.shards import FPS, BadShard

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lipdub.training.dataset import Dataset, Window

_SPECTROGRAMS = 2048  # of clips kept in memory, 80 kB for three seconds
_MIDDLE = FRAMES // 2

# Views of a face differ as much as alignment does between frames of one head; a mouth says the same in a mirror.
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


class WindowBatch(NamedTuple):
    """Of n windows of F faces. faces, references: float32 (n, F, 3, P, P) RGB in 0..1; sounds: float32 (n, F, 80, 16) in -4..4, the
    mel window about each of the faces. The sound of five together, as AVSyncNet hears it, is the middle one's. others: as many
    sounds of other speech, or none, (0, F, 80, 16).
    """

    faces: torch.Tensor
    references: torch.Tensor
    sounds: torch.Tensor
    others: torch.Tensor


@dataclass(frozen=True)
class WindowSampling:
    """How windows are drawn. windows: of a batch; frames: of a window, five where AVSyncNet shall look at them; only: from so many
    windows, always the same, and as they are, nothing changed by chance (0: from all); views, voices: changes drawn for each window,
    the same in all its faces and its reference; apart: frames between a window and its reference, at least; across: share of windows
    whose reference is instead of the same moment in another video of the dataset, which shows the same frames with other mouths
    (`training.adapt`).
    """

    windows: int = 4
    frames: int = FRAMES
    only: int = 0
    views: FaceAugmentation = WINDOW_AUGMENTATION
    voices: VoiceAugmentation = VoiceAugmentation()
    apart: int = FRAMES
    across: float = 0.0


class WindowSampler:
    """Batches of a dataset by their number, the same whenever they are asked for. others: spectrograms (80, columns) of other
    speech. shares: of the windows that are of each video, by its id; without them all windows are drawn alike. Raises InputError
    where the dataset has no clip long enough for a window, or damaged ones that are not to be passed over.
    """

    def __init__(
        self,
        data: Dataset,
        options: WindowSampling,
        seed: int = 0,
        others: Sequence[np.ndarray] = (),
        shares: Mapping[str, float] | None = None,
    ) -> None:
        self._data, self._options, self._seed, self._others = data, options, seed, others
        parts = [(data.of(video), share) for video, share in (shares or {}).items() if share > 0]
        parts = [(part, share) for part, share in parts if part.windows(options.frames)]
        self._parts = [part for part, _ in parts]
        odds = np.array([share for _, share in parts])
        self._odds = odds / odds.sum() if parts else odds
        self._sounds: dict[str, np.ndarray] = {}

    def draw(self, number: int) -> WindowBatch:
        """The batch of that number."""
        return self._batch(np.random.default_rng((self._seed, number)), changed=not self._options.only)

    def plain(self, seed: int) -> WindowBatch:
        """A batch as it is, for looking at and validation."""
        return self._batch(np.random.default_rng((self._seed, 1, seed)), changed=False)

    def _batch(self, rng: np.random.Generator, changed: bool) -> WindowBatch:
        options = self._options
        items: list[tuple[np.ndarray, np.ndarray, np.ndarray]] = []
        while len(items) < options.windows:
            window, other = self._pair(rng)
            items.append((window.crops, other.crops, self.sounds(window)))
        faces, references, sounds = (np.stack(part) for part in zip(*items, strict=True))
        pictures = torch.from_numpy(np.concatenate([faces, references], 1)).permute(0, 1, 4, 2, 3).float() / 255
        heard, size = torch.from_numpy(sounds), self._data.size
        if changed:
            flat = augment_faces(pictures.flatten(1, 2), size, size, rng, options.views)
            heard = augment_spectrograms(heard, rng, options.voices)
        else:
            edge = (self._data.side - size) // 2
            flat = pictures.flatten(1, 2)[..., edge : edge + size, edge : edge + size]
        pictures = flat.reshape(len(flat), 2, options.frames, 3, size, size)
        others = self._other_sounds(rng, changed) if self._others else heard[:0]
        return WindowBatch(pictures[:, 0], pictures[:, 1], heard, others)

    def _other_sounds(self, rng: np.random.Generator, changed: bool) -> torch.Tensor:
        """Mel windows about successive moments of the other speech, for each window of a batch."""
        drawn = []
        for _ in range(self._options.windows):
            whole = self._others[int(rng.integers(len(self._others)))]
            moments = max(int((whole.shape[1] - mel.COLUMNS) / mel.COLUMN_RATE * FPS), 1)
            drawn.append(_about(whole, int(rng.integers(moments)), self._options.frames))
        heard = torch.from_numpy(np.stack(drawn))
        return augment_spectrograms(heard, rng, self._options.voices) if changed else heard

    def _pair(self, rng: np.random.Generator) -> tuple[Window, Window]:
        """A window and its reference, of the same clip, from before it or after it."""
        if self._options.only:
            rng = np.random.default_rng((self._seed, 2, int(rng.integers(self._options.only))))
        while True:
            data = self._parts[int(rng.choice(len(self._parts), p=self._odds))] if self._parts else self._data
            window = data.draw(rng, self._options.frames)
            try:
                if self._options.across > 0 and rng.random() < self._options.across:
                    other = self._elsewhere(rng, window)
                    if other is not None:
                        return window, other
                return window, self._data.another(rng, window, self._options.apart)
            except BadShard as error:
                self._data.refused(error)

    def _elsewhere(self, rng: np.random.Generator, window: Window) -> Window | None:
        """The same moment in another video, by chance; None where there is none. Raises BadShard."""
        at, length = window.clip.start + window.first / FPS, len(window)
        firsts = [
            (clip, round((at - clip.start) * FPS)) for clip in self._data.clips if clip.video != window.clip.video
        ]
        there = [(clip, first) for clip, first in firsts if 0 <= first <= clip.frames - length]
        if not there:
            return None
        clip, first = there[int(rng.integers(len(there)))]
        return self._data.read(clip, first, length)

    def sounds(self, window: Window) -> np.ndarray:
        """Mel windows float32 (n, 80, 16) about each frame of a window of n frames."""
        return _about(self._spectrogram(window), window.first, len(window))

    def _spectrogram(self, window: Window) -> np.ndarray:
        from lipdub.metrics.avsync import normalized_spectrogram

        clip, data = window.clip, self._data
        known = self._sounds.get(clip.id)
        if known is None:
            audio = shards.read_rows(
                data.path(clip), data.layout(clip), "audio", 0, clip.frames * shards.SAMPLES_PER_FRAME
            )
            known = normalized_spectrogram(audio.astype(np.float32) / 32768)
            self._sounds[clip.id] = known
            if len(self._sounds) > _SPECTROGRAMS:  # several threads may be here: whichever goes is made again
                self._sounds.pop(next(iter(self._sounds)), None)
        return known


def _about(spectrogram: np.ndarray, first: int, count: int) -> np.ndarray:
    """Mel windows float32 (count, 80, 16) about successive frames of a sound."""
    times = (first + np.arange(count) - _MIDDLE) / FPS
    return mel.cut_windows(spectrogram, mel.find_window_starts(times))
