"""What comes from a pipe is copied to a file that goes away again."""

from __future__ import annotations

import os
import threading
from pathlib import Path

import pytest

from lipdub.errors import InputError, UsageError
from lipdub.media.pipes import copy_pipes, is_pipe


def feed(path: Path, content: bytes) -> None:
    os.mkfifo(path)
    threading.Thread(target=path.write_bytes, args=(content,), daemon=True).start()


def test_only_pipes_are_copied(tmp_path: Path) -> None:
    file, pipe = tmp_path / "file", tmp_path / "pi\npe"
    file.write_bytes(b"file")
    feed(pipe, b"from the pipe")
    assert (is_pipe(file), is_pipe(pipe), is_pipe(tmp_path / "missing"), is_pipe(tmp_path)) == (
        *(False, True),
        *(False, False),
    )
    with copy_pipes(tmp_path / "new", file, None, pipe, tmp_path / "missing") as (same, none, copy, missing):
        assert (same, none, missing) == (file, None, tmp_path / "missing")
        assert copy is not None
        assert (copy.name, copy.read_bytes()) == (pipe.name, b"from the pipe")
        assert copy.parent.parent == tmp_path / "new"
    assert not list((tmp_path / "new").iterdir())


def test_an_empty_pipe(tmp_path: Path) -> None:
    feed(tmp_path / "pipe", b"")
    with pytest.raises(InputError, match="is empty"), copy_pipes(None, tmp_path / "pipe"):
        pass


@pytest.mark.parametrize("other", ["-", "/dev/stdin"])
def test_standard_input_is_read_once(other: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("lipdub.media.pipes.is_pipe", lambda path: True)
    with pytest.raises(UsageError, match="only one input can be -"), copy_pipes(None, Path("-"), Path(other)):
        pass


def test_a_pipe_is_read_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(UsageError, match="read only once"), copy_pipes(None, *[tmp_path / "pipe"] * 2):
        pass


def test_a_hyphen_is_standard_input_unless_there_is_such_a_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert is_pipe(Path("-"))
    Path("-").write_bytes(b"file")
    assert not is_pipe(Path("-"))
