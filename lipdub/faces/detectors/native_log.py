"""Keep the log lines of MediaPipe's C++ code off standard error.

MediaPipe, Abseil and TensorFlow Lite write to file descriptor 2 when a graph starts and when it sees its first picture.
No setting or environment variable of theirs prevents that. A library must not write there, so the descriptor points to
a temporary file in the meantime. Lines of other origin are written to standard error afterwards; those of MediaPipe go
to the logger of this module at level debug.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import tempfile
import threading
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

_STDERR = 2  # the descriptor that native code writes to, whatever `sys.stderr` is
# What a line begins with that MediaPipe's libraries wrote: Abseil's and glog's severity and date, TensorFlow Lite's.
_NATIVE_LINE = re.compile(
    rb"[IWE]\d{4} [\d:. ]+|WARNING: All log messages before absl::InitializeLog|INFO: Created TensorFlow Lite"
)

_logger = logging.getLogger(__name__)


class _Redirection:
    """Where descriptor 2 points while at least one thread runs native code that logs."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._users = 0
        self._original = -1
        self._file: IO[bytes] | None = None

    def enter(self) -> None:
        """Redirect the descriptor, unless another thread already did."""
        with self._lock:
            self._users += 1
            if self._users > 1:
                return
            _flush_python()
            try:
                self._original = os.dup(_STDERR)
            except OSError:  # standard error is closed: nothing can reach it
                return
            self._file = tempfile.TemporaryFile()  # noqa: SIM115  # closed by `leave`
            os.dup2(self._file.fileno(), _STDERR)

    def leave(self) -> None:
        """Restore the descriptor when the last thread leaves, and forward the lines."""
        with self._lock:
            self._users -= 1
            if self._users or self._file is None:
                return
            _flush_python()
            os.dup2(self._original, _STDERR)
            os.close(self._original)
            self._file.seek(0)
            content = self._file.read()
            self._file.close()
            self._file = None
        _forward_lines(content)


_redirection = _Redirection()


@contextmanager
def divert_native_log() -> Iterator[None]:
    """Keep native log lines off standard error while the block runs.

    Blocks may nest, and several threads may be inside at once; the descriptor is restored when the last one leaves.
    """
    _redirection.enter()
    try:
        yield
    finally:
        _redirection.leave()


def _flush_python() -> None:
    with suppress(AttributeError, OSError, ValueError):  # closed, or replaced by something without a buffer
        sys.stderr.flush()


def _forward_lines(content: bytes) -> None:
    """Log MediaPipe's lines and write all others to standard error."""
    other_lines = bytearray()
    for line in content.splitlines(keepends=True):
        if _NATIVE_LINE.match(line):
            _logger.debug("%s", line.decode(errors="replace").rstrip())
        else:
            other_lines += line
    if other_lines:
        with suppress(OSError):
            os.write(_STDERR, bytes(other_lines))
