"""The masks of training windows: drawn from the landmarks of each face, and moved as the faces are."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest
import torch

from lipdub.faces import mesh
from lipdub.faces.masks import MASKS
from lipdub.training.dataset import Dataset, open_dataset
from lipdub.training.face_windows import WINDOW_AUGMENTATION, WindowSampler, WindowSampling
from tests.training.style_lip_sync.small import PIXELS, SIDE, talkers

if TYPE_CHECKING:
    from lipdub.arrays import U8, Array

EDGE = (SIDE - PIXELS) // 2
SAMPLING = WindowSampling(windows=3)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return open_dataset(talkers(tmp_path_factory.mktemp("faces"), clips=3))


def draw_left_of_nose(landmarks: Array, height: int, width: int) -> U8:
    """Draw all that lies left of the nose."""
    mask = np.zeros((height, width), np.uint8)
    mask[:, : round(float(landmarks[mesh.NOSE_BASE, 0]))] = 1
    return mask


@pytest.mark.parametrize("name", MASKS.names())
def test_each_face_has_the_mask_of_its_own_landmarks(data: Dataset, name: str) -> None:
    draw = MASKS.get(name).draw
    batch = WindowSampler(data, SAMPLING, draw_mask=draw).draw_plain(0)
    assert batch.masks.shape == (3, 5, 1, PIXELS, PIXELS) and set(batch.masks.unique().tolist()) == {0.0, 1.0}
    for faces, masks in zip(batch.faces, batch.masks, strict=True):
        clip, first = next(
            (clip, first)
            for clip in data.clips
            for first in range(clip.frames - 4)
            if torch.equal(as_tensor(data.crop_middle(data.read(clip, first, 5).crops)), faces)
        )
        drawn = np.stack([draw(points, SIDE, SIDE) for points in data.read(clip, first, 5).landmarks])
        assert np.array_equal(masks[:, 0].numpy(), data.crop_middle(drawn))


def as_tensor(crops: U8) -> torch.Tensor:
    return torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float() / 255


def test_masks_take_nothing_from_the_rest_of_a_batch(data: Dataset) -> None:
    for draw in (WindowSampler.draw, WindowSampler.draw_plain):
        plain = draw(WindowSampler(data, SAMPLING), 4)
        masked = draw(WindowSampler(data, SAMPLING, draw_mask=MASKS.get("jaw").draw), 4)
        assert plain.masks.shape == (3, 0, 1, PIXELS, PIXELS)
        for name in ("faces", "references", "sounds", "lips"):
            assert torch.equal(getattr(plain, name), getattr(masked, name)), name


def test_masks_move_with_their_faces_and_have_hard_edges(data: Dataset) -> None:
    """A mask that is drawn where the crop is dark hides the same pixels after turns, shifts and mirroring."""
    far = replace(WINDOW_AUGMENTATION, shift=0.1, scale=0.1, turn=25.0, light=0.0, slope=0.0, contrast=0.0, blur=0.0)
    known: dict[bytes, U8] = {}
    for clip in data.clips:
        window = data.read(clip)
        for points, crop in zip(window.landmarks, window.crops, strict=True):
            known[points.tobytes()] = (crop.astype(int).sum(2) > 420).astype(np.uint8)
    sampling = replace(SAMPLING, windows=8, face_augmentation=far)
    sampler = WindowSampler(data, sampling, draw_mask=lambda points, *_: known[points.tobytes()])
    batch = sampler.draw(1)
    assert set(batch.masks.unique().tolist()) == {0.0, 1.0}
    bright = (batch.faces.sum(2, keepdim=True) > 420 / 255).float()
    agreement = float((bright == batch.masks).float().mean())
    assert agreement > 0.93, "but for pixels at the edges"
    unmoved = WindowSampler(data, sampling, draw_mask=lambda points, *_: known[points.tobytes()]).draw_plain(1)
    assert float((bright == unmoved.masks).float().mean()) < agreement - 0.05


def test_a_mirrored_face_has_a_mirrored_mask(data: Dataset) -> None:
    still = replace(
        WINDOW_AUGMENTATION, shift=0.0, scale=0.0, stretch=0.0, turn=0.0, light=0.0, slope=0.0, contrast=0.0, blur=0.0
    )
    samplers = [
        WindowSampler(data, replace(SAMPLING, face_augmentation=replace(still, flip=flip)), draw_mask=draw_left_of_nose)
        for flip in (0.0, 1.0)
    ]
    plain, mirrored = (sampler.draw(0) for sampler in samplers)
    torch.testing.assert_close(plain.faces.flip(-1), mirrored.faces, atol=1e-3, rtol=0)
    assert torch.equal(plain.masks.flip(-1), mirrored.masks)
    assert plain.masks[..., 0].min() == 1 and plain.masks[..., -1].max() == 0


def test_a_frame_without_landmarks_hides_nothing(data: Dataset) -> None:
    asked: list[float] = []

    def draw(points: Array, height: int, width: int) -> U8:
        asked.append(float(points.min()))
        return np.ones((height, width), np.uint8)

    sampler, window = WindowSampler(data, SAMPLING, draw_mask=draw), data.read(data.clips[0], 0, 5)
    window.landmarks[2, 100] = np.nan
    lips, masks = np.split(sampler._draw_outlines(window), 2)
    assert masks.reshape(5, -1).min(1).tolist() == [1, 1, 0, 1, 1] and not masks[2].any() and lips.any()
    assert len(asked) == 4 and np.isfinite(asked).all()
