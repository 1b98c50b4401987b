"""The batches that G4G is trained on: windows with landmark images and five references of the same talker.

Zhang et al., "G4G: A Generic Framework for High Fidelity Talking Face Generation with Fine-grained Intra-modal
Alignment" (2024), section 4.4.1: crops of 13 by 10 units around the face. The references are spread over the opening of
the mouth, as those of a dub are (`faces.reference_choice`).
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, NamedTuple, TypedDict

import numpy as np

from lipdub.errors import UsageError
from lipdub.faces.alignment.tall_face import ZOOM, cut_columns
from lipdub.faces.landmark_image import draw_landmarks
from lipdub.faces.reference_choice import choose_spread
from lipdub.metrics.mouth_motion import measure_mouth_shape
from lipdub.training import shards
from lipdub.training.face_windows import PLAIN_STREAM, WindowSampler, name_scene
from lipdub.training.rendered.variants import SHUT
from lipdub.training.shards import BadShardError

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Unpack

    import torch

    from lipdub.arrays import F32, F64, U8
    from lipdub.faces.masks.shape import Draw
    from lipdub.networks.g4g import G4GSize
    from lipdub.speech.sound_windows import SoundWindows
    from lipdub.training.dataset import Clip, Dataset, Window
    from lipdub.training.face_windows import WindowSampling

LANDMARK_NOISE = 0.3
"""Pixels by which true landmarks are disturbed: those of dubs are not true."""

_VARIETY = 0.5  # deviations of the opening by which the choice of references varies


class SamplerInputs(TypedDict, total=False):
    """What a `WindowSampler` takes by name."""

    shares: Mapping[str, float] | None
    sound: SoundWindows | None
    lead: float
    draw_mask: Draw | None


class ReferenceBatch(NamedTuple):
    """A batch of n windows of F faces, with R references each. H and W are the sides of the crop.

    Attributes:
        faces: (n, F, 3, H, W) float32 RGB in 0..1.
        references: (n, R, 3, H, W) float32 RGB in 0..1, the shut mouth first.
        landmarks: (n, F, 1, H, W) float32 in 0..1, landmark images of the faces.
        sounds: (n, F, rows, columns) float32, the window of sound around each face.
        lips: (n, F, 1, H, W) float32, 1 on the faces' lips and between them, 0 elsewhere.
        masks: (n, F, 1, H, W) float32, 1 where the face is hidden and drawn, 0 elsewhere.
    """

    faces: torch.Tensor
    references: torch.Tensor
    landmarks: torch.Tensor
    sounds: torch.Tensor
    lips: torch.Tensor
    masks: torch.Tensor


def view_crops(data: Dataset, size: G4GSize) -> Dataset:
    """Give a dataset whose squares are as high as the generator's crop; all pixels stay as they are stored.

    Raises:
        UsageError: the dataset's faces have another size than the generator's, or too little margin.
    """
    faces = round(size.height / ZOOM)
    if (data.size, max(data.side, size.height)) != (faces, data.side):
        raise UsageError(
            f"the generator needs faces of {faces} pixels in crops of {size.height}, the dataset has {data.size} in "
            f"{data.side}",
            hint=f"Prepare the data with --size {faces}.",
        )
    return replace(data, size=size.height)


class ReferenceSampler(WindowSampler):
    """Draws batches with references, by their number.

    Args:
        data: the clips; their squares are as high as the crop (`view_crops`).
        options: how windows are drawn. A window's reference names the clip that its references are chosen from.
        size: of the generator.
        seed: seed of all random choices.
        **given: as `WindowSampler`.
    """

    def __init__(
        self, data: Dataset, options: WindowSampling, size: G4GSize, seed: int = 0, **given: Unpack[SamplerInputs]
    ) -> None:
        super().__init__(data, options, seed, **given)
        self._size = size
        self._openings: dict[str, F64] = {}

    def draw(self, number: int) -> ReferenceBatch:  # type: ignore[override]
        """Draw the batch of a number."""
        return self._draw_batch(np.random.default_rng((self._seed, number)), augment=not self._options.overfit)

    def draw_plain(self, number: int) -> ReferenceBatch:  # type: ignore[override]
        """Draw a batch without augmentation, for validation and pictures."""
        return self._draw_batch(np.random.default_rng((self._seed, PLAIN_STREAM, number)), augment=False)

    def _draw_batch(self, rng: np.random.Generator, *, augment: bool) -> ReferenceBatch:
        options = self._options
        items: list[tuple[U8, F32, U8]] = []
        while len(items) < options.windows:
            window, reference = self._draw_pair(rng)
            try:
                shown = self._read_references(rng, window, self._choose_clip(window.clip, reference.clip))
            except BadShardError as error:
                self._data.handle_bad_shard(error)
                continue
            outlines = np.concatenate([self._draw_outlines(window), self._draw_landmarks(rng, window)])
            items.append((np.concatenate([window.crops, shown]), self.sounds(window), outlines))
        pictures, drawn, heard = self._augment(items, rng, augment=augment)
        columns = cut_columns(self._size.height)
        pictures, drawn = (part[..., columns] for part in (pictures, drawn))
        frames = options.frames
        lips, masks, landmarks = drawn[:, :, None].split(frames, 1)
        return ReferenceBatch(pictures[:, :frames], pictures[:, frames:], landmarks / 255, heard, lips, masks.round())

    def _choose_clip(self, clip: Clip, other: Clip) -> Clip:
        """Choose the clip that shows a talker's mouths: another one, but none where they are all shut."""
        if other.variant != SHUT:
            return other
        talking = [each for each in self._scenes.get(name_scene(clip), ()) if each.variant != SHUT]
        return clip if clip.variant != SHUT or not talking else talking[0]

    def _read_references(self, rng: np.random.Generator, window: Window, clip: Clip) -> U8:
        """Read references of a window from a clip, (R, S, S, 3) uint8 RGB. Raises BadShardError."""
        openings = self._find_openings(clip)
        costs = rng.uniform(0, _VARIETY, len(openings))
        if clip.id == window.clip.id:
            near = np.arange(len(openings)) - window.first
            apart = self._options.min_distance
            costs[(near > -apart) & (near < len(window) - 1 + apart)] = np.inf
            if not np.isfinite(costs + openings).any():
                costs[:] = 0  # a clip of a few frames
        openings = np.where(np.isfinite(openings).any(), openings, 0.0)
        rows = choose_spread(openings, costs, self._size.references)
        return np.concatenate([self._data.read(clip, int(row), 1).crops for row in rows])

    def _find_openings(self, clip: Clip) -> F64:
        """Measure the openings of a clip's mouths, (frames,); NaN where no landmarks are known."""
        known = self._openings.get(clip.id)
        if known is None:
            data = self._data
            points = shards.read_rows(data.path(clip), data.layout(clip), "landmarks", 0, clip.frames)
            known = np.array([measure_mouth_shape(face)[0] if np.isfinite(face).all() else np.nan for face in points])
            self._openings[clip.id] = known
        return known

    def _draw_landmarks(self, rng: np.random.Generator, window: Window) -> U8:
        """Draw the landmark images of a window's faces, (F, S, S) uint8, slightly disturbed, all by the same."""
        noise = rng.normal(0, LANDMARK_NOISE, window.landmarks.shape[1:])
        points = window.landmarks + noise.astype(np.float32)
        return np.stack([draw_landmarks(face, *window.crops.shape[1:3]) for face in points])
