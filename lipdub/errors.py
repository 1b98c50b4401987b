"""The errors lipdub raises, each with the exit code of the command line.

Code raises an error where it knows the facts. ``str(error)`` is one line: what is wrong, then what to do.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Any

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}

EMPTY_NAME_HINT = "An empty name, as of a variable that is not set, stands for the folder you are in."


def printable(value: object) -> str:
    """Return the text of a value with unprintable characters escaped, so that it fits on one line.

    Args:
        value: Usually a path. Control characters, newlines and lone surrogates are escaped.
    """
    text = os.fsdecode(value) if isinstance(value, (bytes, os.PathLike)) else str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class LipdubError(Exception):
    """Base of every error that is meant for a person.

    Attributes:
        what: The fault and its place.
        hint: What to do about it; may be empty.
        exit_code: Exit code of the command line.
    """

    exit_code = 1

    def __init__(self, what: str, *, hint: str = "") -> None:
        super().__init__(what)
        self.what = printable(what.strip())
        self.hint = printable(hint.strip())

    def __str__(self) -> str:
        end = "" if self.what.endswith((".", "!", "?")) else "."
        return f"{self.what}{end} {self.hint}" if self.hint else f"{self.what}{end}"


class UsageError(LipdubError):
    """The request is wrong: an unknown name, options that exclude each other, a value out of range."""

    exit_code = 2


class InputError(LipdubError):
    """A given file cannot be used: it is unreadable, too short, or has no picture, face or sound."""

    exit_code = 3


class WeightsError(LipdubError):
    """Network weights are missing, damaged or not the ones they claim to be."""

    exit_code = 4


class EnvironmentFailure(LipdubError):  # noqa: N818  a public name
    """The machine cannot do it: no ffmpeg, space, permission, memory or device, or a workspace in use."""

    exit_code = 5


class BelowThresholdError(LipdubError):
    """A score misses a threshold given by the user; everything else succeeded."""

    exit_code = 6


class CorruptChunk(LipdubError):  # noqa: N818  a public name
    """A cached piece is absent or does not match its checksum.

    The pipeline removes the piece and runs its stage again, so people rarely see this error.

    Attributes:
        stage: Name of the stage that wrote the piece.
        array: Name of the array or file.
        chunk: Number of the chunk; -1 for the whole array or file.
        path: Path of the piece.
        reason: What is wrong with it, as an adjective.
    """

    exit_code = 5

    def __init__(self, stage: str, array: str, chunk: int, path: Path, reason: str = "damaged") -> None:
        piece = f"chunk {chunk} of {array}" if chunk >= 0 else array
        super().__init__(
            f"the cache of {stage} is broken: {piece} is {reason} ({path})",
            hint="Run again; if it comes back, check the disk or use another --workspace.",
        )
        self.stage = stage
        self.array = array
        self.chunk = chunk
        self.path = path
        self.reason = reason

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.stage, self.array, self.chunk, self.path, self.reason)


def wrap_os_error(error: OSError, path: object | None = None, doing: str = "write") -> LipdubError:
    """Turn a system error into an error that names the place and the remedy.

    Args:
        error: The system's error.
        path: The place to name; the error's own file name by default.
        doing: The verb of the sentence ("cannot write ...").

    Returns:
        An :class:`InputError` for a missing file to read, a :class:`UsageError` for a name that the disk does not
        take, else an :class:`EnvironmentFailure`.
    """
    if error.errno == errno.ENOENT and _is_folder_gone():
        return EnvironmentFailure("the current folder was deleted", hint="Change to a folder that exists.")
    where = path if path is not None else error.filename
    place = f" {printable(where)}" if where is not None else ""
    if error.errno in _NO_SPACE:
        return EnvironmentFailure(
            f"no space left on the disk, cannot {doing}{place}",
            hint="Free some space; finished work is kept and the next run continues from it.",
        )
    if error.errno in _FORBIDDEN:
        return EnvironmentFailure(
            f"no permission to {doing}{place}", hint="Choose another place or change its permissions."
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR) and doing == "read":
        return InputError(f"there is no file{place}")
    if error.errno == errno.ENAMETOOLONG:
        return UsageError(f"the name is too long to {doing}{place}", hint="Give a shorter one.")
    return EnvironmentFailure(f"cannot {doing}{place}: {error.strerror or error}")


def _is_folder_gone() -> bool:
    """Whether the folder that relative paths begin in was deleted."""
    try:
        Path.cwd()
    except FileNotFoundError:
        return True
    return False
