"""One stage's folder in the workspace: its arrays, its small JSON values, its whole files."""

from __future__ import annotations

import json
import shutil
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from lipdub.errors import CorruptChunk, wrap_os_error
from lipdub.workspace.atomic_files import write_atomically
from lipdub.workspace.chunks import ChunkedArray, CompressionLevel, make_array, open_array
from lipdub.workspace.json_values import to_canonical_json, to_plain
from lipdub.workspace.keys import digest_bytes, digest_file

if TYPE_CHECKING:
    from numpy.typing import DTypeLike


class StageStore:
    """What stage ``stage`` keeps at ``path``.

    Names may hold slashes ("segments/0003.mkv"). Everything is written complete or not at all;
    what does not match its checksum on reading raises CorruptChunk.
    """

    def __init__(self, path: Path, stage: str) -> None:
        self.path = path
        self.stage = stage

    def __repr__(self) -> str:
        return f"Store({self.stage} at {self.path})"

    def array(
        self, name: str, *, shape: tuple[int, ...], dtype: DTypeLike, chunk: int, level: CompressionLevel = "fast"
    ) -> ChunkedArray:
        """The array ``name``: the one that is there if shape, dtype and chunk equal (its finished chunks
        count as done), else a new empty one. ``chunk`` items of the first axis go into one file. Raises
        EnvironmentFailure.
        """
        return make_array(self.stage, name, self._inside(name), shape=shape, dtype=dtype, chunk=chunk, level=level)

    def open(self, name: str) -> ChunkedArray:
        """The array ``name`` for reading. Raises CorruptChunk when it is not there or broken."""
        return open_array(self.stage, name, self._inside(name))

    def put_json(self, name: str, value: Any) -> None:
        """Keeps ``value`` (numbers, text, lists, dicts; arrays become lists, NaN becomes None) under
        ``name``.
        """
        value = to_plain(value)
        text = json.dumps({"digest": digest_bytes(to_canonical_json(value)), "value": value}, indent=1)
        self._write(self._inside(f"{name}.json"), text.encode())

    def json(self, name: str) -> Any:
        """The value kept under ``name``. Raises CorruptChunk when it is not there or damaged."""
        path = self._inside(f"{name}.json")
        try:
            content = json.loads(path.read_bytes())
            value = content["value"]
            intact = content["digest"] == digest_bytes(to_canonical_json(value))
        except FileNotFoundError:
            raise CorruptChunk(self.stage, name, -1, path, "missing") from None
        except PermissionError as error:
            raise wrap_os_error(error, path, "read") from error
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise CorruptChunk(self.stage, name, -1, path, "damaged") from error
        if not intact:
            raise CorruptChunk(self.stage, name, -1, path, "damaged")
        return value

    def has(self, name: str) -> bool:
        """True when a JSON value, an array or a file of that name is there (not that it is intact)."""
        return self._inside(f"{name}.json").exists() or self._inside(name).exists()

    def file(self, name: str) -> Path:
        """Where the whole file ``name`` belongs; its folder exists. Writers rename into place, then
        :meth:`seal`.
        """
        path = self._inside(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise wrap_os_error(error, path) from error
        return path

    def seal(self, name: str) -> None:
        """Notes size and digest of the finished file ``name``, so that damage to it is noticed later."""
        path = self._inside(name)
        seal = {"size": path.stat().st_size, "digest": digest_file(path)}
        self._write(self._inside(f"{name}.seal"), to_canonical_json(seal))

    def sealed(self, name: str) -> bool:
        """True when the file ``name`` is there, was sealed, and is still what it was then."""
        path = self._inside(name)
        try:
            seal = json.loads(self._inside(f"{name}.seal").read_bytes())
            return path.stat().st_size == seal["size"] and digest_file(path) == seal["digest"]
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def remove(self, name: str) -> None:
        """Removes whatever is kept under ``name``."""
        for path in (self._inside(name), self._inside(f"{name}.json"), self._inside(f"{name}.seal")):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Empties the store. Raises EnvironmentFailure."""
        try:
            if self.path.exists():
                shutil.rmtree(self.path)
            self.path.mkdir(parents=True)
        except OSError as error:
            raise wrap_os_error(error, self.path) from error

    def _write(self, path: Path, content: bytes) -> None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise wrap_os_error(error, path) from error
        write_atomically(path, content)

    def _inside(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts:
            raise ValueError(f"not a name in a store: {name!r}")
        return self.path.joinpath(*parts)
