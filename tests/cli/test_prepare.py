"""`lipdub prepare` as it is called."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

import pytest

from lipdub.cli import main
from lipdub.parallel import child_environment
from tests.training import footage

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    Called: TypeAlias = Callable[..., tuple[int, str, str]]


@pytest.fixture
def called(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Iterator[Called]:
    handler = signal.getsignal(signal.SIGTERM)

    def call(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["lipdub", "prepare", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        said = capfd.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    yield call
    signal.signal(signal.SIGTERM, handler)


@pytest.mark.slow
def test_it_says_what_came_of_it(called: Called, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    footage.cut(tmp_path / "ann" / "-clip.mp4", seconds=1.2)
    monkeypatch.chdir(tmp_path / "ann")
    options = ("-o", str(tmp_path / "data"), "--size", "24", "--split", "speaker", "--held-out", "0")
    code, out, _ = called(*options, "--", "-clip.mp4")
    assert code == 0
    assert out == "1 clip (1 s) of 1 speaker from 1 video, 0 held out; left out: nothing\n"
    code, out, _ = called("--json", "-o", str(tmp_path / "data"), str(tmp_path / "ann"))
    told = json.loads(out)
    assert code == 0 and told["clips"] == 1 and told["frames"] == 30 and told["rejected"] == {}


def test_what_is_wrong_ends_it_with_a_code(called: Called, tmp_path: Path) -> None:
    data = str(tmp_path / "data")
    code, _, err = called("-o", data, str(tmp_path / "none.mp4"))
    assert code == 3 and "there is no file" in err
    (tmp_path / "bad.mp4").write_text("text")
    code, _, err = called("-o", data, str(tmp_path / "bad.mp4"))
    assert code == 3 and "bad.mp4 is skipped" in err and "no clip passed the filters" in err
    code, _, err = called("-o", data, "--strict", str(tmp_path / "bad.mp4"))
    assert code == 3 and "it is a text file" in err and "no clip passed the filters" not in err
    code, _, err = called("-o", data, "--size", "3", str(tmp_path / "bad.mp4"))
    assert code == 2 and "size" in err


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_its_processes_end_with_it(tmp_path: Path) -> None:
    footage.cut(tmp_path / "who" / "a.mp4", seconds=4.0)
    for name in "bcd":
        shutil.copy(tmp_path / "who" / "a.mp4", tmp_path / "who" / f"{name}.mp4")
    mark = f"{os.getpid()}-{time.monotonic_ns()}"
    command = [
        sys.executable,
        "-m",
        "lipdub",
        "prepare",
        str(tmp_path / "who"),
        "-o",
        str(tmp_path / "data"),
        "-j",
        "2",
    ]
    environment = {**child_environment(), "LIPDUB_TEST_MARK": mark}
    process = subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL)
    try:
        assert _until(lambda: len(_marked(mark)) >= 3 and list((tmp_path / "data").glob(".prepare/*/landmarks")), 60)
    finally:
        process.kill()
        process.wait()
    assert _until(lambda: not _marked(mark), 30)


def _until(true: Callable[[], object], seconds: float) -> bool:
    ends = time.monotonic() + seconds
    while not true() and time.monotonic() < ends:
        time.sleep(0.05)
    return bool(true())


def _marked(mark: str) -> list[str]:
    """Processes with this mark in their environment."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if f"LIPDUB_TEST_MARK={mark}".encode() in path.read_bytes():
                found.append(path.parent.name)
        except OSError:
            continue
    return found
