"""One writer per workspace, and locks of other folders.

The operating system drops the lock when the process that has it ends. A note in the folder says which process has it.
"""

from __future__ import annotations

import json
import os
import socket
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING

from lipdub.errors import EnvironmentFailure, printable, wrap_os_error
from lipdub.workspace.atomic_files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

_LOCK_FILE = "lock"
_NOTE_FILE = "lock.holder"


class WorkspaceLock:
    """A context manager that has the lock of a workspace from its beginning to its end.

    Raises:
        EnvironmentFailure: Another process has the lock; the message names it. There is no waiting.
    """

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock

        self._folder = folder
        self._lock = FileLock(folder / _LOCK_FILE, timeout=0)

    def __enter__(self) -> Self:
        from filelock import Timeout

        try:
            self._lock.acquire()
        except Timeout:
            raise EnvironmentFailure(
                f"the workspace {self._folder} is in use{self._read_holder()}",
                hint="Wait for it to end or give another --workspace.",
            ) from None
        except NotImplementedError as error:  # filelock raises it for file systems without locks
            raise EnvironmentFailure(
                f"the file system of {self._folder} has no locks", hint="Give a --workspace on another disk."
            ) from error
        except OSError as error:
            raise wrap_os_error(error, self._folder / _LOCK_FILE) from error
        note = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now().astimezone().isoformat(" ", "seconds"),
        }
        try:
            write_atomically(self._folder / _NOTE_FILE, json.dumps(note).encode())
        except EnvironmentFailure:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self._folder / _NOTE_FILE).unlink(missing_ok=True)
        self._lock.release()

    def _read_holder(self) -> str:
        try:
            note = json.loads((self._folder / _NOTE_FILE).read_bytes())
            return f" by process {int(note['pid'])} on {note['host']} since {note['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return " by another process"  # it has the lock and has not written its note yet


@contextmanager
def hold_lock(path: Path, purpose: str, *, place: Path, hint: str, seconds: float = 0.0) -> Iterator[None]:
    """Keep other processes out.

    Args:
        path: The lock's file.
        purpose: What is locked, for messages.
        place: What the file system is of, for messages.
        hint: What to do where the file system has no locks.
        seconds: How long to wait for another process.

    Raises:
        EnvironmentFailure: Another process still has the lock, or the file system has no locks.
    """
    from filelock import FileLock, Timeout

    lock = FileLock(path, timeout=seconds)
    try:
        lock.acquire()
    except Timeout:
        raise EnvironmentFailure(f"another process is at work on {purpose}", hint="Wait for it to end.") from None
    except NotImplementedError as error:  # filelock raises it for file systems without locks
        raise EnvironmentFailure(f"the file system of {printable(place)} has no locks", hint=hint) from error
    except OSError as error:
        raise wrap_os_error(error, path) from error
    try:
        yield
    finally:
        lock.release()
