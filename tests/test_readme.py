"""The README's commands are true: all of them parse, those of the chain run (over the small stages), its Python too."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from typer.main import get_command

from lipdub import stages
from lipdub.cli import main
from lipdub.cli.app import app
from tests import small_stages
from tests.sounds import write_tone

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def commands(name: str) -> list[list[str]]:
    """Arguments of every line of the README's shell blocks that calls ``name``."""
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith(name + " ")]


LIPDUB = commands("lipdub")


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    before, handler = small_stages.install(), signal.getsignal(signal.SIGTERM)
    for name in ("video.mp4", "other.mp4", "portrait.png", "-odd-name.mp4"):
        small_stages.write_video(tmp_path / "video.mp4")
        if name != "video.mp4":
            shutil.copy(tmp_path / "video.mp4", tmp_path / name)
    for name in ("speech.wav", "voice.wav", "finished-mix.wav"):
        write_tone(tmp_path / name)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    signal.signal(signal.SIGTERM, handler)
    stages.STAGES.update(before)


def test_there_are_commands() -> None:
    names = {arguments[0] for arguments in LIPDUB}
    assert names >= {
        "run",
        "detect",
        "neutralize",
        "sync",
        "enhance",
        "paste-back",
        "inspect",
        "score",
        "train",
    }


@pytest.mark.parametrize("arguments", LIPDUB, ids=" ".join)
def test_command_parses(arguments: list[str]) -> None:
    command, context = get_command(app), None
    rest = list(arguments)
    while hasattr(command, "get_command"):
        name = rest.pop(0)
        inner = command.get_command(context, name)
        assert inner is not None, f"no command {name}"
        command = inner
    command.make_context("lipdub", rest)


def test_commands_of_the_chain_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for arguments in LIPDUB:
        if arguments[0] not in stages.STAGES and arguments[0] != "run":
            continue
        if arguments[1:3] == ["video.mp4", "speech.wav"] and "-w" in arguments:
            assert (here / "job").is_dir()
        monkeypatch.setattr(sys, "argv", ["lipdub", arguments[0], "--quiet", *arguments[1:]])
        if "-o" in arguments:  # the same names serve several examples
            (here / arguments[arguments.index("-o") + 1]).unlink(missing_ok=True)
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code, arguments


def test_python_runs(here: Path) -> None:
    for block in blocks("python"):
        exec(compile(block, "README.md", "exec"), {})


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for arguments in commands("make"):
        assert re.search(rf"^{arguments[0]}:", makefile, flags=re.MULTILINE), arguments


def test_pictures_and_names_exist() -> None:
    for path in re.findall(r"!\[[^]]*\]\(([^)]+)\)", README):
        assert (ROOT / path).exists(), path


def test_options_in_the_text_exist() -> None:
    run = get_command(app).get_command(None, "run")  # type: ignore[attr-defined]
    known = {name for parameter in run.params for name in (*parameter.opts, *parameter.secondary_opts)}
    table = re.search(r"\| option \| what it does \|\n(.*?)\n\n", README, flags=re.DOTALL)
    assert table is not None
    for option in re.findall(r"--[a-z][a-z-]+", table.group(1)):
        assert option in known, option
