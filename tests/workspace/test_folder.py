from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lipdub.errors import EnvironmentFailure, InputError, UsageError
from lipdub.workspace import StageRecord, Workspace
from lipdub.workspace.keys import DigestCache, digest_file, stage_key

if TYPE_CHECKING:
    from pathlib import Path


def test_records_survive(tmp_path: Path) -> None:
    with Workspace(tmp_path / "w").locked() as workspace:
        store = workspace.begin("detect", StageRecord(key="k", state="running"), resume=False)
        store.put_json("shots", [1])
        workspace.facts = {"frames": 3}
        workspace.put("detect", StageRecord(key="k", state="done", summary={"tracks": [1]}, seconds=1.5))
    again = Workspace(tmp_path / "w")
    assert again.record("detect") == StageRecord(key="k", state="done", summary={"tracks": [1]}, seconds=1.5)
    assert again.facts == {"frames": 3}
    assert again.record("sync") is None


def test_begin_empties_or_keeps(tmp_path: Path) -> None:
    with Workspace(tmp_path / "w").locked() as workspace:
        workspace.begin("sync", StageRecord("a", "running"), resume=False).put_json("x", 1)
        assert workspace.begin("sync", StageRecord("a", "running"), resume=True).json("x") == 1
        assert not workspace.begin("sync", StageRecord("b", "running"), resume=False).has("x")


@pytest.mark.parametrize("content", ["", "{", "[]", '{"schema": 99}', '{"schema": 1, "stages": {"sync": 3}}'])
def test_damaged_notes_are_as_none(tmp_path: Path, content: str) -> None:
    folder = tmp_path / "w"
    folder.mkdir()
    (folder / "workspace.json").write_text(content)
    assert Workspace(folder).stages == {}
    with Workspace(folder).locked():
        pass


HOLDER = """
import sys, time
from pathlib import Path
from lipdub.workspace import Workspace
with Workspace(Path(sys.argv[1])).locked():
    print("held", flush=True)
    time.sleep(60)
"""


def test_second_writer_is_told_who_holds_it(tmp_path: Path) -> None:
    folder = tmp_path / "w"
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(folder)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None and holder.stdout.readline() == "held\n"
        with pytest.raises(EnvironmentFailure, match=f"process {holder.pid} "), Workspace(folder).locked():
            pass
        with pytest.raises(EnvironmentFailure, match="in use"):
            Workspace(folder).clean()
        Workspace(folder)  # reading needs no lock
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with Workspace(folder).locked():  # the lock died with its holder
        pass


def test_foreign_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match="other files"), Workspace(tmp_path).locked():
        pass
    with pytest.raises(UsageError, match="not a workspace"):
        Workspace(tmp_path).clean()
    with pytest.raises(UsageError, match="is a file"), Workspace(tmp_path / "holiday.jpg").locked():
        pass
    assert os.listdir(tmp_path) == ["holiday.jpg"]


def test_clean_removes_all(tmp_path: Path) -> None:
    with Workspace(tmp_path / "w").locked() as workspace:
        workspace.begin("sync", StageRecord("a", "running"), resume=False).put_json("x", list(range(100)))
    assert Workspace(tmp_path / "w").clean() > 300
    assert not (tmp_path / "w").exists()


def test_digest_is_of_content_and_remembered(tmp_path: Path) -> None:
    path = tmp_path / "video.mp4"
    path.write_bytes(b"a" * 3_000_000)
    digest = DigestCache()
    first = digest(path)
    assert first == digest_file(path) and digest.changed
    again = DigestCache(digest.known)
    assert again(path) == first and not again.changed  # not read a second time
    path.write_bytes(b"b" * 3_000_000)
    assert again(path) != first and again.changed
    moved = path.rename(tmp_path / "other.mp4")
    assert again(moved) == digest_file(moved)
    with pytest.raises(InputError):
        again(path)


def test_key_depends_on_all_that_matters() -> None:
    base = dict(
        stage="sync",
        version=1,
        inputs={"video": "v"},
        upstream={"detect": "d"},
        options={"face": "left"},
        files=("w",),
    )
    keys = {stage_key(**base)}
    for change in (
        dict(stage="enhance"),
        dict(version=2),
        dict(inputs={"video": "u"}),
        dict(upstream={"detect": "e"}),
        dict(options={"face": "right"}),
        dict(files=("x",)),
    ):
        keys.add(stage_key(**{**base, **change}))
    assert len(keys) == 7
    assert stage_key(**{**base, "options": {"b": 1, "a": (1, 2)}}) == stage_key(
        **{**base, "options": {"a": [1, 2], "b": 1}}
    )
