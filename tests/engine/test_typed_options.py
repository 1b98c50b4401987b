"""An option is declared once: the command line, its help, the typed signature and the manual then have it."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_type_hints

import pytest
from typer.testing import CliRunner

from lipdub import stages
from lipdub.cli.app import app
from lipdub.cli.manual import render_page
from lipdub.engine import dub_options
from lipdub.engine.job import make_job
from lipdub.engine.run_options import run_options
from lipdub.engine.typed_options import render_dub_options
from lipdub.errors import UsageError
from lipdub.options import option
from lipdub.stages.method import build_options, flatten_options
from lipdub.stages.sync import METHODS
from lipdub.stages.sync import stage as sync_stage
from lipdub.stages.sync.options import SyncOptions
from tests import documents
from tests.stages import toy_sync

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class LongerOptions(SyncOptions):
    """The options of sync and one more."""

    accent: Literal["soft", "hard"] | None = option(None, "--accent", help="How hard consonants look.", panel="Look")


@pytest.fixture
def toys() -> Iterator[None]:
    """A method with an option of its own, and one more option of a stage."""
    with METHODS.added("toy", toy_sync.PATH), pytest.MonkeyPatch.context() as patch:
        patch.setattr(sync_stage, "SPEC", replace(sync_stage.SPEC, options=LongerOptions))
        yield


def typed_fields(source: str) -> dict[str, Any]:
    """Run the generated source; return the annotations of its ``DubOptions``."""
    names: dict[str, Any] = {"__name__": "generated"}
    exec(compile(source, "dub_options.py", "exec"), names)
    return get_type_hints(names["DubOptions"], names)


def test_the_file_is_that_of_the_declarations() -> None:
    source = Path(dub_options.__file__).read_text(encoding="utf-8")
    assert source == render_dub_options(), "run python -m lipdub.engine.typed_options"
    assert set(get_type_hints(dub_options.DubOptions)) == set(run_options())


def test_new_options_are_in_the_typed_signature(toys: None) -> None:
    found, before = typed_fields(render_dub_options()), get_type_hints(dub_options.DubOptions)
    assert set(found) - set(before) == {"toy_shade", "accent"}
    assert found["toy_shade"] is float
    assert found["accent"] == Literal["soft", "hard"] | None


@pytest.mark.parametrize("command", ["run", "sync"])
def test_new_options_are_on_the_command_line_and_in_its_help(toys: None, command: str) -> None:
    documents.parse_command([command, "v.mp4", "s.wav", "--toy-shade", "0.5", "--accent", "hard"])
    done = CliRunner().invoke(app, [command, "--help"], env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
    text = re.sub(r"\s+", " ", done.output)
    assert done.exit_code == 0
    assert "--toy-shade 0 to 1 Grey of the painted faces. [default: (0.25)]" in text
    assert "--accent <soft|hard> How hard consonants look." in text


def test_new_options_are_in_the_manual(toys: None) -> None:
    text = render_page("usage")
    rows = [
        "| `--toy-shade` | Grey of the painted faces. | 0 to 1 | 0.25 | `toy_shade` | sync |",
        "| `--toy-shade` | Grey of the painted faces. | 0 to 1 | 0.25 | `toy` |",
        "| `--accent` | How hard consonants look. | `soft`, `hard` |  | `accent` | sync |",
        "| `--accent` | How hard consonants look. | `soft`, `hard` |  | all |",
    ]
    assert [row for row in rows if row not in text] == []


def test_new_options_reach_their_stage_and_are_checked(toys: None) -> None:
    given = {"toy_shade": 0.5, "accent": "hard"}
    job = make_job("a.mp4", "b.wav", options=given)
    assert job.options["sync"] == given
    values = flatten_options(build_options(stages.load("sync"), {"method": "toy", **job.options["sync"]}))
    assert given.items() <= values.items()
    for wrong, message in (({"toy_shade": 2.0}, "--toy-shade must be 0 to 1"), ({"accent": "loud"}, "--accent 'loud'")):
        with pytest.raises(UsageError, match=message):
            build_options(stages.load("sync"), {"method": "toy", **wrong})


def test_without_the_toys_their_options_are_unknown() -> None:
    assert CliRunner().invoke(app, ["run", "v.mp4", "s.wav", "--accent", "hard"]).exit_code == 2
    with pytest.raises(UsageError, match="accent"):
        make_job("a.mp4", "b.wav", options={"accent": "hard"})
