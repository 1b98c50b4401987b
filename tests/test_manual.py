"""The manual is true and whole: commands parse or run, tables are filled, every option is documented and no other."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from typer.testing import CliRunner

from lipdub.cli.app import COMMANDS, app
from lipdub.cli.manual import PAGES, make_tables, read_page, render_page, visible_options, walk_commands
from lipdub.engine.manual_tables import PLACEHOLDER, fill_tables, format_table, render_run_options
from lipdub.engine.recipes import RECIPES
from lipdub.errors import UsageError
from lipdub.faces.detectors import DETECTORS
from lipdub.metrics.registry import METRICS
from lipdub.stages import enhance, neutralize, sync
from lipdub.training.registry import TRAINABLES
from tests import documents
from tests.test_architecture import ALLOWED, INTERFACE, MAIN

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "lipdub" / "manual"
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS_SHOWN = [
    (page, arguments) for page in PAGES for arguments in documents.find_commands(read_page(page), "lipdub")
]
OTHER_FLAGS = {"--help", "--softness"}  # of every command, and of the toy method in the page adding-a-method


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    with documents.prepare_examples(tmp_path):
        yield tmp_path


@pytest.fixture(scope="module")
def pages() -> dict[str, str]:
    return {name: render_page(name) for name in PAGES}


def invoke(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["manual", *arguments])


def test_the_list_names_the_files() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.md")) == sorted(PAGES)


def test_the_readme_names_every_page() -> None:
    assert set(re.findall(r"lipdub/manual/([a-z-]+)\.md", README)) == set(PAGES)


def test_every_placeholder_is_filled(pages: dict[str, str]) -> None:
    for name, text in pages.items():
        assert "<!--" not in text, name


def test_every_table_is_shown() -> None:
    shown = {found for page in PAGES for found in PLACEHOLDER.findall(read_page(page))}
    without_options = {"options of run", "options of doctor", "options of manual", "pages"}
    assert shown == set(make_tables()) - without_options


def test_an_unknown_placeholder_is_an_error() -> None:
    with pytest.raises(KeyError):
        fill_tables("<!-- table: nothing -->", {})


def test_bars_in_cells_are_escaped() -> None:
    assert format_table(["a"], [["b|c"]]) == "| a |\n| --- |\n| b\\|c |"


@pytest.mark.parametrize("name", PAGES)
def test_sentences_are_short(name: str) -> None:
    assert documents.long_sentences(read_page(name)) == []


@pytest.mark.parametrize("arguments", [arguments for _, arguments in COMMANDS_SHOWN], ids=" ".join)
def test_command_parses(arguments: list[str]) -> None:
    documents.parse_command(arguments)


@pytest.mark.quick_cases(6)
@pytest.mark.parametrize("name", PAGES)
def test_commands_of_the_chain_run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    documents.run_chain_commands(read_page(name), folder, monkeypatch)


def test_python_runs(folder: Path) -> None:
    (block,) = documents.code_blocks(read_page("scripting"), "python")
    exec(compile(block, "scripting.md", "exec"), {})
    assert (folder / "dubbed.mp4").is_file()


def test_only_two_pages_have_python() -> None:
    assert {page for page in PAGES if documents.code_blocks(read_page(page), "python")} == {
        "scripting",
        "adding-a-method",
    }


def test_the_method_of_the_page_is_one_file_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    block, _ = documents.code_blocks(read_page("adding-a-method"), "python")
    (tmp_path / "toy_of_the_manual.py").write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with sync.METHODS.added("toy", "toy_of_the_manual:METHOD"):
        documents.parse_command(["sync", "video.mp4", "speech.wav", "--method", "toy", "--softness", "0.2"])
        assert "| `--softness` | How soft the lips are. | 0 to 1 | 0.5 | `toy` |" in render_page("usage")
        assert "| `toy` | Toy mouths at 96 pixels | `wav2lip-gan` |" in render_page("recipes-and-weights")


def test_the_metric_of_the_page_is_one_file_and_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, block = documents.code_blocks(read_page("adding-a-method"), "python")
    (tmp_path / "metric_of_the_manual.py").write_text(block, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    with METRICS.added("window_count", "metric_of_the_manual:METRIC"):
        assert "| `window_count` | Number of windows | file | windows |" in render_page("scoring")


def test_every_command_is_documented(pages: dict[str, str]) -> None:
    for command in COMMANDS:
        assert f"`{command}`" in pages["usage"], command
        assert any(f"lipdub {command}" in text for text in pages.values()), command


def test_every_option_is_documented(pages: dict[str, str]) -> None:
    words = {flag for text in pages.values() for flag in re.findall(r"`(--?[a-z][a-z0-9-]*)`", text)}
    for name, command in walk_commands():
        for option in visible_options(command):
            missing = {*option.opts, *option.secondary_opts} - words
            assert not missing, f"lipdub {name}: {missing}"


def test_no_other_option_is_documented(pages: dict[str, str]) -> None:
    known = {flag for _, command in walk_commands() for p in command.params for flag in (*p.opts, *p.secondary_opts)}
    for name, text in {**pages, "README": README}.items():
        mine = "\n".join(line for line in text.splitlines() if "pip install" not in line)
        shown = set(re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", mine))
        assert shown - known - OTHER_FLAGS == set(), name


def test_former_flags_are_the_hidden_options(pages: dict[str, str]) -> None:
    rows = re.findall(r"^\| (.+?) \| `(--[a-z-]+)` \| `--[a-z-]+` \|$", pages["changes"], flags=re.MULTILINE)
    documented = {(name, flag) for names, flag in rows for name in re.findall(r"`([a-z-]+)`", names)}
    hidden = {
        (name, flag)
        for name, command in walk_commands()
        for parameter in command.params
        if getattr(parameter, "hidden", False)
        for flag in parameter.opts
    }
    assert documented == hidden


def test_new_flags_are_visible_options(pages: dict[str, str]) -> None:
    rows = re.findall(r"^\| (.+?) \| `--[a-z-]+` \| `(--[a-z-]+)` \|$", pages["changes"], flags=re.MULTILINE)
    visible = {name: {flag for p in visible_options(command) for flag in p.opts} for name, command in walk_commands()}
    assert rows
    for names, flag in rows:
        for name in re.findall(r"`([a-z-]+)`", names):
            assert flag in visible[name], (name, flag)


@pytest.mark.parametrize(
    ("page", "names"),
    [
        ("recipes-and-weights", RECIPES.names()),
        ("recipes-and-weights", DETECTORS.names()),
        ("recipes-and-weights", sync.METHODS.names()),
        ("recipes-and-weights", neutralize.METHODS.names()),
        ("recipes-and-weights", enhance.METHODS.names()),
        ("scoring", METRICS.names()),
        ("adapt-and-train", TRAINABLES.names()),
    ],
)
def test_registries_are_documented(page: str, names: tuple[str, ...], pages: dict[str, str]) -> None:
    for name in names:
        assert f"| `{name}` |" in pages[page], name


def test_a_new_recipe_is_in_its_table() -> None:
    with RECIPES.added("toy", "lipdub.engine.recipes:BUILTIN"):
        assert "| `toy` |" in render_page("recipes-and-weights")


def test_options_of_a_run_have_their_names_in_python() -> None:
    assert "| `--from` |" in render_run_options()
    assert "| `start` |" in render_run_options()


def test_the_floors_of_the_architecture_page_are_those_that_are_tested() -> None:
    picture = documents.code_blocks(read_page("architecture"), "text")[0].partition("floors (")[2]
    lines = [line.split("  ") for line in picture.splitlines()[1:] if line]
    floors = {part.strip(): i for i, parts in enumerate(lines) for part in parts[:-1] if part.strip()}
    packages = set(ALLOWED) - {MAIN, INTERFACE}
    assert set(floors) == packages
    for package in packages:
        for target in ALLOWED[package] & packages:
            assert floors[target] > floors[package], (package, target)


def test_files_of_the_architecture_page_exist(pages: dict[str, str]) -> None:
    for page in ("architecture", "adding-a-method", "lips", "adapt-and-train"):
        for path in re.findall(r"`((?:lipdub|tests|weights)/[\w./-]+)`", pages[page]):
            assert (ROOT / path).exists() or path == "lipdub/stages/sync/toy.py", path


def test_without_a_page_the_command_lists_all() -> None:
    result = invoke()
    assert result.exit_code == 0
    for name, summary in PAGES.items():
        assert re.search(rf"^{name} +{re.escape(summary)}$", result.stdout, flags=re.MULTILINE)


def test_a_page_is_printed_as_text() -> None:
    result = invoke("usage")
    assert result.exit_code == 0
    assert result.stdout == render_page("usage") + "\n"


def test_json() -> None:
    assert [row["name"] for row in json.loads(invoke("--json").stdout)["pages"]] == list(PAGES)
    assert json.loads(invoke("lips", "--json").stdout) == {"page": "lips", "text": render_page("lips")}


def test_an_unknown_page_is_named_with_the_list() -> None:
    with pytest.raises(UsageError, match="no page 'nothing'") as raised:
        read_page("nothing")
    assert all(name in raised.value.hint for name in PAGES)
    assert invoke("nothing").exit_code == 2
