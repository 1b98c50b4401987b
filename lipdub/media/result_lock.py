"""One run at a time makes a result, whichever workspaces the runs have."""

from __future__ import annotations

import hashlib
import os
import socket
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from lipdub.errors import EnvironmentFailure, printable, wrap_os_error

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

_MARK_BYTES = 4  # bytes of the digest that tells the neighbours of results apart


def name_neighbour(place: Path, ending: str) -> Path:
    """Return a path beside a result for what is there only while it is made.

    It is the same every time, so that the next run finds what a killed run left behind. It is short, since the
    result's own name may be as long as the disk allows. It is not hidden: a packaged ffmpeg may be kept from hidden
    folders.
    """
    mark = hashlib.blake2b(os.fsencode(place.name), digest_size=_MARK_BYTES).hexdigest()
    return place.with_name(f"lipdub-{mark}{ending}")


class ResultLock:
    """A context manager that keeps other runs from a result from its beginning to its end.

    The operating system drops the lock when the process ends: a file that a killed run left behind locks nothing.
    Where there are no locks (Windows, some network disks), nothing is kept from anything.

    Args:
        out: The result. Symbolic links are followed.

    Raises:
        EnvironmentFailure: Another run makes the result. There is no waiting.
    """

    def __init__(self, out: Path) -> None:
        self._out = out
        self._path = name_neighbour(Path(os.path.realpath(out)), ".lock")
        self._number = -1  # of the open file

    def __enter__(self) -> Self:
        try:
            import fcntl
        except ImportError:  # Windows
            return self
        try:
            while True:
                self._number = self._open()
                fcntl.flock(self._number, fcntl.LOCK_EX | fcntl.LOCK_NB)
                if self._is_in_place():
                    break
                self._close()  # the run before removed it in between
            with suppress(OSError):  # the file of another user, or a full disk
                os.ftruncate(self._number, 0)
                os.write(self._number, f"process {os.getpid()} on {socket.gethostname()}".encode())
        except BlockingIOError:
            holder = os.read(self._number, 1 << 10).decode("utf-8", "replace") or "another process"
            self._close()
            raise EnvironmentFailure(
                f"{printable(self._out)} is being made by {printable(holder)}",
                hint="Wait for it to end or name another file with -o.",
            ) from None
        except OSError as error:
            if self._number < 0:
                raise wrap_os_error(error, self._out) from error
            self._remove()  # a disk without locks
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._number >= 0:
            self._remove()

    def _open(self) -> int:
        try:
            return os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        except PermissionError:  # what another user's run left behind can still be locked
            if not self._path.exists():
                raise
            return os.open(self._path, os.O_RDONLY | os.O_CLOEXEC)

    def _is_in_place(self) -> bool:
        """Whether the open file is still the one of this name."""
        try:
            return os.path.samestat(os.fstat(self._number), self._path.stat())
        except FileNotFoundError:
            return False

    def _remove(self) -> None:
        with suppress(OSError):
            self._path.unlink()
        self._close()

    def _close(self) -> None:
        os.close(self._number)
        self._number = -1
