"""The workspace folder: ``workspace.json``, one store per stage, the lock.

``workspace.json`` holds the schema version, the facts of the source, digests already computed, and for each
stage the key and options it was run with, its state, timing and summary. It is only ever replaced whole. A
stage is ``running`` from before its first byte to after its last, so a killed one is told from a finished
one.
"""

from __future__ import annotations

import json
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field, fields
from typing import TYPE_CHECKING, Any

from lipdub.errors import UsageError, wrap_os_error
from lipdub.workspace.atomic_files import write_atomically
from lipdub.workspace.json_values import to_plain
from lipdub.workspace.keys import DigestCache
from lipdub.workspace.lock import WorkspaceLock
from lipdub.workspace.stage_store import StageStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA_VERSION = 1
WORKSPACE_FILE = "workspace.json"


@dataclass(frozen=True)
class StageRecord:
    """What is known of a stage's cache.

    ``state`` is ``running`` (begun, perhaps killed: may be continued) or ``done``. ``seconds`` is the time
    spent in all runs that reached their end; ``files`` are the digests of weights and other files it used;
    ``output`` describes the result file the stage wrote outside the workspace (path, size, mtime_ns), if it
    does.
    """

    key: str
    state: str
    options: dict[str, Any] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    summary: dict[str, Any] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)
    output: dict[str, Any] | None = None


class Workspace:
    """The caches of one job at ``path``.

    Reading ``workspace.json`` needs no lock; everything that writes happens inside :meth:`locked`.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts: dict[str, Any] = {}
        self.stages: dict[str, StageRecord] = {}
        self.digest = DigestCache()
        self._load()

    @contextmanager
    def locked(self) -> Iterator[Workspace]:
        """Makes the folder, takes the lock (EnvironmentFailure when another process has it), reads the newest
        state.
        """
        try:
            self.path.mkdir(parents=True, exist_ok=True)
        except FileExistsError:
            raise UsageError(
                f"the workspace {self.path} is a file, not a folder", hint="Give another --workspace."
            ) from None
        except OSError as error:
            raise wrap_os_error(error, self.path, "make the workspace") from error
        if not self.is_workspace(self.path) and any(entry.name != "lock" for entry in self.path.iterdir()):
            raise UsageError(
                f"{self.path} holds other files and is not a workspace of lipdub",
                hint="Give an empty or new folder as --workspace.",
            )
        with WorkspaceLock(self.path):
            self._load()
            if not (self.path / WORKSPACE_FILE).exists():
                self.save()
            yield self

    @staticmethod
    def is_workspace(path: Path) -> bool:
        """True when ``path`` is a folder lipdub made for its caches."""
        return (path / WORKSPACE_FILE).is_file()

    def store(self, stage: str) -> StageStore:
        """The stage's folder (which may not exist yet)."""
        return StageStore(self.path / stage, stage)

    def record(self, stage: str) -> StageRecord | None:
        """What is known of the stage's cache, None when there is none."""
        return self.stages.get(stage)

    def begin(self, stage: str, record: StageRecord, *, resume: bool) -> StageStore:
        """Makes the stage's store ready and notes that it is running; empties it first unless ``resume``."""
        store = self.store(stage)
        if not resume:
            # Forget first, empty next, note last: killed in between, the next run starts from nothing again.
            if self.stages.pop(stage, None) is not None:
                self.save()
            store.clear()
        self.stages[stage] = record
        self.save()
        return store

    def put(self, stage: str, record: StageRecord) -> None:
        """Replaces what is known of the stage and saves."""
        self.stages[stage] = record
        self.save()

    def forget(self, stage: str) -> None:
        """Removes the stage's record and its store."""
        if self.stages.pop(stage, None) is not None:
            self.save()
        shutil.rmtree(self.path / stage, ignore_errors=True)

    def save(self) -> None:
        """Writes ``workspace.json`` whole. Raises EnvironmentFailure."""
        content = {
            "schema": SCHEMA_VERSION,
            "facts": self.facts,
            "digests": self.digest.known,
            "stages": {name: asdict(record) for name, record in self.stages.items()},
        }
        write_atomically(self.path / WORKSPACE_FILE, json.dumps(to_plain(content), indent=1).encode())

    def clean(self) -> int:
        """Removes the whole workspace and returns the bytes it held. Raises EnvironmentFailure while it is in
        use.
        """
        if not self.is_workspace(self.path):
            raise UsageError(f"{self.path} is not a workspace of lipdub")
        with WorkspaceLock(self.path):
            size = measure_folder(self.path)
            self.stages.clear()
            try:
                # The mark goes last: killed in between, the folder is still known as a workspace and can be
                # cleaned.
                for entry in self.path.iterdir():
                    if entry.is_dir() and not entry.is_symlink():
                        shutil.rmtree(entry)
                    elif entry.name not in (WORKSPACE_FILE, "lock"):
                        entry.unlink()
                (self.path / WORKSPACE_FILE).unlink()
            except OSError as error:
                raise wrap_os_error(error, self.path, "clean") from error
        shutil.rmtree(self.path, ignore_errors=True)
        return size

    def _load(self) -> None:
        self.facts, self.stages, self.digest = {}, {}, DigestCache()
        try:
            content = json.loads((self.path / WORKSPACE_FILE).read_bytes())
        except FileNotFoundError:
            return
        except OSError as error:
            if isinstance(error, NotADirectoryError):
                return
            raise wrap_os_error(error, self.path / WORKSPACE_FILE, "read") from error
        except ValueError:
            return  # damaged: nothing can be said of the caches, so nothing of them is used
        if not isinstance(content, dict) or content.get("schema") != SCHEMA_VERSION:
            return
        self.facts = content.get("facts") or {}
        self.digest = DigestCache(content.get("digests") or {})
        names = {item.name for item in fields(StageRecord)}
        for stage, values in (content.get("stages") or {}).items():
            if isinstance(values, dict) and {"key", "state"} <= values.keys():
                self.stages[stage] = StageRecord(**{k: v for k, v in values.items() if k in names})


def measure_folder(path: Path) -> int:
    """Bytes of all files below ``path``."""
    return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file() and not entry.is_symlink())
