"""Batches with references: where they are from, and what belongs to which face."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import torch

from lipdub.errors import UsageError
from lipdub.faces.masks import MASKS
from lipdub.metrics.mouth_motion import measure_mouth_shape
from lipdub.training.dataset import Dataset, open_dataset
from lipdub.training.face_windows import WindowSampler, WindowSampling
from lipdub.training.g4g.generator import make_sampler
from lipdub.training.g4g.reference_windows import ReferenceBatch, ReferenceSampler, view_crops
from tests.training.g4g.small import OPTIONS, PIXELS, SIDE, SIZE, talkers

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(talkers(tmp_path_factory.mktemp("faces")))


@pytest.fixture(scope="module")
def scenes(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """One scene with three mouths, one of them shut."""
    facts = [{"scene": "s1", "variant": variant} for variant in ("plain", "speech", "shut")]
    return open_dataset(talkers(tmp_path_factory.mktemp("scenes"), facts=facts))


def sampler(data: Dataset, **changes: Any) -> ReferenceSampler:
    return make_sampler(data, SIZE, replace(OPTIONS, **changes), 0)


def test_shapes(data: Dataset) -> None:
    batch = sampler(data).draw_plain(0)
    height, width = SIZE.height, SIZE.breadth
    assert batch.faces.shape == (2, 2, 3, height, width) and batch.references.shape == (2, 3, 3, height, width)
    for part in (batch.landmarks, batch.lips, batch.masks):
        assert part.shape == (2, 2, 1, height, width) and part.min() == 0 and part.max() == 1
    assert batch.sounds.shape == (2, 2, 80, 16)


def test_faces_are_the_stored_pixels_and_masks_lie_on_them(data: Dataset) -> None:
    made = sampler(data)
    batch = made.draw_plain(3)
    plain = WindowSampler(
        view_crops(data, SIZE), OPTIONS.sampling, 0, sound=made._sound, draw_mask=MASKS.get("pose").draw
    ).draw_plain(3)
    left = (SIZE.height - SIZE.breadth) // 2
    columns = slice(left, left + SIZE.breadth)
    # The choice of references draws random numbers, so only the first window is the same.
    assert torch.equal(batch.faces[0], plain.faces[0][..., columns])
    assert torch.equal(batch.masks[0], plain.masks[0][..., columns])
    assert torch.equal(batch.lips[0], plain.lips[0][..., columns])
    assert torch.equal(batch.sounds[0], plain.sounds[0])
    inside = batch.landmarks[0, 0, 0] == 1
    assert (batch.lips[0, 0, 0][inside] > 0).float().mean() > 0.9, "the landmark image's mouth is the face's"


def same_frames(data: Dataset, batch: ReferenceBatch) -> list[list[tuple[int, int]]]:
    """Clip and frame of each window's first face and of its references, found by their pixels."""
    edge, left = (SIDE - SIZE.height) // 2, (SIDE - SIZE.breadth) // 2
    known = {}
    for number, clip in enumerate(data.clips):
        crops = data.read(clip).crops[:, edge : edge + SIZE.height, left : left + SIZE.breadth]
        known |= {crop.tobytes(): (number, frame) for frame, crop in enumerate(crops)}
    rows = []
    for faces, references in zip(batch.faces, batch.references, strict=True):
        pictures = (torch.cat([faces[:1], references]) * 255).round().byte().permute(0, 2, 3, 1).numpy()
        rows.append([known[np.ascontiguousarray(picture).tobytes()] for picture in pictures])
    return rows


def opening(data: Dataset, clip: int, frame: int) -> float:
    return float(measure_mouth_shape(data.read(data.clips[clip], frame, 1).landmarks[0])[0])


def test_references_are_other_moments_of_the_clip_sorted_by_opening(data: Dataset) -> None:
    sampling = WindowSampling(windows=6, frames=1, min_distance=3)
    batch = sampler(data, sampling=sampling).draw_plain(1)
    for face, *references in same_frames(data, batch):
        assert {clip for clip, _ in references} == {face[0]}
        assert all(abs(frame - face[1]) >= 3 for _, frame in references)
        openings = [opening(data, *reference) for reference in references]
        assert openings == sorted(openings) and openings[-1] > openings[0]


def test_windows_of_scenes_see_another_mouth_and_none_that_is_always_shut(scenes: Dataset) -> None:
    sampling = WindowSampling(windows=24, frames=1, pair_share=1.0, shut_share=0.3)
    pairs = same_frames(scenes, sampler(scenes, sampling=sampling).draw_plain(0))
    shown = {face[0]: {clip for clip, _ in references} for face, *references in pairs}
    assert set(shown) == {0, 1, 2}
    assert shown[0] <= {0, 1} and shown[1] <= {0, 1} and 2 not in shown[2]


def test_a_batch_depends_on_its_number_alone(data: Dataset) -> None:
    one, other = sampler(data), sampler(data)
    other.draw(4)
    for a, b in zip(one.draw(5), other.draw(5), strict=True):
        assert torch.equal(a, b)
    assert not torch.equal(one.draw(6).faces, one.draw(5).faces)


def test_few_windows_learnt_by_heart(data: Dataset) -> None:
    sampling = replace(OPTIONS.sampling, overfit=1)
    made = sampler(data, sampling=sampling)
    batches = [made.draw(n) for n in range(2)]
    assert torch.equal(batches[0].faces, batches[1].faces) and torch.equal(batches[0].faces[0], batches[0].faces[1])


def test_data_of_another_size_is_refused(tmp_path: Path, data: Dataset) -> None:
    with pytest.raises(UsageError, match=f"needs faces of {PIXELS} pixels in crops of {SIZE.height}"):
        view_crops(replace(data, size=PIXELS - 1), SIZE)
    with pytest.raises(UsageError, match="pixels in crops"):
        view_crops(replace(data, side=SIZE.height - 1), SIZE)
    view = view_crops(data, SIZE)
    assert (view.size, data.size) == (SIZE.height, PIXELS) and view.clips == data.clips
