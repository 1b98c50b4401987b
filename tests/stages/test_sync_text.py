"""The text of a speech as an option of sync: what is refused before any work, and what its cache depends
on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

import lipdub
from lipdub.engine.recipes import RECIPES
from lipdub.engine.resolve import resolve
from lipdub.errors import InputError, UsageError
from lipdub.speech.pronunciation import find_dictionary
from lipdub.stages.sync import METHODS, stage
from lipdub.stages.sync.options import SyncOptions
from lipdub.stages.sync.stage import SPEC
from tests.sample import SPEECH, TALKER

if TYPE_CHECKING:
    from pathlib import Path
from lipdub.workspace.folder import Workspace

needs_dictionary = pytest.mark.skipif(find_dictionary() is None, reason="pocketsphinx is not installed")


def check(**options: Any) -> None:
    SPEC.check(None, None, SyncOptions(**options))  # type: ignore[arg-type]


def test_the_text_is_one_of_the_stages_files(tmp_path: Path) -> None:
    assert SPEC.files(SyncOptions()) == []
    assert SPEC.files(SyncOptions(transcript=tmp_path / "a.srt")) == [tmp_path / "a.srt"]  # type: ignore[arg-type]


def test_languages_are_codes() -> None:
    assert SyncOptions(language="pt-br").language == "pt-br"
    for wrong in ("", "Deutsch!", "../de", "x" * 30):
        with pytest.raises(UsageError, match="language"):
            SyncOptions(language=wrong)


@needs_dictionary
def test_texts_that_will_not_do_are_refused_at_once(tmp_path: Path) -> None:
    check()
    (tmp_path / "good.txt").write_text("please keep my paper map")
    check(transcript=str(tmp_path / "good.txt"))
    (tmp_path / "empty.txt").write_text("[music]\n")
    with pytest.raises(InputError, match="no words"):
        check(transcript=str(tmp_path / "empty.txt"))
    with pytest.raises(InputError, match="no file"):
        check(transcript=str(tmp_path / "none.txt"))
    (tmp_path / "strange.txt").write_text("qwrt xyzzyq plughh")
    with pytest.raises(UsageError, match="--language"):
        check(transcript=str(tmp_path / "strange.txt"))


@needs_dictionary
def test_the_plan_knows_a_changed_text(tmp_path: Path) -> None:
    text = tmp_path / "text.txt"
    text.write_text("please keep my paper map")

    def key() -> Any:
        job = lipdub.Job(
            TALKER,
            SPEECH,
            workspace=tmp_path / "w",
            out=tmp_path / "o.mp4",
            options={"sync": {"transcript": str(text)}},
        )
        workspace = Workspace(job.folder())
        names = ["detect", "neutralize", "sync"]
        return resolve(job, names, workspace, RECIPES.get("builtin"), "as asked").stages["sync"].key

    first = key()
    text.write_text("please keep my paper map before")
    assert key() != first
    assert stage.SPEC.version >= 3


@pytest.mark.parametrize("reads", [False, True])
def test_a_method_without_use_for_a_transcript_says_so(reads: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    assert METHODS.get("units").reads_transcript and not METHODS.get("stabilized").reads_transcript
    said: list[str] = []
    method = SimpleNamespace(name="wav2lip", reads_transcript=reads, run=lambda ctx, options: {"frames": 3})
    monkeypatch.setattr(METHODS, "get", lambda name: method)
    ctx = SimpleNamespace(warn=said.append)
    assert stage.run(ctx, SimpleNamespace(method="wav2lip", transcript="a.txt")) == {"frames": 3}  # type: ignore[arg-type]
    assert said == ([] if reads else ["the method wav2lip hears the speech alone: the transcript is not used"])
