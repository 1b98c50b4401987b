"""One writer per workspace: a lock the operating system drops when its holder dies, and a note of who holds
it.
"""

from __future__ import annotations

import json
import os
import socket
from datetime import datetime
from typing import TYPE_CHECKING

from lipdub.errors import EnvironmentFailure, wrap_os_error
from lipdub.workspace.atomic_files import write_atomically

if TYPE_CHECKING:
    from pathlib import Path
    from types import TracebackType

_LOCK = "lock"
_HOLDER = "lock.holder"


class WorkspaceLock:
    """Held from ``with`` to its end. Raises EnvironmentFailure at once, naming the holder, when another has
    it.
    """

    def __init__(self, folder: Path) -> None:
        from filelock import FileLock

        self._folder = folder
        self._lock = FileLock(folder / _LOCK, timeout=0)

    def __enter__(self) -> WorkspaceLock:
        from filelock import Timeout

        try:
            self._lock.acquire()
        except Timeout:
            raise EnvironmentFailure(
                f"the workspace {self._folder} is in use{self._holder()}",
                hint="Wait for it to end or give another --workspace.",
            ) from None
        except NotImplementedError as error:  # what filelock says of file systems without locks
            raise EnvironmentFailure(
                f"the file system of {self._folder} has no locks", hint="Give a --workspace on another disk."
            ) from error
        except OSError as error:
            raise wrap_os_error(error, self._folder / _LOCK) from error
        note = {
            "pid": os.getpid(),
            "host": socket.gethostname(),
            "since": datetime.now().isoformat(" ", "seconds"),
        }
        try:
            write_atomically(self._folder / _HOLDER, json.dumps(note).encode())
        except EnvironmentFailure:
            self._lock.release()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        (self._folder / _HOLDER).unlink(missing_ok=True)
        self._lock.release()

    def _holder(self) -> str:
        try:
            note = json.loads((self._folder / _HOLDER).read_bytes())
            return f" by process {int(note['pid'])} on {note['host']} since {note['since']}"
        except (OSError, ValueError, KeyError, TypeError):
            return " by another process"  # it has the lock and has not written its note yet
