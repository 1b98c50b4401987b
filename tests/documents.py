"""What the tests of the README and of the manual share: commands and code blocks of a page, and files for them."""

from __future__ import annotations

import re
import shlex
import shutil
import signal
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest

from lipdub import stages
from lipdub.cli import main
from lipdub.cli.app import app
from tests import small_stages
from tests.sounds import write_tone

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

VIDEOS = ("video.mp4", "other.mp4", "portrait.png", "-odd-name.mp4")
SOUNDS = ("speech.wav", "voice.wav", "finished-mix.wav")


def code_blocks(text: str, language: str) -> list[str]:
    """Return the code blocks of a language in a Markdown page."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.MULTILINE | re.DOTALL)


def find_commands(text: str, name: str) -> list[list[str]]:
    """Return the arguments of every line of the page's shell blocks that calls ``name``."""
    lines = [line for block in code_blocks(text, "sh") for line in block.splitlines()]
    return [shlex.split(line, comments=True)[1:] for line in lines if line.startswith(name + " ")]


@contextmanager
def prepare_examples(folder: Path) -> Iterator[None]:
    """Write the files that the examples name, with small stages in place of the real ones."""
    before = small_stages.install()
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    write_files(folder)
    yield
    for number, handler in handlers.items():
        signal.signal(number, handler)
    stages.STAGES.update(before)


def write_files(folder: Path) -> None:
    """Write the files that the examples name."""
    small_stages.write_video(folder / VIDEOS[0])
    for name in VIDEOS[1:]:
        shutil.copy(folder / VIDEOS[0], folder / name)
    for name in SOUNDS:
        write_tone(folder / name)
    (folder / "script.txt").write_text("hello there\n", encoding="utf-8")


def parse_command(arguments: list[str]) -> None:
    """Parse a command of lipdub as the command line does."""
    from typer.main import get_command

    command: Any = get_command(app)
    rest = list(arguments)
    while hasattr(command, "get_command"):
        name = rest.pop(0)
        inner = command.get_command(None, name)
        assert inner is not None, f"no command {name}"
        command = inner
    command.make_context("lipdub", rest)


def run_chain_commands(text: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run the page's commands of the chain, in order, in the current folder."""
    for arguments in find_commands(text, "lipdub"):
        if arguments[0] not in stages.STAGES and arguments[0] != "run":
            continue
        monkeypatch.setattr(sys, "argv", ["lipdub", arguments[0], "--quiet", *arguments[1:]])
        if "-o" in arguments:  # the same names serve several examples
            (folder / arguments[arguments.index("-o") + 1]).unlink(missing_ok=True)
        with pytest.raises(SystemExit) as ended:
            main()
        assert not ended.value.code, arguments


def long_sentences(text: str, limit: int = 25) -> list[str]:
    """Return the sentences of a Markdown page that have more words than allowed, tables and code left out."""
    prose = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    prose = re.sub(r"^(#|\||<!--|!\[).*$", "", prose, flags=re.MULTILINE)
    prose = re.sub(r"`[^`]*`", "code", prose)
    sentences = re.split(r"(?<=[.!?])\s+|(?<=:)\n|\n\s*\n|\n(?=- )", prose)
    return [" ".join(sentence.split()) for sentence in sentences if len(sentence.split()) > limit]
