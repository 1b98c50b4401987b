"""A stage's store: its values and files are intact or are reported as damaged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lipdub.errors import CorruptChunk
from lipdub.workspace import StageStore


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(tmp_path / "sync", "sync")


def test_json(store: StageStore) -> None:
    store.put_json("a/b", {"x": np.arange(3), "n": float("nan"), "p": Path("q"), "f": np.float32(0.5)})
    assert store.json("a/b") == {"x": [0, 1, 2], "n": None, "p": "q", "f": 0.5}
    assert store.has("a/b")
    assert not store.has("c")
    with pytest.raises(CorruptChunk):
        store.json("c")
    path = store.path / "a" / "b.json"
    path.write_bytes(path.read_bytes().replace(b"0.5", b"0.7"))
    with pytest.raises(CorruptChunk) as caught:
        store.json("a/b")
    assert caught.value.chunk == -1


def test_seals(store: StageStore) -> None:
    path = store.file("segments/0.mkv")
    assert not store.is_sealed("segments/0.mkv")
    path.write_bytes(b"content")
    assert not store.is_sealed("segments/0.mkv")
    store.seal("segments/0.mkv")
    assert store.is_sealed("segments/0.mkv")
    path.write_bytes(b"c0ntent")
    assert not store.is_sealed("segments/0.mkv")
    store.remove("segments/0.mkv")
    assert not store.has("segments/0.mkv")


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "{}", '{"digest": 1, "value": 2}', "[" * 100_000])
def test_damaged_values_are_reported(content: str, store: StageStore) -> None:
    store.put_json("x", 1)
    (store.path / "x.json").write_text(content)
    with pytest.raises(CorruptChunk, match="x is damaged"):
        store.json("x")


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../other", "a/../../b"])
def test_names_stay_inside(name: str, store: StageStore) -> None:
    with pytest.raises(ValueError, match="not a name in a store"):
        store.file(name)
