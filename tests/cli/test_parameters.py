"""Command-line parameters of declared options: what a command takes, hands on and shows."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import pytest
import typer
from typer.testing import CliRunner

from lipdub.cli.manual import visible_options, walk_commands
from lipdub.cli.parameters import collect_options, drop_missing, make_parameters
from lipdub.options import option, validate

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[int, dict[str, Any] | None, str]]


def parse_pair(text: str) -> float:
    """Return the seconds of "1:30"."""
    minutes, _, seconds = text.partition(":")
    if not seconds:
        raise ValueError(f"{text!r} has no colon")
    return int(minutes) * 60 + float(seconds)


@dataclass(frozen=True)
class Toy:
    """One option of each kind."""

    data: Path | None = option(None, "--data", help="A file.", metavar="FILE")
    seed: int = option(0, "--seed", help="Seed.", low=0, high=9)
    size: float = option(0.5, "--size", "-s", help="Size.", metavar="PIXELS", low=0.1)
    mode: Literal["one", "two"] = option("one", "--mode", help="Mode.", aliases=("--manner",))
    kind: str = option("a", "--kind", help="Kind.", choices=lambda: ("a", "b"))
    sets: list[str] | None = option(None, "--set", help="Settings.")
    start: float | None = option(None, "--from", help="Start.", parse=parse_pair)
    is_sharp: bool = option(True, "--sharp/--soft", help="Edges.")
    hidden: int = option(3, help="From Python only.")

    def __post_init__(self) -> None:
        validate(self)


@pytest.fixture
def run() -> Run:
    """Run a command with the toy's options; gives its exit code, what it was given and what it printed."""

    def invoke(*arguments: str) -> tuple[int, dict[str, Any] | None, str]:
        handed: list[dict[str, Any]] = []

        def command(**values: Any) -> None:
            handed.append(drop_missing(values))

        parameters = make_parameters(collect_options(Toy), required=("data",))
        command.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
        command.__annotations__ = {item.name: item.annotation for item in parameters}
        app = typer.Typer(add_completion=False)
        app.command()(command)
        done = CliRunner().invoke(app, list(arguments), env={"COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"})
        return done.exit_code, handed[0] if handed else None, done.output

    return invoke


def test_only_what_is_given_is_handed_on(run: Run) -> None:
    assert run("--data", "a.txt") == (0, {"data": Path("a.txt")}, "")
    code, given, _ = run(
        *("--data", "a", "--seed", "0", "-s", "2", "--kind", "b", "--set", "x=1", "--set", "y=2", "--from", "1:30"),
        "--soft",
    )
    assert code == 0
    assert given == {
        "data": Path("a"),
        "seed": 0,
        "size": 2.0,
        "kind": "b",
        "sets": ["x=1", "y=2"],
        "start": 90.0,
        "is_sharp": False,
    }


def test_former_flags_are_accepted_once(run: Run) -> None:
    assert run("--data", "a", "--manner", "two")[1] == {"data": Path("a"), "mode": "two"}
    assert "--mode is given twice" in run("--data", "a", "--manner", "two", "--mode", "one")[2]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "Missing option '--data'"),
        (("--data", "a", "--mode", "three"), "--mode"),
        (("--data", "a", "--kind", "c"), "--kind"),
        (("--data", "a", "--from", "90"), "'90' has no colon"),
        (("--data", "a", "--hidden", "1"), "No such option"),
    ],
)
def test_wrong_arguments_are_named(run: Run, arguments: tuple[str, ...], message: str) -> None:
    code, given, text = run(*arguments)
    assert (code, given) == (2, None)
    assert message in text


def test_the_help_shows_defaults_and_ranges(run: Run) -> None:
    lines = run("--help")[2].splitlines()

    def line(flag: str) -> str:
        return next(" ".join(text.split()) for text in lines if f" {flag} " in text)

    assert "[required]" in line("--data")
    assert "0 to 9 Seed. [default: (0)]" in line("--seed")
    assert "PIXELS, at least 0.1 Size. [default: (0.5)]" in line("--size")
    assert "[default: (one)]" in line("--mode")
    assert not any("--manner" in text for text in lines)


def test_every_training_shows_its_seed() -> None:
    for name, command in walk_commands("train", "adapt"):
        (seed,) = [item for item in visible_options(command) if item.name == "seed"] or [None]
        assert seed is None or str(seed.show_default) == "0", name
