"""What the generators are trained on: faces, a reference from elsewhere in the clip, and each face's own sound."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from lipdub.errors import InputError
from lipdub.metrics import avsyncnet
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.speech import mel
from lipdub.training.dataset import open_dataset
from lipdub.training.face_augmentation import FaceAugmentation
from lipdub.training.face_windows import WindowBatch, WindowSampler, WindowSampling
from lipdub.training.sync_scorer import hear_feature
from tests.training.datasets import EDGE, SIZE, pairs, talkers

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.training.dataset import Clip, Dataset


def test_a_window_its_reference_and_its_sounds(tmp_path: Path) -> None:
    data = open_dataset(talkers(tmp_path))
    batch = WindowSampler(data, WindowSampling(windows=3)).draw_plain(0)
    assert batch.faces.shape == batch.references.shape == (3, 5, 3, SIZE, SIZE) and batch.sounds.shape == (3, 5, 80, 16)
    assert batch.others.shape == (0, 5, 80, 16)
    known = {}
    for clip in data.clips:
        crops = data.crop_middle(data.read(clip).crops)
        known[clip.id] = torch.from_numpy(np.ascontiguousarray(crops)).permute(0, 3, 1, 2).float() / 255
    for faces, references, sounds in zip(batch.faces, batch.references, batch.sounds, strict=True):
        where = [
            (clip, first)
            for clip in data.clips
            for first in range(clip.frames - 4)
            if torch.equal(known[clip.id][first : first + 5], faces)
        ]
        clip = where[0][0]
        starts = [
            first for first in range(clip.frames - 4) if torch.equal(known[clip.id][first : first + 5], references)
        ]
        assert starts and all(abs(start - first) >= 5 for start in starts[:1] for _, first in where[:1])
        whole = mel.compute_levelled_spectrogram(data.read(clip).audio).astype(np.float16).astype(np.float32)
        heard = [whole[:, column : column + 16] for column in (int((first + 2 - 2) * 3.2) for _, first in where)]
        assert any(np.allclose(sounds[2], part, atol=1e-5) for part in heard)


def test_the_same_number_is_the_same_batch_in_any_order(tmp_path: Path) -> None:
    data = open_dataset(talkers(tmp_path))
    first = WindowSampler(data, WindowSampling(), 3)
    batches = [first.draw(number) for number in range(3)]
    again = WindowSampler(data, WindowSampling(), 3)
    for number in (2, 0, 1):
        assert all(torch.equal(a, b) for a, b in zip(again.draw(number), batches[number], strict=True))
    assert not torch.equal(batches[0].faces, batches[1].faces)
    assert not torch.equal(WindowSampler(data, WindowSampling(), 4).draw(0).faces, batches[0].faces)


def test_a_sampler_with_a_lead_hears_ahead(tmp_path: Path) -> None:
    data = open_dataset(talkers(tmp_path))
    plain, ahead = (WindowSampler(data, WindowSampling(windows=2), lead=lead).draw_plain(0) for lead in (0.0, 0.08))
    assert torch.equal(plain.faces, ahead.faces) and not torch.equal(plain.sounds, ahead.sounds)
    assert torch.equal(plain.sounds[:, 2:], ahead.sounds[:, :-2]), "two frames on"


def test_a_sampler_with_context_also_hears_before_and_after_its_faces(tmp_path: Path) -> None:
    data = open_dataset(talkers(tmp_path))
    other = np.random.default_rng(0).normal(size=(80, 100)).astype(np.float32)
    whole = WindowSampler(data, WindowSampling(windows=4), others=[other]).draw_plain(0)
    wide = WindowSampler(data, WindowSampling(windows=4), others=[other], sound_context=2).draw_plain(0)
    assert torch.equal(wide.faces, whole.faces) and wide.sounds.shape == wide.others.shape == (4, 9, 80, 16)
    for heard, known in ((wide.sounds, whole.sounds), (wide.others, whole.others)):
        assert torch.equal(heard[:, 2:-2], known)
        # The moments are successive, so the context moves on as the windows do.
        assert not torch.equal(heard[:, 0], heard[:, 1]) and not torch.equal(heard[:, -1], heard[:, -2])
    assert whole.sounds.shape == (4, 5, 80, 16)


def test_views_of_a_window_and_its_reference_change_alike(tmp_path: Path) -> None:
    folder = talkers(tmp_path)
    windows = WindowSampler(open_dataset(folder), WindowSampling(windows=8))
    batch = windows.draw(0)
    eyes = slice(5, 9)
    still = (batch.faces[:, :, :, eyes] - batch.references[:, :, :, eyes]).abs().max()
    assert float(still) < 1e-5  # the drawn eyes do not move, so the two differ in the mouth alone
    assert batch.faces.min() >= 0 and batch.faces.max() <= 1


def test_a_window_and_its_reference_have_one_tint_that_differs_between_colours(tmp_path: Path) -> None:
    data, still = open_dataset(talkers(tmp_path)), FaceAugmentation(*[0.0] * 11)
    tinted, plain = (
        WindowSampler(data, WindowSampling(face_augmentation=replace(still, tint=tint))).draw(1) for tint in (0.2, 0.0)
    )
    eyes = slice(5, 9)
    assert float((tinted.faces[:, :, :, eyes] - tinted.references[:, :, :, eyes]).abs().max()) < 1e-5
    ratios = tinted.faces.mean((1, 3, 4)) / plain.faces.mean((1, 3, 4))  # of each window and colour
    assert bool(((ratios - 1).abs() <= 0.2 + 1e-4).all()) and ratios.unique().numel() == ratios.numel()


def test_few_examples_as_they_are(tmp_path: Path) -> None:
    windows = WindowSampler(open_dataset(talkers(tmp_path)), WindowSampling(windows=4, overfit=2))
    seen = {face.numpy().tobytes() for number in range(6) for face in windows.draw(number).faces}
    assert len(seen) == 2


def test_references_of_the_same_moment_in_another_video(tmp_path: Path) -> None:
    data = open_dataset(talkers(tmp_path, clips=2))
    windows = WindowSampler(data, WindowSampling(windows=12, cross_video_share=1.0))
    batch = windows.draw_plain(0)
    crops = [
        torch.from_numpy(data.crop_middle(data.read(clip).crops)).permute(0, 3, 1, 2).float() / 255
        for clip in data.clips
    ]
    for faces, references in zip(batch.faces, batch.references, strict=True):
        own = next(k for k in range(2) if torch.equal(crops[k][0, :, 0, 0], faces[0, :, 0, 0]))
        firsts = [i for i in range(36) if torch.equal(crops[own][i : i + 5], faces)]
        assert any(torch.equal(crops[1 - own][i : i + 5], references) for i in firsts)
    alone = WindowSampler(
        open_dataset(talkers(tmp_path / "one", clips=1)), WindowSampling(windows=2, cross_video_share=1.0)
    ).draw_plain(0)
    assert alone.references.shape == alone.faces.shape  # where there is no other video, of the same one


def test_single_faces_of_the_videos_that_are_asked_for(tmp_path: Path) -> None:
    data = open_dataset(talkers(tmp_path, clips=3))
    first, second, third = data.clips
    shares = {first.video: 3.0, second.video: 1.0, third.video: 0.0}
    windows = WindowSampler(data, WindowSampling(windows=400, frames=1, cross_video_share=1.0), shares=shares)
    batch = windows.draw_plain(0)
    assert batch.faces.shape == batch.references.shape == (400, 1, 3, SIZE, SIZE) and batch.sounds.shape == (
        400,
        1,
        80,
        16,
    )
    crops = [
        torch.from_numpy(data.crop_middle(data.read(clip).crops)).permute(0, 3, 1, 2).float() / 255
        for clip in data.clips
    ]
    corners = [
        int(np.flatnonzero([torch.equal(one[0, :, 0, 0], face[0, :, 0, 0]) for one in crops])[0])
        for face in batch.faces
    ]
    counts = np.bincount(corners, minlength=3)
    assert counts[2] == 0 and 260 < counts[0] < 340
    for face, reference, own in zip(batch.faces[:20], batch.references, corners, strict=False):
        at = [i for i, one in enumerate(crops[own]) if torch.equal(one, face[0])]
        others = [crop[i] for k, crop in enumerate(crops) if k != own for i in at]
        assert any(torch.equal(reference[0], other) for other in others)


def test_other_speech(tmp_path: Path) -> None:
    other = np.random.default_rng(0).normal(size=(80, 100)).astype(np.float32)
    batch = WindowSampler(open_dataset(talkers(tmp_path)), WindowSampling(windows=3), 0, others=[other]).draw_plain(0)
    assert batch.others.shape == (3, 5, 80, 16)
    columns = [other[:, start : start + 16] for start in range(84)]
    assert all(any(np.allclose(window, part) for part in columns) for window in batch.others[:, 2])


def test_a_damaged_shard_is_passed_over_or_refused(tmp_path: Path) -> None:
    folder = talkers(tmp_path, clips=3)
    path = next((folder / "shards" / "01").iterdir())
    whole = bytearray(path.read_bytes())
    whole[len(whole) // 2] ^= 1
    path.write_bytes(whole)
    said: list[str] = []
    windows = WindowSampler(open_dataset(folder, report=said.append), WindowSampling(windows=2))
    for number in range(10):
        windows.draw(number)
    assert len(said) == 1 and "0101-0000" in said[0]
    with pytest.raises(InputError, match="0101-0000"):
        open_dataset(folder, on_bad="error")


@pytest.mark.parametrize("audio", ["mel", "phonetic"])
def test_silence_is_what_the_feature_has_of_it(audio: str) -> None:
    network = AVSyncNet(hear_feature(AVSyncNetSize.small(), audio))
    windows = avsyncnet.find_sound_windows(network.size)
    heard = windows.cut(windows.compute(np.zeros(16000, np.float32)), np.array([-30, 40, 100]))
    np.testing.assert_allclose(heard, network.make_silence(3), rtol=0, atol=1e-5)


def windows_of(batch: WindowBatch, data: Dataset) -> list[tuple[Clip, int, Clip, int]]:
    """The clip and first frame of each window, and of its reference."""
    known = {
        clip: torch.from_numpy(np.ascontiguousarray(data.crop_middle(data.read(clip).crops))).permute(0, 3, 1, 2) / 255
        for clip in data.clips
    }

    def place(faces: torch.Tensor) -> tuple[Clip, int]:
        return next(
            (clip, first)
            for clip, crops in known.items()
            for first in range(clip.frames - 4)
            if torch.equal(crops[first : first + 5], faces)
        )

    return [(*place(a), *place(b)) for a, b in zip(batch.faces, batch.references, strict=True)]


def test_a_window_of_a_pair_has_the_same_frames_with_another_mouth_as_reference(tmp_path: Path) -> None:
    data = open_dataset(pairs(tmp_path))
    sampler = WindowSampler(data, WindowSampling(windows=6, pair_share=1.0))
    seen = set()
    for number in range(6):
        batch = sampler.draw_plain(number)
        for clip, first, other, other_first in windows_of(batch, data):
            assert clip.scene == other.scene and first == other_first
            assert clip.variant != other.variant and clip.variant in ("plain", "speech")
            seen.add((clip.variant, other.variant))
    assert seen == {(a, b) for a in ("plain", "speech") for b in ("plain", "speech", "shut") if a != b}
    # each window has the sound of its own clip
    for i, (clip, first, *_) in enumerate(windows_of(sampler.draw_plain(0), data)):
        assert torch.equal(sampler.draw_plain(0).sounds[i], torch.from_numpy(sampler.sounds(data.read(clip, first, 5))))


def test_the_truth_of_a_closed_mouth_is_the_clip_with_the_mouth_shut(tmp_path: Path) -> None:
    data = open_dataset(pairs(tmp_path))
    sampler = WindowSampler(data, WindowSampling(windows=6, pair_share=1.0, shut_share=1.0))
    seen = set()
    for number in range(4):
        batch = sampler.draw_plain(number)
        assert torch.equal(batch.sounds, torch.full_like(batch.sounds, -4.0))
        for clip, first, other, other_first in windows_of(batch, data):
            assert clip.variant == "shut" and (clip.scene, first) == (other.scene, other_first)
            seen.add(other.variant)
    assert seen == {"plain", "speech", "shut"}


def test_second_references_are_the_same_moments_with_another_mouth(tmp_path: Path) -> None:
    data = open_dataset(pairs(tmp_path))
    sampling = WindowSampling(windows=6, pair_share=0.7)
    sampler, plain = WindowSampler(data, sampling, has_second=True), WindowSampler(data, sampling)
    seen = set()
    for number in range(6):
        batch = sampler.draw_plain(number)
        assert batch.second_references.shape == batch.references.shape
        swapped = batch._replace(faces=batch.references, references=batch.second_references)
        for clip, first, other, other_first in windows_of(swapped, data):
            assert (clip.scene, first) == (other.scene, other_first) and clip.variant != other.variant
            seen.add((clip.variant, other.variant))
        assert len(plain.draw_plain(number).second_references) == 0
    assert len(seen) == 6, "every variant, and each of the others beside it"
    shown = sampler.draw(0)
    assert torch.equal(shown.second_references[..., :5, :], shown.references[..., :5, :]), "views change alike"
    one = talkers(tmp_path / "one", clips=1)
    alone = WindowSampler(open_dataset(one), WindowSampling(windows=2), has_second=True).draw_plain(0)
    assert torch.equal(alone.second_references, alone.references), "where there is no other mouth"


def test_second_references_in_other_videos(tmp_path: Path) -> None:
    data = open_dataset(talkers(tmp_path, clips=2))
    sampler = WindowSampler(data, WindowSampling(windows=4, cross_video_share=1.0), has_second=True)
    batch = sampler.draw_plain(0)
    assert torch.equal(batch.second_references, batch.faces), "of two videos the reference's other is the face's own"


def test_without_pairs_windows_are_as_ever(tmp_path: Path) -> None:
    data = open_dataset(talkers(tmp_path))
    plain, asked = (WindowSampler(data, WindowSampling(pair_share=share)).draw(0) for share in (0.0, 1.0))
    assert all(torch.equal(a, b) for a, b in zip(plain, asked, strict=True))


def test_both_kinds_of_windows_are_drawn(tmp_path: Path) -> None:
    data = open_dataset(pairs(tmp_path))
    sampler = WindowSampler(data, WindowSampling(windows=8, pair_share=0.5))
    kinds = [clip == other for n in range(6) for clip, _, other, _ in windows_of(sampler.draw_plain(n), data)]
    assert 0.25 < np.mean(kinds) < 0.75


def test_the_lips_of_a_window_lie_where_its_landmarks_have_them(tmp_path: Path) -> None:
    data = open_dataset(pairs(tmp_path))
    batch = WindowSampler(data, WindowSampling(windows=2, pair_share=1.0)).draw_plain(0)
    assert batch.lips.shape == (2, 5, 1, SIZE, SIZE) and set(batch.lips.unique().tolist()) == {0.0, 1.0}
    for faces, lips, (clip, first, *_) in zip(batch.faces, batch.lips, windows_of(batch, data), strict=True):
        corners = data.read(clip, first, 5).landmarks[:, 61, :2] - EDGE
        for face, mask, corner in zip(faces, lips, corners, strict=True):
            red = (face[0] > 3 * face[1]).float()  # the drawn mouth, and nothing else
            assert mask[0, round(corner[1]), round(corner[0]) + 1] == 1
            assert red.sum() and (red * mask[0]).sum() / red.sum() > 0.8
    shown = WindowSampler(data, WindowSampling(windows=2, pair_share=1.0)).draw(0)
    red = (shown.faces[:, :, :1] > 2.5 * shown.faces[:, :, 1:2]).float()
    assert (red * shown.lips).sum() / red.sum() > 0.7, "they move with the face"
