"""What resolving a job decides: the device, and whether methods fit each other."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

import lipdub
from lipdub import stages
from lipdub.engine import checks
from lipdub.engine.recipes import RECIPES
from lipdub.engine.resolve import resolve, stages_up_to
from lipdub.errors import UsageError
from lipdub.workspace.folder import Workspace
from tests import small_stages
from tests.sounds import write_tone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def job(tmp_path: Path) -> Iterator[lipdub.Job]:
    before = small_stages.install()
    small_stages.write_video(tmp_path / "video.mp4")
    write_tone(tmp_path / "speech.wav")
    yield lipdub.Job(tmp_path / "video.mp4", tmp_path / "speech.wav")
    stages.STAGES.update(before)


def test_the_device_is_asked_for_where_a_method_runs_networks_whatever_its_options_are_called(
    job: lipdub.Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[bool] = []
    monkeypatch.setattr(checks, "choose_device", lambda name, networks: asked.append(networks) or "cpu")
    for uses_networks in (False, True):
        spec = replace(small_stages.SPECS["sync"], uses_networks=lambda options, answer=uses_networks: answer)
        monkeypatch.setattr(
            stages, "load", lambda name, sync=spec: sync if name == "sync" else small_stages.SPECS[name]
        )
        resolve(job, ["detect", "neutralize", "sync"], Workspace(job.folder()), RECIPES.get("builtin"), "")
    assert asked == [False, True]


def test_a_method_is_refused_after_one_it_cannot_work_with(job: lipdub.Job) -> None:
    mixed = replace(job, options={"neutralize": {"method": "rest"}})
    with pytest.raises(UsageError, match="needs the references of neutralize's method silent-lip, not rest"):
        resolve(mixed, ["detect", "neutralize", "sync"], Workspace(job.folder()), RECIPES.get("stabilized"), "")


def test_stages_up_to_one_are_those_it_reads() -> None:
    assert stages_up_to("detect") == ["detect"]
    assert stages_up_to("enhance") == ["detect", "neutralize", "sync", "enhance"]
