"""The training of face features at tiny size, on drawn faces: it learns where things are, the same each time."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")
pytest.importorskip("accelerate")

from lipdub.errors import InputError
from lipdub.faces import landmarks, mesh
from lipdub.networks.face_features import COLOUR_GRID_SIZE
from lipdub.speech import mel
from lipdub.training import shards
from lipdub.training.dataset import open_dataset
from lipdub.training.face_features import (
    AUGMENTATION,
    LANDMARK_VERTICES,
    FaceFeaturesOptions,
    draw_batch,
    evaluate_network,
    train_network,
)
from lipdub.training.loop import LoopOptions
from lipdub.training.registry import train
from lipdub.training.single_faces import NO_AUGMENTATION, mirror_partners
from lipdub.weights import face_features_file
from tests.training.datasets import write_dataset

if TYPE_CHECKING:
    from pathlib import Path

SIZE, SIDE = 32, 44
LOOP = LoopOptions(steps=3, learning_rate=5e-3, warmup=2, save_every=1000)
OPTIONS = FaceFeaturesOptions((4, 8, 8, 12), faces=8, loop=LOOP)


def drawn_faces(folder: Path, clips: int = 3, held_out: tuple[int, ...] = ()) -> Path:
    """A dataset of flat faces, of a colour for each clip, that sway and open their mouths; without sound."""
    rng = np.random.default_rng(0)
    return write_dataset(folder, [drawn_clip(rng) for _ in range(clips)], SIZE, SIDE, held_out)


def drawn_clip(rng: np.random.Generator, frames: int = 12) -> dict[str, np.ndarray]:
    import cv2

    face = landmarks.load_neutral_face()
    face = (face - (face.min(0) + face.max(0)) / 2) / np.ptp(face[:, 1]) * SIZE * 0.9
    points = np.repeat(face[None], frames, 0)
    points[:, mesh.INNER_LOWER, 1] += rng.uniform(0, 0.1 * SIZE, (frames, 1))
    points[..., :2] += (SIDE - 1) / 2 + rng.uniform(-2, 2, (frames, 1, 2))
    skin, lips, behind = (tuple(int(v) for v in rng.integers(low, low + 80, 3)) for low in (160, 80, 0))
    crops = np.full((frames, SIDE, SIDE, 3), behind, np.uint8)
    for picture, seen in zip(crops, points, strict=True):
        parts = ((mesh.OVAL, skin), (mesh.LIPS_OUTER, lips), (mesh.LIPS_INNER, (0, 0, 0)))
        for ring, colour in parts:
            cv2.fillPoly(picture, [np.round(seen[list(ring), :2] * 16).astype(np.int32)], colour, shift=4)
        for eye in (mesh.EYE_LEFT, mesh.EYE_RIGHT):
            cv2.circle(picture, [int(v) for v in seen[list(eye), :2].mean(0).round()], 2, (0, 0, 60), -1)
    silent = np.zeros(frames * shards.SAMPLES_PER_FRAME, np.float32)
    return {
        "crops": crops,
        "landmarks": points.astype(np.float32),
        "masks": shards.pack_masks(np.zeros((frames, SIDE, SIDE), np.uint8)),
        "audio": silent.astype(np.int16),
        "mel": mel.compute_spectrogram(silent).T.copy(),
        "placements": np.tile([64.0, 64.0, 20.0, 0.0], (frames, 1)),
        "frames": np.arange(frames, dtype=np.int32),
    }


def test_landmarks_asked_for_have_partners_across_the_face() -> None:
    other = mirror_partners()
    assert (other[other] == np.arange(478)).all()
    assert len(LANDMARK_VERTICES) == len(set(LANDMARK_VERTICES)) == 105 and set(other[LANDMARK_VERTICES]) == set(
        LANDMARK_VERTICES
    )
    assert other[61] == 291 and other[145] == 374 and other[1] == 1


def test_a_plain_batch_is_the_faces_as_they_are(tmp_path: Path) -> None:
    data = open_dataset(drawn_faces(tmp_path))
    drawn = draw_batch(data, 4, np.random.default_rng(3))
    rng = np.random.default_rng(3)
    windows = [data.draw(rng, 1) for _ in range(4)]
    edge = (SIDE - SIZE) // 2
    crops = np.stack([data.crop_middle(w.crops)[0] for w in windows]).transpose(0, 3, 1, 2) / 255
    np.testing.assert_allclose(drawn.pictures, crops, atol=1e-5)
    points = np.stack([w.landmarks[0, LANDMARK_VERTICES, :2] for w in windows])
    np.testing.assert_allclose(drawn.landmarks, (points - edge + 0.5) / SIZE, atol=1e-5)
    means = crops.reshape(
        4, 3, COLOUR_GRID_SIZE, SIZE // COLOUR_GRID_SIZE, COLOUR_GRID_SIZE, SIZE // COLOUR_GRID_SIZE
    ).mean((3, 5))
    np.testing.assert_allclose(drawn.colours, means, atol=1e-5)


def test_landmarks_go_where_the_picture_goes(tmp_path: Path) -> None:
    clip = drawn_clip(np.random.default_rng(0), frames=30)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    # nothing is to be seen but the left corner of the mouth
    for picture, seen in zip(clip["crops"], clip["landmarks"][:, 61], strict=True):
        picture[:] = (255 * np.exp(-((columns - seen[0]) ** 2 + (rows - seen[1]) ** 2) / 4))[..., None]
    data = open_dataset(write_dataset(tmp_path, [clip], SIZE, SIDE))
    moved = replace(NO_AUGMENTATION, shift=0.05, scale=0.1, stretch=0.1, turn=20.0, flip=0.5)
    drawn = draw_batch(data, 64, np.random.default_rng(0), moved)
    bright = drawn.pictures[:, 0].numpy() ** 2
    at = np.arange(0.5, SIZE) / SIZE
    seen = np.stack([bright.sum(1) @ at, bright.sum(2) @ at], 1) / bright.sum((1, 2))[:, None]
    left, right = (
        drawn.landmarks[:, int(np.flatnonzero(vertex == LANDMARK_VERTICES)[0])].numpy() for vertex in (61, 291)
    )
    off = np.stack([np.linalg.norm(seen - corner, axis=1) for corner in (left, right)])
    assert off.min(0).max() < 0.1 / SIZE and off.max(0).min() > 0.1
    assert 20 < (off[0] < off[1]).sum() < 44  # in mirrored pictures it is at the right, and has that one's number
    assert (left[:, 0] < right[:, 0]).all() and np.ptp(seen, 0).min() > 0.15


def test_changes_of_light_are_not_in_the_colours(tmp_path: Path) -> None:
    data = open_dataset(drawn_faces(tmp_path))
    looks = replace(AUGMENTATION, shift=0.0, scale=0.0, stretch=0.0, turn=0.0, flip=0.0)
    changed, plain = (draw_batch(data, 8, np.random.default_rng(1), how) for how in (looks, None))
    torch.testing.assert_close(changed.colours, plain.colours)
    torch.testing.assert_close(changed.landmarks, plain.landmarks)
    assert float((changed.pictures - plain.pictures).abs().mean()) > 0.02
    again = draw_batch(data, 8, np.random.default_rng(1), looks)
    assert all(torch.equal(a, b) for a, b in zip(changed, again, strict=True))


@pytest.mark.slow
def test_it_learns_where_things_are(tmp_path: Path) -> None:
    data, said = open_dataset(drawn_faces(tmp_path / "data")), []
    few = replace(OPTIONS, loop=replace(LOOP, steps=1))
    many = replace(OPTIONS, loop=replace(LOOP, steps=120, report_every=20, ema_decay=0.9))
    before = evaluate_network(train_network(data, tmp_path / "few", few), data, OPTIONS)
    after = evaluate_network(train_network(data, tmp_path / "many", many, progress=said.append), data, OPTIONS)
    losses = [float(line.split("loss ")[1].split(",")[0]) for line in said]
    assert len(losses) == 6 and losses[-1] < 0.3 * losses[0]
    assert after["landmarks"] < 0.3 * before["landmarks"] and after["colours"] < before["colours"]


@pytest.mark.slow
def test_same_seed_same_weights(tmp_path: Path) -> None:
    data, said = drawn_faces(tmp_path / "data", held_out=(2,)), []
    first, again, other = (tmp_path / name / "features.safetensors" for name in "abc")
    assert train("face-features", first, data=data, settings=OPTIONS, threads=1, seed=3, progress=said.append) == first
    train("face-features", again, data=data, settings=OPTIONS, threads=1, seed=3)
    train("face-features", other, data=data, settings=OPTIONS, threads=1, seed=4)
    assert first.read_bytes() == again.read_bytes() != other.read_bytes()
    assert any("held-out faces" in line for line in said)
    notes = face_features_file.read_description(first)["notes"]
    assert notes["clips"] == 2 and notes["seed"] == 3 and set(notes["figures"]) == {"landmarks", "colours"}
    assert notes["training"]["widths"] == [4, 8, 8, 12] and notes["speakers"] == ["who"]
    assert face_features_file.load(first).widths == (4, 8, 8, 12)


@pytest.mark.slow
def test_a_training_is_gone_on_with(tmp_path: Path) -> None:
    data = open_dataset(drawn_faces(tmp_path / "data"))
    options = replace(OPTIONS, loop=replace(LOOP, steps=4, save_every=2))
    whole = train_network(data, tmp_path / "whole", options, seed=1)

    class StoppedError(Exception):
        pass

    def stop(text: str) -> None:
        if "step 3" in text:
            raise StoppedError

    telling = replace(options, loop=replace(options.loop, report_every=1))
    with pytest.raises(StoppedError):
        train_network(data, tmp_path / "parts", telling, seed=1, progress=stop)
    parts = train_network(data, tmp_path / "parts", telling, seed=1)
    for (name, a), b in zip(whole.state_dict().items(), parts.state_dict().values(), strict=True):
        assert torch.equal(a, b), name


def test_no_dataset(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        train("face-features", tmp_path / "out.safetensors", data=tmp_path, settings=OPTIONS)
