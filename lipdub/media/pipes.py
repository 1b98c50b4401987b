"""Input from pipes, which can be read only once: copied to a file."""

from __future__ import annotations

import os
import shutil
import stat
import sys
import tempfile
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING

from lipdub.errors import InputError, UsageError, printable, wrap_os_error

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STANDARD_INPUT = "-"
_BLOCK_BYTES = 1 << 20


def is_pipe(path: Path) -> bool:
    """Whether a path is a pipe or a socket, such as ``<(command)`` and ``/dev/stdin``; ``-`` is standard input."""
    if str(path) == STANDARD_INPUT:
        return not path.exists()
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)


@contextmanager
def copy_pipes(folder: Path | None, *paths: Path | None) -> Iterator[list[Path | None]]:
    """Give paths with each pipe among them replaced by a copy of its content, which is removed at the end.

    Args:
        folder: Where the copies lie; None for the system's place for temporary files.
        *paths: Paths, or None.

    Raises:
        UsageError: A pipe is given twice.
        InputError: A pipe is empty, or standard input is a terminal.
        EnvironmentFailure: There is no space for the copy.
    """
    _check_given_once([path for path in paths if path is not None and is_pipe(path)])
    with ExitStack() as stack:
        files: list[Path | None] = []
        for path in paths:
            if path is None or not is_pipe(path):
                files.append(path)
                continue
            try:
                if folder is not None:
                    folder.mkdir(parents=True, exist_ok=True)
                place = stack.enter_context(tempfile.TemporaryDirectory(".part", "lipdub-", folder))
            except OSError as error:
                raise wrap_os_error(error, folder) from error
            files.append(_copy(path, Path(place)))
        yield files


def _check_given_once(pipes: Sequence[Path]) -> None:
    """Check that no pipe is to be read twice. Raises UsageError."""
    names = [_describe(pipe) for pipe in pipes]
    for name in names:
        if names.count(name) > 1:
            only = "only one input can be -" if name == _describe(Path(STANDARD_INPUT)) else "a pipe is read only once"
            raise UsageError(f"{name} is given for several inputs: {only}", hint="Save its content to a file first.")


def _describe(pipe: Path) -> str:
    """Return what people call a pipe; the same for all names of standard input."""
    if str(pipe) == STANDARD_INPUT or os.path.realpath(pipe) == os.path.realpath("/dev/stdin"):
        return "standard input"
    return printable(pipe)


def _copy(path: Path, folder: Path) -> Path:
    """Copy the content of a pipe to a folder and return the file."""
    is_standard_input = str(path) == STANDARD_INPUT
    name = _describe(path)
    if is_standard_input and sys.stdin.isatty():
        raise InputError("standard input is a terminal", hint="Pipe the file into lipdub, or name it.")
    copy = folder / ("stdin" if is_standard_input else path.name)
    try:
        with _open(path) as source, copy.open("wb") as target:
            shutil.copyfileobj(source, target, _BLOCK_BYTES)
    except OSError as error:
        raise wrap_os_error(error, path, "copy") from error
    if not copy.stat().st_size:
        raise InputError(f"{name} is empty (0 bytes)")
    return copy


def _open(path: Path) -> IO[bytes]:
    return os.fdopen(os.dup(sys.stdin.fileno()), "rb") if str(path) == STANDARD_INPUT else path.open("rb")
