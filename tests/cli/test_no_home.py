"""A user without a name and without HOME, as in containers: only what needs the weights store asks for a folder."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import lipdub
from lipdub.weights.store import FOLDER_VARIABLE
from tests.sample import SPEECH
from tests.training import footage

ROOT = Path(lipdub.__file__).parents[1]
WITHOUT_A_NAME = """
import pwd, sys

def find_nobody(number):
    raise KeyError(f"getpwuid(): uid not found: {number}")

pwd.getpwuid = find_nobody
from lipdub.cli import program
sys.argv[0] = "lipdub"
program()
"""


def call(folder: Path, *arguments: object, **variables: str) -> tuple[int, str]:
    """Runs a command and returns its exit code and what it writes."""
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"} | variables
    command = [sys.executable, "-c", WITHOUT_A_NAME, *map(str, arguments)]
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture(scope="module")
def talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return footage.cut(tmp_path_factory.mktemp("talker") / "v.mp4", seconds=1.0)


@pytest.mark.slow
@pytest.mark.parametrize(
    "arguments",
    [
        ("run", "VIDEO", SPEECH, "-o", "o.mp4", "--length", "shortest", "--preset", "ultrafast"),
        ("score", "VIDEO"),
        ("lips", SPEECH, "-o", "lips.csv"),
        ("inspect", "VIDEO"),
    ],
    ids=lambda arguments: arguments[0],
)
def test_what_needs_no_weights_folder_works(arguments: tuple[object, ...], talker: Path, tmp_path: Path) -> None:
    code, said = call(tmp_path, *(talker if word == "VIDEO" else word for word in arguments))
    assert code == 0, said
    assert not list(tmp_path.glob("~*"))


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("arguments", [("--version",), ("weights", "list"), ("weights", "list", "--json"), ("manual",)])
def test_the_store_is_empty(arguments: tuple[object, ...], tmp_path: Path) -> None:
    assert call(tmp_path, *arguments)[0] == 0


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    "arguments",
    [
        ("weights", "where"),
        ("weights", "verify", "wav2lip"),
        ("weights", "pull", "wav2lip"),
        ("weights", "remove", "wav2lip"),
        ("run", "VIDEO", SPEECH, "-o", "o.mp4", "--recipe", "wav2lip"),
        ("adapt", "VIDEO"),
    ],
    ids=lambda arguments: "-".join(map(str, arguments[:2])),
)
def test_what_needs_the_store_says_what_to_set(arguments: tuple[object, ...], talker: Path, tmp_path: Path) -> None:
    code, said = call(tmp_path, *(talker if word == "VIDEO" else word for word in arguments))
    assert code == 5 and f"Set {FOLDER_VARIABLE}" in said.splitlines()[-1], said
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_a_folder_of_an_unknown_user_is_no_folder(tmp_path: Path) -> None:
    code, said = call(tmp_path, "weights", "where", **{FOLDER_VARIABLE: "~/weights"})
    assert code == 5 and FOLDER_VARIABLE in said
    code, said = call(tmp_path, "weights", "where", **{FOLDER_VARIABLE: str(tmp_path)})
    assert (code, said.strip()) == (0, str(tmp_path))
