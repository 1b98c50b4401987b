"""The errors lipdub raises, each with the exit code the command line ends with.

An error is raised where its facts are known and turned into words once, at the edge: ``str(error)`` is one
line, "what is wrong. what to do".
"""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

_NO_SPACE = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}


def printable(value: object) -> str:
    """Text of ``value`` (usually a path) fit for one line: control characters, newlines and lone surrogates
    escaped.
    """
    text = os.fsdecode(value) if isinstance(value, (bytes, os.PathLike)) else str(value)
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


class LipdubError(Exception):
    """Base of every error that is meant for a person. ``what`` names the fault and its place, ``hint`` the
    way out.
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
    """The request itself is wrong: an unknown name, options that exclude each other, a value out of range."""

    exit_code = 2


class InputError(LipdubError):
    """A given file cannot be used: unreadable, no picture, no face, no sound, too short."""

    exit_code = 3


class WeightsError(LipdubError):
    """Network weights are missing, damaged or not the ones they claim to be."""

    exit_code = 4


class EnvironmentFailure(LipdubError):
    """The machine cannot do it: no ffmpeg, no space, no permission, out of memory, no such device, workspace
    in use.
    """

    exit_code = 5


class BelowThresholdError(LipdubError):
    """A score misses a threshold that was asked for; everything else went well."""

    exit_code = 6


class CorruptChunk(LipdubError):
    """A cached piece is absent or does not match its checksum.

    ``stage``, ``array`` and ``chunk`` name it (``chunk`` is -1 when the whole array or file is meant),
    ``path`` is where it lies. The pipeline answers by removing it and running its stage again, so people
    rarely see this error.
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
    """``error`` as an :class:`EnvironmentFailure` (or :class:`InputError` for a missing file) that names the
    place.

    ``doing`` is the verb of the sentence ("cannot write ..."). ``path`` defaults to the error's own file name.
    """
    where = path if path is not None else error.filename
    place = f" {printable(where)}" if where is not None else ""
    if error.errno in _NO_SPACE:
        return EnvironmentFailure(
            f"no space left on the disk, cannot {doing}{place}",
            hint="Free some space; finished work is kept and the next run goes on from it.",
        )
    if error.errno in _FORBIDDEN:
        return EnvironmentFailure(
            f"no permission to {doing}{place}", hint="Choose another place or change its permissions."
        )
    if error.errno in (errno.ENOENT, errno.ENOTDIR) and doing == "read":
        return InputError(f"there is no file{place}")
    return EnvironmentFailure(f"cannot {doing}{place}: {error.strerror or error}")
