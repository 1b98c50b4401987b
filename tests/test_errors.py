from __future__ import annotations

import errno
import pickle
from pathlib import Path

import pytest

from lipdub.errors import CorruptChunk, EnvironmentFailure, InputError, LipdubError, printable, wrap_os_error


def test_one_line() -> None:
    assert str(LipdubError("a is missing", hint="Look for it.")) == "a is missing. Look for it."
    assert str(LipdubError("a is missing.")) == "a is missing."
    assert str(LipdubError("no\nface\x1b[31m in \udcff")) == "no\\nface\\x1b[31m in \\udcff."
    assert printable(Path("a\nb")) == "a\\nb"
    assert printable("größe 日本") == "größe 日本"


@pytest.mark.parametrize(
    ("number", "kind", "words"),
    [
        (errno.ENOSPC, EnvironmentFailure, "no space left"),
        (errno.EDQUOT, EnvironmentFailure, "no space left"),
        (errno.EROFS, EnvironmentFailure, "no permission"),
        (errno.EACCES, EnvironmentFailure, "no permission"),
        (errno.EIO, EnvironmentFailure, "cannot write"),
    ],
)
def test_system_errors(number: int, kind: type[LipdubError], words: str) -> None:
    error = wrap_os_error(OSError(number, "text", "place"))
    assert type(error) is kind and words in str(error) and "place" in str(error)


def test_missing_input() -> None:
    assert isinstance(wrap_os_error(FileNotFoundError(errno.ENOENT, "text"), "a", "read"), InputError)


def test_corrupt_chunk_survives_pickling() -> None:
    error = pickle.loads(pickle.dumps(CorruptChunk("sync", "crops", 3, Path("p"), "missing")))
    assert (error.stage, error.array, error.chunk, error.path, error.reason) == (
        "sync",
        "crops",
        3,
        Path("p"),
        "missing",
    )
