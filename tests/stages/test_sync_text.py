"""The text of a speech as an option of sync: what is refused before any work, and what its cache depends
on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

import lipdub
from lipdub.errors import InputError, UsageError
from lipdub.speech.pronunciation import find_dictionary
from lipdub.stages.sync import stage
from lipdub.stages.sync.options import SyncOptions
from lipdub.stages.sync.stage import SPEC
from tests.sample import SPEECH, TALKER

if TYPE_CHECKING:
    from pathlib import Path

needs_dictionary = pytest.mark.skipif(find_dictionary() is None, reason="pocketsphinx is not installed")


def check(**options: Any) -> None:
    SPEC.check(None, None, SyncOptions(**options))  # type: ignore[arg-type]


def test_the_text_is_one_of_the_stages_files(tmp_path: Path):
    assert SPEC.files(SyncOptions()) == []
    assert SPEC.files(SyncOptions(text=tmp_path / "a.srt")) == [tmp_path / "a.srt"]  # type: ignore[arg-type]


def test_languages_are_codes():
    assert SyncOptions(language="pt-br").language == "pt-br"
    for wrong in ("", "Deutsch!", "../de", "x" * 30):
        with pytest.raises(UsageError, match="language"):
            SyncOptions(language=wrong)


@needs_dictionary
def test_texts_that_will_not_do_are_refused_at_once(tmp_path: Path):
    check()
    (tmp_path / "good.txt").write_text("please keep my paper map")
    check(text=str(tmp_path / "good.txt"))
    (tmp_path / "empty.txt").write_text("[music]\n")
    with pytest.raises(InputError, match="no words"):
        check(text=str(tmp_path / "empty.txt"))
    with pytest.raises(InputError, match="no file"):
        check(text=str(tmp_path / "none.txt"))
    (tmp_path / "strange.txt").write_text("qwrt xyzzyq plughh")
    with pytest.raises(UsageError, match="--language"):
        check(text=str(tmp_path / "strange.txt"))


@needs_dictionary
def test_the_plan_knows_a_changed_text(tmp_path: Path):
    text = tmp_path / "text.txt"
    text.write_text("please keep my paper map")

    def key() -> Any:
        job = lipdub.Job(
            TALKER,
            SPEECH,
            workspace=tmp_path / "w",
            out=tmp_path / "o.mp4",
            options={"sync": {"text": str(text)}},
        )
        from lipdub.engine.runner import Runner
        from lipdub.progress import ignore_event
        from lipdub.workspace.folder import Workspace

        chain = Runner(job, ignore_event, None, Workspace(job.folder()))
        return chain.key("sync")

    first = key()
    text.write_text("please keep my paper map before")
    assert key() != first
    assert stage.SPEC.version >= 3
