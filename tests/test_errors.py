"""Errors are one line, with a hint and an exit code."""

from __future__ import annotations

import errno
import pickle
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.errors import (
    BelowThresholdError,
    CorruptChunk,
    EnvironmentFailure,
    InputError,
    LipdubError,
    UsageError,
    WeightsError,
    printable,
    wrap_os_error,
)
from tests.properties import repeatable


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


def test_the_current_folder_was_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    (tmp_path / "gone").rmdir()
    with pytest.raises(FileNotFoundError) as failure:
        Path("a").absolute()
    assert wrap_os_error(failure.value).what == "the current folder was deleted"


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


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        (LipdubError, 1),
        (UsageError, 2),
        (InputError, 3),
        (WeightsError, 4),
        (EnvironmentFailure, 5),
        (BelowThresholdError, 6),
    ],
)
def test_exit_codes(kind: type[LipdubError], code: int) -> None:
    assert kind("it fails").exit_code == code


@repeatable
@given(what=st.text(min_size=1), hint=st.text())
def test_any_text_becomes_one_line(what: str, hint: str) -> None:
    assert str(LipdubError(what, hint=hint)).isprintable()
    assert printable(what).isprintable()
