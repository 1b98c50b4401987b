"""The workspace's records survive, and what cannot be read is never misread."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import asdict
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import lipdub
from lipdub.engine import pipeline
from lipdub.engine.job import make_job
from lipdub.engine.runner import announce
from lipdub.errors import UsageError
from lipdub.workspace import StageRecord, Workspace
from tests.goldens.dubs import EXACT
from tests.goldens.record import record
from tests.properties import repeatable
from tests.sample import SPEECH, TALKER

if TYPE_CHECKING:
    from lipdub.progress import Event


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


def open_workspace(folder: Path, content: str) -> Workspace:
    """Return the workspace whose ``workspace.json`` has this content."""
    folder.mkdir(exist_ok=True)
    (folder / "workspace.json").write_text(content)
    return Workspace(folder)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        ("", "damaged"),
        ("{", "damaged"),
        ("[" * 100_000, "damaged"),
        ("[]", "another version"),
        ('{"schema": 99, "stages": {"sync": {"key": "k", "state": "done"}}}', r"another version .*schema 99, not 1"),
        ('{"schema": true}', "another version"),
        ('{"schema": 1, "stages": {"sync": 3}}', ""),
    ],
)
def test_what_cannot_be_read_is_not_used_and_says_why(tmp_path: Path, content: str, reason: str) -> None:
    workspace = open_workspace(tmp_path / "w", content)
    assert workspace.stages == {}
    assert re.search(reason, workspace.unusable) if reason else workspace.unusable == ""
    with workspace.locked():
        workspace.begin("sync", StageRecord("k", "running"), resume=False)
    assert list(Workspace(tmp_path / "w").stages) == ["sync"]
    assert Workspace(tmp_path / "w").unusable == ""


RECORD = {"key": "k", "state": "done"}


@pytest.mark.parametrize(
    "wrong",
    [
        {"key": 1},
        {"state": "half"},
        {"options": []},
        {"files": None},
        {"seconds": "2"},
        {"warnings": "x"},
        {"output": 3},
    ],
)
def test_a_record_of_another_kind_is_not_used(tmp_path: Path, wrong: dict[str, Any]) -> None:
    stages = {"detect": RECORD, "sync": {**RECORD, **wrong}, "enhance": {**RECORD, "later": "field"}}
    workspace = open_workspace(tmp_path / "w", json.dumps({"schema": 1, "stages": stages}))
    assert list(workspace.stages) == ["detect", "enhance"]


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
ANY_RECORD = st.fixed_dictionaries(dict.fromkeys(vars(StageRecord("", "done")), JSON_VALUES))


@pytest.mark.slow
@settings(repeatable, max_examples=40)
@given(st.fixed_dictionaries({"schema": st.just(1), "stages": st.dictionaries(st.text(max_size=4), ANY_RECORD)}))
def test_whatever_the_records_hold_they_are_read_or_left_out(content: dict[str, Any]) -> None:
    with TemporaryDirectory() as folder:
        workspace = open_workspace(Path(folder), json.dumps(content))
    for stage in workspace.stages.values():
        assert isinstance(stage.key, str)
        assert stage.state in ("running", "done")
        assert isinstance(stage.options, dict)


# A workspace that lipdub 0.1.0 made of the drawn sample; only paths of the machine are replaced.
OLD = Path(__file__).with_name("data") / "workspace-0.1.0.json"


@pytest.fixture
def old_workspace(tmp_path: Path) -> Path:
    folder = tmp_path / "dubbed.mp4.lipdub"
    folder.mkdir()
    shutil.copy(OLD, folder / "workspace.json")
    return folder


def test_a_workspace_of_version_0_1_0_is_read(old_workspace: Path) -> None:
    workspace = Workspace(old_workspace)
    assert workspace.unusable == ""
    assert workspace.facts["video"]["frames"] == 133
    stages = json.loads(OLD.read_text())["stages"]
    assert {name: asdict(record) for name, record in workspace.stages.items()} == stages
    assert list(stages) == ["detect", "neutralize", "sync", "enhance", "paste-back"]


def test_stages_of_version_0_1_0_are_reused_or_done_again_with_a_reason(old_workspace: Path) -> None:
    planned = lipdub.plan(make_job(TALKER, SPEECH, old_workspace.with_suffix("")))
    assert [stage.name for stage in planned] == ["detect", "neutralize", "sync", "enhance", "paste-back"]
    for stage in planned:
        # "not done yet" would mean that the record was not seen
        assert stage.action in ("reuse", "resume") or stage.reason != "not done yet"
    assert (planned[0].action, planned[0].reason) == ("run", "another input, weights or version")


def test_a_workspace_of_another_schema_is_done_again_with_a_reason(old_workspace: Path) -> None:
    path = old_workspace / "workspace.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2', 1))
    planned = lipdub.plan(make_job(TALKER, SPEECH, old_workspace.with_suffix("")))
    assert {stage.action for stage in planned} == {"run"}
    assert all("another version of lipdub" in stage.reason for stage in planned)


def test_a_run_says_that_it_cannot_use_a_workspace(old_workspace: Path) -> None:
    path = old_workspace / "workspace.json"
    path.write_text(path.read_text().replace('"schema": 1', '"schema": 2', 1))
    events: list[Event] = []
    workspace = Workspace(old_workspace)
    job = make_job(TALKER, SPEECH, old_workspace.with_suffix(""))
    announce(pipeline._resolve(job, ["detect"], workspace), workspace, events.append)
    warnings = [event.message for event in events if event.kind == "warn"]
    assert warnings == ["another version of lipdub made the workspace (schema 2, not 1); all stages run again"]


@pytest.mark.slow
def test_records_of_version_0_1_0_without_their_arrays_do_no_harm(tmp_path: Path, short_talker: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    workspace = old / "out.mkv.lipdub"
    workspace.mkdir(parents=True)
    new.mkdir()
    shutil.copy(OLD, workspace / "workspace.json")
    made = [
        record(lipdub.dub(short_talker, SPEECH, folder / "out.mkv", recipe="builtin", **EXACT)) for folder in (old, new)
    ]
    assert made[0] == made[1]


def test_foreign_folders_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"x")
    with pytest.raises(UsageError, match="other files"), Workspace(tmp_path).locked():
        pass
    with pytest.raises(UsageError, match="not a workspace"):
        Workspace(tmp_path).clean()
    with pytest.raises(UsageError, match="is a file"), Workspace(tmp_path / "holiday.jpg").locked():
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.jpg"]


def test_clean_removes_all(tmp_path: Path) -> None:
    with Workspace(tmp_path / "w").locked() as workspace:
        workspace.begin("sync", StageRecord("a", "running"), resume=False).put_json("x", list(range(100)))
    assert Workspace(tmp_path / "w").clean() > 300
    assert not (tmp_path / "w").exists()
