"""Stores that outlive a change of a stage's options, and are emptied when what they depend on changes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.workspace import StageRecord, Workspace
from lipdub.workspace.folder import KEPT_FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def workspace(tmp_path: Path) -> Iterator[Workspace]:
    with Workspace(tmp_path / "w").locked() as opened:
        yield opened


def fill(workspace: Workspace, key: str, name: str = "codes") -> None:
    """Put a value, an array and a file into a kept store."""
    store = workspace.keep(name, key)
    store.put_json("a/value", [1, 2])
    store.array("numbers", shape=(3,), dtype="float32", chunk=3).write(0, np.arange(3, dtype=np.float32))
    store.file("b/file.txt").write_text("text")
    store.seal("b/file.txt")


def test_content_stays_under_the_same_key(workspace: Workspace) -> None:
    fill(workspace, "k")
    for opened in (workspace, Workspace(workspace.path)):
        store = opened.keep("codes", "k")
        assert store.json("a/value") == [1, 2] and store.is_sealed("b/file.txt")
        assert store.open("numbers").read(0, 3).tolist() == [0, 1, 2]


def test_content_goes_under_another_key_and_does_not_come_back(workspace: Workspace) -> None:
    fill(workspace, "k")
    for key in ("other", "k"):
        store = workspace.keep("codes", key)
        assert not any(store.has(name) for name in ("a/value", "numbers", "b/file.txt"))
    assert [path.name for path in store.path.iterdir()] == ["key.json"]


@pytest.mark.parametrize("content", [None, "", "{", "null", '{"digest": 1, "value": "k"}', '"k"'])
def test_a_damaged_key_empties_the_store(workspace: Workspace, content: str | None) -> None:
    fill(workspace, "k")
    path = workspace.path / KEPT_FOLDER / "codes" / "key.json"
    if content is None:
        path.unlink()
    else:
        path.write_text(content)
    assert not workspace.keep("codes", "k").has("a/value")
    workspace.keep("codes", "k").put_json("a/value", 3)
    assert workspace.keep("codes", "k").json("a/value") == 3


def test_a_key_that_is_no_text_is_another_key(workspace: Workspace) -> None:
    fill(workspace, "1")
    workspace.keep("codes", "1").put_json("key", 1)
    assert not workspace.keep("codes", "1").has("a/value")


def test_stores_of_other_names_and_stages_are_left_alone(workspace: Workspace) -> None:
    workspace.begin("codes", StageRecord("a", "running"), resume=False).put_json("x", 1)
    fill(workspace, "k", "first")
    fill(workspace, "k", "second")
    workspace.keep("first", "other")
    workspace.keep("codes", "k")
    assert workspace.keep("second", "k").json("a/value") == [1, 2]
    assert workspace.store("codes").json("x") == 1 and workspace.stages.keys() == {"codes"}


def test_it_outlives_its_stage(workspace: Workspace) -> None:
    fill(workspace, "k", "sync")
    workspace.begin("sync", StageRecord("a", "running"), resume=False)
    workspace.begin("sync", StageRecord("b", "running"), resume=False)
    workspace.forget("sync")
    assert workspace.keep("sync", "k").json("a/value") == [1, 2]


def test_it_goes_with_the_workspace(tmp_path: Path) -> None:
    with Workspace(tmp_path / "w").locked() as workspace:
        fill(workspace, "k")
    assert Workspace(tmp_path / "w").clean() > 0
    assert not (tmp_path / "w").exists()
