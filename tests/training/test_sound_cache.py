"""The features of a training's sounds: computed once, kept by content, and never half-written."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from lipdub.speech.audio_features import FEATURES, AudioFeature
from lipdub.training import sound_cache
from lipdub.training.sound_cache import SoundCache, name_feature

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SOUND = np.random.default_rng(0).normal(0, 0.1, 3200).astype(np.float32)


class Counted:
    """A feature that counts how often it is computed."""

    def __init__(self, version: int = 1) -> None:
        self.calls = 0
        self.feature = AudioFeature("toy", "A toy", 160, 1, self.compute, 1, version=version)

    def compute(self, audio: np.ndarray) -> np.ndarray:
        self.calls += 1
        return audio[None, ::160]


def test_a_sound_is_computed_once_for_all_trainings(tmp_path: Path) -> None:
    toy = Counted()
    cache = SoundCache(toy.feature)
    assert cache.find("a") is None
    first = cache.compute("a", SOUND, tmp_path)
    np.testing.assert_array_equal(first, SOUND[None, ::160].astype(np.float16).astype(np.float32))
    found = cache.find("a")
    assert found is not None and first.dtype == found.dtype == np.float32
    np.testing.assert_array_equal(found, first)
    np.testing.assert_array_equal(SoundCache(toy.feature).compute("of another training", SOUND, tmp_path), first)
    assert toy.calls == 1
    cache.compute("b", 2 * SOUND, tmp_path)
    assert toy.calls == 2
    files = [path for path in (tmp_path / "features").rglob("*") if path.is_file()]
    assert len(files) == 2 and {path.suffix for path in files} == {".safetensors"}
    files[0].write_bytes(files[0].read_bytes()[:-3])
    files[1].write_bytes(b"")
    np.testing.assert_array_equal(SoundCache(toy.feature).compute("a", SOUND, tmp_path), first)  # damaged: computed
    assert toy.calls == 3


def test_what_is_quick_is_not_kept_on_the_disk(tmp_path: Path) -> None:
    SoundCache(Counted(version=0).feature).compute("a", SOUND, tmp_path)
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_used_as_it_is(tmp_path: Path) -> None:
    toy = Counted()
    (tmp_path / "features").write_bytes(b"a file where the folder should be")
    cache = SoundCache(toy.feature)
    np.testing.assert_allclose(cache.compute("a", SOUND, tmp_path), SOUND[None, ::160], atol=1e-3)
    assert cache.find("a") is not None and toy.calls == 1


def test_memory_is_limited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sound_cache, "_MAX_SOUNDS", 2)
    cache = SoundCache(Counted().feature)
    for name in range(4):
        cache.compute(name, SOUND, tmp_path)
    assert [cache.find(name) is not None for name in range(4)] == [False, False, True, True]


def test_the_folder_is_named_by_all_that_counts() -> None:
    phonetic = FEATURES.get("phonetic")
    names = {
        name_feature(feature)
        for feature in (phonetic, replace(phonetic, version=phonetic.version + 1), replace(phonetic, weights=()))
    }
    assert len(names) == 3 and all(name.startswith("phonetic-") for name in names)
