"""The README is one page, and true: its commands parse, those of the chain run over the small stages."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from lipdub.engine.recipes import RECIPES
from tests import documents

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
LIPDUB = documents.find_commands(README, "lipdub")
MOST_WORDS = 1000


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    with documents.prepare_examples(tmp_path):
        yield tmp_path


def test_it_is_one_page() -> None:
    assert len(README.split()) <= MOST_WORDS


def test_sentences_are_short() -> None:
    assert documents.long_sentences(README) == []


def test_the_three_commands() -> None:
    assert [arguments[0] for arguments in LIPDUB] == ["run", "inspect", "score"]


@pytest.mark.parametrize("arguments", LIPDUB, ids=" ".join)
def test_command_parses(arguments: list[str]) -> None:
    documents.parse_command(arguments)


def test_commands_of_the_chain_run(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents.run_chain_commands(README, folder, monkeypatch)


def test_python_runs(folder: Path) -> None:
    blocks = documents.code_blocks(README, "python")
    assert len(blocks) == 1
    assert len([line for line in blocks[0].splitlines() if line]) <= 6
    exec(compile(blocks[0], "README.md", "exec"), {})
    assert (folder / "dubbed.mp4").is_file()


def test_make_targets_exist() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    commands = documents.find_commands(README, "make")
    assert commands
    for arguments in commands:
        assert re.search(rf"^{arguments[0]}:", makefile, flags=re.MULTILINE), arguments


def test_links_lead_somewhere() -> None:
    paths = re.findall(r"\]\(([^)]+)\)", README)
    assert paths
    for path in paths:
        assert (ROOT / path).is_file(), path


def test_the_recipes_are_those_of_the_registry() -> None:
    table = re.search(r"\| Recipe \|.*?\n\n", README, flags=re.DOTALL)
    assert table is not None
    assert re.findall(r"^\| `([^`]+)`", table.group(), flags=re.MULTILINE) == list(RECIPES.names())
