"""The workspace folder: ``workspace.json``, one store per stage, the lock.

``workspace.json`` holds the schema version, the facts of the source, known digests, and a record of each stage: its
key, options, state, timing and summary. It is only ever replaced whole. A stage is ``running`` from before its first
byte to after its last, so an interrupted stage differs from a finished one.
"""

from __future__ import annotations

import json
import os
import shutil
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from lipdub.errors import CorruptChunk, UsageError, wrap_os_error
from lipdub.workspace.atomic_files import write_atomically
from lipdub.workspace.json_values import to_plain
from lipdub.workspace.keys import DigestCache
from lipdub.workspace.lock import WorkspaceLock
from lipdub.workspace.stage_store import StageStore

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

SCHEMA_VERSION = 1
"""Version of the layout of ``workspace.json``. Version 0.1.0 of lipdub wrote 1, too."""

WORKSPACE_FILE = "workspace.json"
KEPT_FOLDER = "kept"
"""Folder of the stores that outlive a change of a stage's options."""

_KEPT_KEY = "key"

_RECORD_TYPES: dict[str, type | tuple[type, ...]] = {
    "key": str,
    "state": str,
    "options": dict,
    "files": dict,
    "seconds": (int, float),
    "summary": dict,
    "warnings": list,
    "output": (dict, type(None)),
}
_STATES = ("running", "done")


@dataclass(frozen=True)
class StageRecord:
    """What is known of a stage's cache.

    Attributes:
        key: The key it was made with.
        state: "running" (begun, perhaps interrupted, can be continued) or "done".
        options: The stage's options, as plain values.
        files: Digests of the weights and other files it used, by path.
        seconds: Time that its finished run took.
        summary: What the stage reports, as plain values.
        warnings: Its warnings, one line each.
        output: Path, size and mtime_ns of the result file outside the workspace, if the stage writes one.
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
    """The caches of one job.

    Reading ``workspace.json`` needs no lock. Everything that writes happens inside `locked`.

    Attributes:
        path: The folder.
        facts: Facts of the source video, as plain values.
        stages: The record of each stage that has a cache.
        digest: Known digests of files.
        unusable: Why none of the folder's caches can be used; empty if they can, or if there are none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.facts: dict[str, Any] = {}
        self.stages: dict[str, StageRecord] = {}
        self.digest = DigestCache()
        self.unusable = ""
        self._load()

    @contextmanager
    def locked(self) -> Iterator[Workspace]:
        """Make the folder, take its lock and read the newest state.

        Raises:
            EnvironmentFailure: Another process has the lock, or the folder cannot be made.
            UsageError: The path is a file, or a folder with other content.
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
        """Return whether a path is a folder that lipdub made for its caches."""
        return (path / WORKSPACE_FILE).is_file()

    def store(self, stage: str) -> StageStore:
        """Return the store of a stage. Its folder may not exist yet."""
        return StageStore(self.path / stage, stage)

    def record(self, stage: str) -> StageRecord | None:
        """Return the record of a stage, or None if it has no cache."""
        return self.stages.get(stage)

    def begin(self, stage: str, record: StageRecord, *, resume: bool) -> StageStore:
        """Record that a stage is running, and return its store; empty the store first unless ``resume``."""
        store = self.store(stage)
        if not resume:
            # Forget first, empty next, record last: killed in between, the next run starts from nothing again.
            if self.stages.pop(stage, None) is not None:
                self.save()
            store.clear()
        self.stages[stage] = record
        self.save()
        return store

    def keep(self, name: str, key: str) -> StageStore:
        """Return a store that lies beside the stages' own, so it outlives a change of their options.

        It is emptied where it was made with another key.

        Args:
            name: Name of the store.
            key: What its content depends on.
        """
        store = StageStore(self.path / KEPT_FOLDER / name, name)
        try:
            is_current = store.json(_KEPT_KEY) == key
        except CorruptChunk:
            is_current = False
        if not is_current:
            store.clear()
            store.put_json(_KEPT_KEY, key)
        return store

    def put(self, stage: str, record: StageRecord) -> None:
        """Replace the record of a stage."""
        self.stages[stage] = record
        self.save()

    def forget(self, stage: str) -> None:
        """Remove the record of a stage and its store."""
        if self.stages.pop(stage, None) is not None:
            self.save()
        shutil.rmtree(self.path / stage, ignore_errors=True)

    def save(self) -> None:
        """Write ``workspace.json``.

        Raises:
            EnvironmentFailure: It cannot be written.
        """
        content = {
            "schema": SCHEMA_VERSION,
            "facts": self.facts,
            "digests": self.digest.known,
            "stages": {name: asdict(record) for name, record in self.stages.items()},
        }
        write_atomically(self.path / WORKSPACE_FILE, json.dumps(to_plain(content), indent=1).encode())

    def clean(self) -> int:
        """Remove the whole workspace and return the bytes that it held. A symbolic link to it is removed, too.

        Raises:
            UsageError: The folder is no workspace.
            EnvironmentFailure: Another process uses it, or it cannot be removed.
        """
        if not self.is_workspace(self.path):
            raise UsageError(f"{self.path} is not a workspace of lipdub")
        with WorkspaceLock(self.path):
            size = measure_folder(self.path)
            self.stages.clear()
            try:
                # workspace.json goes last: killed in between, the folder is still a workspace and can be cleaned.
                for entry in self.path.iterdir():
                    if entry.is_dir() and not entry.is_symlink():
                        shutil.rmtree(entry)
                    elif entry.name not in (WORKSPACE_FILE, "lock"):
                        entry.unlink()
                (self.path / WORKSPACE_FILE).unlink()
            except OSError as error:
                raise wrap_os_error(error, self.path, "clean") from error
        shutil.rmtree(os.path.realpath(self.path), ignore_errors=True)
        if self.path.is_symlink():
            self.path.unlink()
        return size

    def _load(self) -> None:
        self.facts, self.stages, self.digest, self.unusable = {}, {}, DigestCache(), ""
        try:
            content = json.loads((self.path / WORKSPACE_FILE).read_bytes())
        except (FileNotFoundError, NotADirectoryError):
            return
        except OSError as error:
            raise wrap_os_error(error, self.path / WORKSPACE_FILE, "read") from error
        except (ValueError, RecursionError):
            self.unusable = f"{WORKSPACE_FILE} is damaged"
            return
        schema = content.get("schema") if isinstance(content, dict) else None
        if schema != SCHEMA_VERSION or isinstance(schema, bool):
            self.unusable = f"another version of lipdub made the workspace (schema {schema}, not {SCHEMA_VERSION})"
            return
        self.facts = _to_dict(content.get("facts"))
        self.digest = DigestCache(_to_dict(content.get("digests")))
        for stage, values in _to_dict(content.get("stages")).items():
            record = _parse_record(values)
            if record is not None:
                self.stages[stage] = record


def _to_dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _parse_record(values: Any) -> StageRecord | None:
    """Return a stage's record, or None where ``workspace.json`` holds something else. Unknown fields are left out."""
    if not isinstance(values, dict) or not {"key", "state"} <= values.keys():
        return None
    fields = {name: value for name, value in values.items() if name in _RECORD_TYPES}
    if not all(isinstance(value, _RECORD_TYPES[name]) for name, value in fields.items()):
        return None
    return StageRecord(**fields) if fields["state"] in _STATES else None


def measure_folder(path: Path) -> int:
    """Return the bytes of all files below a folder."""
    return sum(entry.stat().st_size for entry in path.rglob("*") if entry.is_file() and not entry.is_symlink())
