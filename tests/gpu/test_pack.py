"""A packed dataset has the clips of the datasets, evenly, and nearly their pictures."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import islice
from typing import TYPE_CHECKING

import numpy as np
import pytest

pytest.importorskip("torch")

from lipdub.training.dataset import Dataset, open_dataset
from lipdub.training.rendered.variants import SAME_BUT_MOUTH
from tests.gpu.pack import PackOptions, choose_scenes, main, pack, unpack
from tests.training.datasets import pairs, talkers

if TYPE_CHECKING:
    from pathlib import Path

OPTIONS = PackOptions(frames=8, variants=0)


@pytest.fixture(scope="module")
def faces(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pairs(tmp_path_factory.mktemp("faces") / "pairs", scenes=4, held_out={3, 4, 5})


@pytest.fixture(scope="module")
def unpacked(faces: Path, tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    folder = tmp_path_factory.mktemp("pack")
    pack([faces], folder / "a.zip", OPTIONS)
    return open_dataset(unpack(folder / "a.zip", folder / "faces"), on_bad="error")


def test_all_clips_come_back_shorter(faces: Path, unpacked: Dataset) -> None:
    whole = {clip.id: clip for clip in open_dataset(faces).clips}
    assert {clip.id for clip in unpacked.clips} == set(whole)
    assert unpacked.size == 24 and unpacked.side == 32
    for clip in unpacked.clips:
        known = whole[clip.id]
        assert clip.frames == OPTIONS.frames < known.frames and clip.start >= known.start
        kept = ("speaker", "split", "licence", "scene", "variant", "name")
        assert [getattr(clip, name) for name in kept] == [getattr(known, name) for name in kept]


def test_a_clip_is_the_same_but_for_the_coding(faces: Path, unpacked: Dataset) -> None:
    whole = open_dataset(faces)
    for clip in unpacked.clips:
        known = next(other for other in whole.clips if other.id == clip.id)
        first = round((clip.start - known.start) * 25)
        before, after = whole.read(known, first, clip.frames), unpacked.read(clip)
        assert np.array_equal(before.audio, after.audio) and np.array_equal(before.masks, after.masks)
        assert np.array_equal(before.placements, after.placements)
        assert np.abs(before.landmarks - after.landmarks).max() <= 1 / 32
        assert np.abs(before.crops.astype(int) - after.crops).mean() < 6
        assert after.mel.shape == before.mel.shape


def test_variants_of_a_scene_keep_the_same_frames(unpacked: Dataset) -> None:
    scenes = {clip.scene for clip in unpacked.clips}
    assert len(scenes) == 4
    for scene in scenes:
        own = [clip for clip in unpacked.clips if clip.scene == scene]
        assert {clip.variant for clip in own} == set(SAME_BUT_MOUTH) and len({clip.start for clip in own}) == 1


def test_unknown_landmarks_stay_unknown(tmp_path: Path) -> None:
    from lipdub.training import shards
    from tests.training import datasets

    arrays = datasets._talker(np.random.default_rng(0), 6)
    arrays["landmarks"][2:4] = np.nan
    source = datasets.write_dataset(tmp_path / "a", [arrays], datasets.SIZE, datasets.SIDE)
    pack([source], tmp_path / "a.zip", OPTIONS)
    data = open_dataset(unpack(tmp_path / "a.zip", tmp_path / "b"))
    found = data.read(data.clips[0]).landmarks
    assert np.array_equal(np.isnan(found), np.isnan(arrays["landmarks"])) and shards.FPS == 25
    assert np.abs(found[4:] - arrays["landmarks"][4:]).max() <= 1 / 32


def test_speakers_take_turns(faces: Path) -> None:
    data = open_dataset(faces)
    clips = [replace(clip, speaker=f"{number % 3}") for number, clip in enumerate(data.clips) if not number % 2]
    alone = data.with_clips(replace(clip, scene="") for clip in clips)
    order = [scene[0].speaker for scene in choose_scenes(alone, seed=0)]
    assert len(order) == len(clips)
    assert set(order[:3]) == set(order[3:6]) == {"0", "1", "2"}
    other = [scene[0].id for scene in islice(choose_scenes(alone, seed=1), 6)]
    assert other != [scene[0].id for scene in islice(choose_scenes(alone, seed=0), 6)]


def test_datasets_share_the_room_and_a_small_file_has_fewer_clips(tmp_path: Path) -> None:
    one, two = talkers(tmp_path / "one", clips=12, frames=20), pairs(tmp_path / "two", scenes=4, frames=20)
    whole = pack([one], tmp_path / "whole.zip", replace(OPTIONS, mib=5.0, frames=20))
    assert whole["clips"] == 12
    room = 0.5 + 0.6 * whole["mib"]  # half a MiB is kept for the index
    part = pack([one], tmp_path / "part.zip", replace(OPTIONS, mib=room, frames=20))
    assert 0 < part["clips"] < 12 and part["mib"] <= room
    data = open_dataset(unpack(tmp_path / "part.zip", tmp_path / "part"))
    assert Counter(clip.split for clip in data.clips) == {"train": part["clips"]}
    assert two.exists()


def test_faces_of_two_sizes_are_refused(faces: Path, tmp_path: Path) -> None:
    large = talkers(tmp_path / "large", clips=1, frames=6, times=2)
    with pytest.raises(ValueError, match="different sizes"):
        pack([faces, large], tmp_path / "a.zip", OPTIONS)
    assert not list(tmp_path.glob("a*"))


@pytest.mark.slow
def test_what_is_heard_comes_along(faces: Path, tmp_path: Path) -> None:
    assert main([str(faces), "--out", str(tmp_path / "a.zip"), "--frames", "8", "--variants", "2"]) == 0
    folder = unpack(tmp_path / "a.zip", tmp_path / "faces")
    talking = [clip for clip in open_dataset(folder, split="train").clips if clip.variant != "shut"]
    heard = list((folder / "features").rglob("*.safetensors"))
    assert len(heard) >= 2 * len(talking)
