"""A file is written whole or stays as it was."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

import pytest

from lipdub.errors import EnvironmentFailure, UsageError
from lipdub.workspace.atomic_files import encode_text, write_atomically


def test_a_file_is_replaced_whole(tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    write_atomically(path, b"one")
    write_atomically(path, b"two")
    assert path.read_bytes() == b"two"
    assert list(tmp_path.iterdir()) == [path]


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "x.json"
    write_atomically(path, b"one")

    def fail(self: Path, target: Path) -> Path:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(EnvironmentFailure, match="no space"):
        write_atomically(path, b"two")
    assert path.read_bytes() == b"one"
    assert list(tmp_path.iterdir()) == [path]


def test_an_interrupted_write_leaves_no_other_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(self: Path, target: Path) -> Path:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, "replace", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "x", b"one")
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFailure, match="missing"):
        write_atomically(tmp_path / "missing" / "x", b"")


@pytest.mark.parametrize("name", ["n" * 255, "\u65e5" * 85, "caf\udce9"])
def test_any_name_the_disk_takes(tmp_path: Path, name: str) -> None:
    write_atomically(tmp_path / name, b"one")
    assert (tmp_path / name).read_bytes() == b"one"
    assert os.listdir(tmp_path) == [name]  # noqa: PTH208


def test_a_name_the_disk_does_not_take(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="too long"):
        write_atomically(tmp_path / ("n" * 256), b"one")


@pytest.mark.parametrize("is_there", [True, False])
def test_a_symbolic_link_is_followed(tmp_path: Path, *, is_there: bool) -> None:
    (tmp_path / "store").mkdir()
    place, link = tmp_path / "store" / "real", tmp_path / "link.json"
    if is_there:
        place.write_bytes(b"old")
    link.symlink_to(Path("store", "real"))
    write_atomically(link, b"new")
    assert link.is_symlink()
    assert place.read_bytes() == b"new"
    assert list(place.parent.iterdir()) == [place]


def test_a_pipe_is_written_to_as_it_is(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    got: list[bytes] = []
    reader = threading.Thread(target=lambda: got.append(pipe.read_bytes()))
    reader.start()
    write_atomically(pipe, b"content")
    reader.join(10)
    assert got == [b"content"]
    assert pipe.is_fifo()


def test_what_is_no_text_in_a_name_is_escaped() -> None:
    name = os.fsdecode(b"caf\xe9 \xc3\xa9.mp4")
    assert encode_text(name) == b"caf\\udce9 \xc3\xa9.mp4"
    assert json.loads(encode_text(json.dumps(name, ensure_ascii=False))) == name
