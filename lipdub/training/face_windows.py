"""The batches that the talking-face generators are trained on.

They follow Yaman et al., "Audio-Driven Talking Face Generation with Stabilized Synchronization Loss" (ECCV 2024),
section 3.5: successive faces (five in the paper), as many faces of the same clip from another time as reference, and
each face's sound.

Rendered talkers have pairs, which no video has: clips of one scene show the same frames with other mouths. A window of
a pair has the very frame with another mouth as its reference, as in dubbing. Nothing of that mouth tells what the
right one is. With the clip whose mouth is shut as the window, it is the exact truth for closing a mouth.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import torch

from lipdub.faces import mesh
from lipdub.faces.polygons import fill_hull
from lipdub.metrics.avsyncnet import sample_affine
from lipdub.networks.avsyncnet import FRAMES
from lipdub.speech.sound_windows import sound_windows
from lipdub.training.config import setting
from lipdub.training.face_augmentation import (
    FaceAugmentation,
    VoiceAugmentation,
    augment_spectrograms,
    change_light,
    change_tint,
    draw_views,
)
from lipdub.training.rendered.variants import SAME_BUT_MOUTH, SHUT
from lipdub.training.shards import FPS, BadShardError
from lipdub.training.sound_cache import SoundCache

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lipdub.arrays import F32, U8
    from lipdub.faces.masks.shape import Draw
    from lipdub.speech.sound_windows import SoundWindows
    from lipdub.training.dataset import Clip, Dataset, Window

PLAIN_STREAM, _OVERFIT_STREAM = 1, 2  # set apart the random numbers of different uses of one seed

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
        second_references: (n, F, 3, P, P) float32 RGB in 0..1, the references' moments with another mouth, where the
            dataset has them. None unless they are asked for.
        sounds: (n, F + 2 C, rows, columns) float32, the window of sound around each face and around C moments before
            and after them, of the audio feature that AVSyncNet hears. The middle one is the sound of the whole window,
            the input of AVSyncNet.
        others: (n, F + 2 C, rows, columns) float32, other speech; none without it.
        lips: (n, F, 1, P, P) float32, 1 on the faces' lips and between them, 0 elsewhere.
        masks: (n, F, 1, P, P) float32, 1 in the mask that was asked for, 0 elsewhere. None without one.
    """

    faces: torch.Tensor
    references: torch.Tensor
    second_references: torch.Tensor
    sounds: torch.Tensor
    others: torch.Tensor
    lips: torch.Tensor
    masks: torch.Tensor


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
        pair_share: share of windows that are drawn from pairs of rendered talkers, if there are any.
        shut_share: share of the pairs' windows that show the mouth shut.
    """

    windows: int = 4
    frames: int = FRAMES
    overfit: int = setting(0, was="only")
    face_augmentation: FaceAugmentation = setting(WINDOW_AUGMENTATION, was="views")
    voice_augmentation: VoiceAugmentation = setting(_NO_VOICE_CHANGES, was="voices")
    min_distance: int = setting(FRAMES, was="apart")
    cross_video_share: float = setting(0.0, was="across")
    pair_share: float = field(default=0.0, metadata={"added": True})
    shut_share: float = field(default=0.0, metadata={"added": True})


class WindowSampler:
    """Draws batches of a dataset by their number: the same number gives the same batch.

    Args:
        data: the clips.
        options: how windows are drawn.
        seed: seed of all random choices.
        others: (rows, T) float32 each, the audio feature of other speech.
        shares: share of the windows for each video, by its id; by default all windows are equally likely.
        sound: the windows of sound that are cut; by default mel windows.
        has_second: whether second references are drawn.
        lead: seconds by which the sound is cut ahead of its face.
        draw_mask: draws the mask of a face; None for batches without masks.
        sound_context: moments before and after a window that are heard too, C.

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
        sound: SoundWindows | None = None,
        has_second: bool = False,
        lead: float = 0.0,
        draw_mask: Draw | None = None,
        sound_context: int = 0,
    ) -> None:
        self._data, self._options, self._seed, self._others = data, options, seed, others
        self._has_second, self._lead, self._draw_mask = has_second, lead, draw_mask
        self._sound_context = sound_context
        self._sound = sound or sound_windows("mel")
        parts = [(data.select_video(video), share) for video, share in (shares or {}).items() if share > 0]
        parts = [(part, share) for part, share in parts if part.windows(options.frames)]
        self._parts = [part for part, _ in parts]
        odds = np.array([share for _, share in parts])
        self._odds = odds / odds.sum() if parts else odds
        self._scenes = _group_scenes(data.clips) if options.pair_share > 0 else {}
        paired = [clip for clips in self._scenes.values() for clip in clips]
        self._talking = data.with_clips(clip for clip in paired if clip.variant != SHUT)
        self._shut = data.with_clips(clip for clip in paired if clip.variant == SHUT)
        self._sounds = SoundCache(self._sound.feature)

    def draw(self, number: int) -> WindowBatch:
        """Draw the batch of a number."""
        return self._make_batch(np.random.default_rng((self._seed, number)), augment=not self._options.overfit)

    def draw_plain(self, number: int) -> WindowBatch:
        """Draw a batch without augmentation, for validation and pictures."""
        return self._make_batch(np.random.default_rng((self._seed, PLAIN_STREAM, number)), augment=False)

    def sounds(self, window: Window) -> F32:
        """Cut the window of sound around each frame of a window and its context: (n + 2 C, rows, columns) float32."""
        return self._cut(self._hear(window), window.first, len(window))

    def _make_batch(self, rng: np.random.Generator, *, augment: bool) -> WindowBatch:
        items: list[tuple[U8, F32, U8]] = []
        while len(items) < self._options.windows:
            window, reference = self._draw_pair(rng)
            shown = [window.crops, reference.crops]
            if self._has_second:
                shown.append(self._draw_second_reference(rng, reference).crops)
            items.append((np.concatenate(shown), self.sounds(window), self._draw_outlines(window)))
        frames = self._options.frames
        flat, drawn, heard = self._augment(items, rng, augment=augment)
        pictures = flat.unflatten(1, (-1, frames))
        others = self._draw_other_sounds(rng, augment=augment) if self._others else heard[:0]
        second = pictures[:, 2] if self._has_second else pictures[:0, 0]
        lips, masks = drawn[:, :frames, None], drawn[:, frames:, None]
        return WindowBatch(pictures[:, 0], pictures[:, 1], second, heard, others, lips, masks.round())

    def _augment(
        self, items: Sequence[tuple[U8, F32, U8]], rng: np.random.Generator, *, augment: bool
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Make a batch of pictures, sounds and outlines, with one change for all of an item, or without their margin.

        Args:
            items: of each window the crops (p, S, S, 3), the sounds, and the outlines (o, S, S), 1 inside.
            rng: random numbers.
            augment: whether to change them.

        Returns:
            pictures (n, p, 3, P, P), outlines (n, o, P, P), sounds.
        """
        options, size = self._options, self._data.size
        crops, sounds, outlines = (np.stack(part) for part in zip(*items, strict=True))
        flat = (torch.from_numpy(crops).permute(0, 1, 4, 2, 3).float() / 255).flatten(1, 2)
        drawn, heard = torch.from_numpy(outlines).float(), torch.from_numpy(sounds)
        if augment:
            views = draw_views(len(flat), size, rng, options.face_augmentation)
            flat, drawn = (sample_affine(part, size, size, views) for part in (flat, drawn))
            tinted = change_tint(flat.unflatten(1, (-1, 3)), rng, options.face_augmentation)
            flat = change_light(tinted.flatten(1, 2), rng, options.face_augmentation)
            heard = self._augment_sounds(heard, rng)
        else:
            edge = (self._data.side - size) // 2
            flat, drawn = (part[..., edge : edge + size, edge : edge + size] for part in (flat, drawn))
        return flat.unflatten(1, (-1, 3)), drawn, heard

    def _draw_outlines(self, window: Window) -> U8:
        """Draw the lips of each frame, and then the masks if there are any: (n or 2 n, S, S) uint8, 1 inside."""
        lips = _draw_lips(window)
        if self._draw_mask is None:
            return lips
        masks = np.zeros_like(lips)
        for mask, points in zip(masks, window.landmarks, strict=True):
            if np.isfinite(points).all():
                mask[...] = self._draw_mask(points, *mask.shape)
        return np.concatenate([lips, masks])

    def _draw_other_sounds(self, rng: np.random.Generator, *, augment: bool) -> torch.Tensor:
        """Draw windows of sound of successive moments of the other speech for each window of a batch."""
        options, cuts = self._options, []
        for _ in range(options.windows):
            whole = self._others[int(rng.integers(len(self._others)))]
            moments = max(int((whole.shape[1] - self._sound.span) / self._sound.feature.rate * FPS), 1)
            cuts.append(self._cut(whole, int(rng.integers(moments)), options.frames))
        heard = torch.from_numpy(np.stack(cuts))
        return self._augment_sounds(heard, rng) if augment else heard

    def _augment_sounds(self, sounds: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
        """Augment mel windows. Phonetic ones are the same for all voices."""
        if self._sound.feature.name != "mel-levelled":
            return sounds
        return augment_spectrograms(sounds, rng, self._options.voice_augmentation)

    def _draw_pair(self, rng: np.random.Generator) -> tuple[Window, Window]:
        """Draw a window and its reference: another time of the clip, or the same time in another clip or video."""
        options = self._options
        if options.overfit:
            rng = np.random.default_rng((self._seed, _OVERFIT_STREAM, int(rng.integers(options.overfit))))
        while True:
            if self._scenes and rng.random() < options.pair_share:
                try:
                    return self._draw_from_scene(rng)
                except BadShardError as error:
                    self._data.handle_bad_shard(error)
                    continue
            data = self._parts[int(rng.choice(len(self._parts), p=self._odds))] if self._parts else self._data
            window = data.draw(rng, options.frames)
            try:
                if options.cross_video_share > 0 and rng.random() < options.cross_video_share:
                    reference = self._draw_from_other_video(rng, window)
                    if reference is not None:
                        return window, reference
                return window, self._draw_other_moment(rng, window)
            except BadShardError as error:
                self._data.handle_bad_shard(error)

    def _draw_other_moment(self, rng: np.random.Generator, window: Window) -> Window:
        """Draw another time of the same clip. Raises BadShardError."""
        return self._data.draw_other(rng, window, self._options.min_distance)

    def _draw_from_scene(self, rng: np.random.Generator) -> tuple[Window, Window]:
        """Draw a window of a scene, and the same frames with the mouth of another clip. Raises BadShardError."""
        options = self._options
        is_shut = bool(self._shut.windows(options.frames)) and rng.random() < options.shut_share
        window = (self._shut if is_shut else self._talking).draw(rng, options.frames)
        scene = self._scenes[name_scene(window.clip)]
        # A shut mouth must stay shut. A talking one may never be its own reference.
        choices = scene if is_shut else [clip for clip in scene if clip.variant != window.clip.variant]
        reference = self._read_same_moment(rng, window, choices)
        return (window, reference) if reference is not None else (window, self._draw_other_moment(rng, window))

    def _draw_second_reference(self, rng: np.random.Generator, reference: Window) -> Window:
        """Draw the moment of a reference with another mouth; the reference itself if no clip has it."""
        variant = reference.clip.variant
        scene = self._scenes.get(name_scene(reference.clip), ()) if variant in SAME_BUT_MOUTH else ()
        others = [clip for clip in scene if clip.variant != variant]
        try:
            second = self._read_same_moment(rng, reference, others)
            if second is None and self._options.cross_video_share > 0:
                second = self._draw_from_other_video(rng, reference)
        except BadShardError as error:
            self._data.handle_bad_shard(error)
            return reference
        return second or reference

    def _draw_from_other_video(self, rng: np.random.Generator, window: Window) -> Window | None:
        """Draw the same moment in another video; None if no video has it. Raises BadShardError."""
        return self._read_same_moment(
            rng, window, [clip for clip in self._data.clips if clip.video != window.clip.video]
        )

    def _read_same_moment(self, rng: np.random.Generator, window: Window, clips: Sequence[Clip]) -> Window | None:
        """Read the same moment of one of some clips; None if no clip has it. Raises BadShardError."""
        start, length = window.clip.start + window.first / FPS, len(window)
        firsts = [(clip, round((start - clip.start) * FPS)) for clip in clips]
        choices = [(clip, first) for clip, first in firsts if 0 <= first <= clip.frames - length]
        if not choices:
            return None
        clip, first = choices[int(rng.integers(len(choices)))]
        return self._data.read(clip, first, length)

    def _hear(self, window: Window) -> F32:
        """Give the audio feature of a window's whole clip, (rows, T) float32."""
        clip, data = window.clip, self._data
        heard = self._sounds.find(clip.id)
        if heard is None:
            heard = self._sounds.compute(clip.id, data.read_audio(clip), data.find_folder(clip))
        return heard

    def _cut(self, values: F32, first: int, count: int) -> F32:
        """Cut the windows around successive frames of a sound and their context: (count + 2 C, rows, columns)."""
        moments = np.arange(first - self._sound_context, first + count + self._sound_context)
        return self._sound.cut_around(values, moments / FPS + self._lead)


def _group_scenes(clips: Sequence[Clip]) -> dict[tuple[str, str], list[Clip]]:
    """Group the clips that show the same frames with other mouths; a clip alone has no group."""
    scenes: dict[tuple[str, str], list[Clip]] = {}
    for clip in clips:
        if clip.scene and clip.variant in SAME_BUT_MOUTH:
            scenes.setdefault(name_scene(clip), []).append(clip)
    return {name: group for name, group in scenes.items() if len({clip.variant for clip in group}) > 1}


def name_scene(clip: Clip) -> tuple[str, str]:
    """Name a clip's scene; scenes of different datasets may have one number."""
    return clip.speaker, clip.scene


def _draw_lips(window: Window) -> U8:
    """Draw the lips and what is between them, (n, S, S) uint8, 1 inside."""
    masks = np.zeros(window.crops.shape[:3], np.uint8)
    for mask, points in zip(masks, window.landmarks, strict=True):
        outline = np.ascontiguousarray(points[list(mesh.LIPS_OUTER), :2], np.float32)
        if np.isfinite(outline).all():
            fill_hull(mask, outline, 1)
    return masks
