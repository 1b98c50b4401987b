"""A result has one maker at a time, and the lock dies with its process."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from lipdub.errors import EnvironmentFailure
from lipdub.media.result_lock import ResultLock, name_neighbour

if TYPE_CHECKING:
    from pathlib import Path

HOLDER = """
import sys, time
from pathlib import Path
from lipdub.media.result_lock import ResultLock
with ResultLock(Path(sys.argv[1])):
    print("held", flush=True)
    time.sleep(60)
"""


def test_the_second_run_is_told_who_makes_the_result(tmp_path: Path) -> None:
    out, link = tmp_path / "out.mp4", tmp_path / "link.mp4"
    link.symlink_to(out)
    holder = subprocess.Popen([sys.executable, "-c", HOLDER, str(out)], stdout=subprocess.PIPE, text=True)
    try:
        assert holder.stdout is not None
        assert holder.stdout.readline() == "held\n"
        for name in (out, link):
            with pytest.raises(EnvironmentFailure, match=f"is being made by process {holder.pid} "), ResultLock(name):
                pass
        with ResultLock(tmp_path / "other.mp4"):
            pass
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    assert name_neighbour(out, ".lock").exists()  # the file of a killed run locks nothing
    with ResultLock(out):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["link.mp4"]


def test_a_lock_that_was_removed_in_between_is_taken_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import fcntl

    out = tmp_path / "out.mp4"
    lock, flock = name_neighbour(out, ".lock"), fcntl.flock
    calls = []

    def remove_first(number: int, kind: int) -> None:
        if not calls:
            lock.unlink()
        calls.append(number)
        flock(number, kind)

    monkeypatch.setattr(fcntl, "flock", remove_first)
    with ResultLock(out):
        assert lock.exists()
        assert len(calls) == 2
    assert not lock.exists()


def test_a_disk_without_locks_is_no_hindrance(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(number: int, kind: int) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("fcntl.flock", refuse)
    with ResultLock(tmp_path / "out.mp4"), ResultLock(tmp_path / "out.mp4"):
        pass
    assert list(tmp_path.iterdir()) == []


def test_what_another_user_left_behind_locks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "out.mp4"
    name_neighbour(out, ".lock").write_text("process 1 on elsewhere")
    open_file = os.open

    def open_for_reading(path: str, flags: int, mode: int = 0o777) -> int:
        if flags & os.O_RDWR:
            raise PermissionError(13, "Permission denied")
        return open_file(path, flags, mode)

    monkeypatch.setattr(os, "open", open_for_reading)
    with ResultLock(out), pytest.raises(EnvironmentFailure, match="being made"), ResultLock(out):
        pass
