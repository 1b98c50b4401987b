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
    """The cache of one stage.

    Names may hold slashes ("segments/0003.mkv"). Everything is written complete or not at all. Reading what does not
    match its checksum raises CorruptChunk.

    Attributes:
        path: The folder.
        stage: Name of the stage.
    """

    def __init__(self, path: Path, stage: str) -> None:
        self.path = path
        self.stage = stage

    def __repr__(self) -> str:
        return f"StageStore({self.stage} at {self.path})"

    def array(
        self, name: str, *, shape: tuple[int, ...], dtype: DTypeLike, chunk: int, level: CompressionLevel = "fast"
    ) -> ChunkedArray:
        """Return the array of this name for writing.

        An array of equal shape, dtype and chunk is continued: its finished chunks count as done. Otherwise a new, empty
        array replaces it.

        Args:
            name: Its name.
            shape: Its shape.
            dtype: Its element type.
            chunk: Items of the first axis in one file.
            level: Compression, "fast" or "small".

        Raises:
            EnvironmentFailure: The array cannot be made.
        """
        return make_array(self.stage, name, self._resolve(name), shape=shape, dtype=dtype, chunk=chunk, level=level)

    def open(self, name: str) -> ChunkedArray:
        """Return the array of this name for reading.

        Raises:
            CorruptChunk: The array is missing or damaged.
        """
        return open_array(self.stage, name, self._resolve(name))

    def put_json(self, name: str, value: Any) -> None:
        """Store a value of numbers, text, lists and dictionaries; see `json_values.to_plain` for others."""
        value = to_plain(value)
        text = json.dumps({"digest": digest_bytes(to_canonical_json(value)), "value": value}, indent=1)
        self._write(self._resolve(f"{name}.json"), text.encode())

    def json(self, name: str) -> Any:
        """Return the value of this name.

        Raises:
            CorruptChunk: The value is missing or damaged.
        """
        path = self._resolve(f"{name}.json")
        try:
            content = json.loads(path.read_bytes())
            value = content["value"]
            is_intact = content["digest"] == digest_bytes(to_canonical_json(value))
        except FileNotFoundError:
            raise CorruptChunk(self.stage, name, -1, path, "missing") from None
        except PermissionError as error:
            raise wrap_os_error(error, path, "read") from error
        except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
            raise CorruptChunk(self.stage, name, -1, path, "damaged") from error
        if not is_intact:
            raise CorruptChunk(self.stage, name, -1, path, "damaged")
        return value

    def has(self, name: str) -> bool:
        """Return whether there is a value, an array or a file of this name. It may be damaged."""
        return self._resolve(f"{name}.json").exists() or self._resolve(name).exists()

    def file(self, name: str) -> Path:
        """Return where the whole file of this name belongs, and make its folder.

        Write the file under another name, rename it into place, then call `seal`.
        """
        path = self._resolve(name)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise wrap_os_error(error, path) from error
        return path

    def seal(self, name: str) -> None:
        """Store size and digest of a finished file, so that later damage is noticed."""
        path = self._resolve(name)
        seal = {"size": path.stat().st_size, "digest": digest_file(path)}
        self._write(self._resolve(f"{name}.seal"), to_canonical_json(seal))

    def is_sealed(self, name: str) -> bool:
        """Return whether a file was sealed and has not changed since."""
        path = self._resolve(name)
        try:
            seal = json.loads(self._resolve(f"{name}.seal").read_bytes())
            return bool(path.stat().st_size == seal["size"] and digest_file(path) == seal["digest"])
        except (OSError, ValueError, KeyError, TypeError):
            return False

    def remove(self, name: str) -> None:
        """Remove the value, array or file of this name, if there is one."""
        for path in (self._resolve(name), self._resolve(f"{name}.json"), self._resolve(f"{name}.seal")):
            if path.is_dir():
                shutil.rmtree(path, ignore_errors=True)
            else:
                path.unlink(missing_ok=True)

    def clear(self) -> None:
        """Empty the store.

        Raises:
            EnvironmentFailure: The folder cannot be changed.
        """
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

    def _resolve(self, name: str) -> Path:
        parts = PurePosixPath(name).parts
        if not parts or name.startswith("/") or ".." in parts:
            raise ValueError(f"not a name in a store: {name!r}")
        return self.path.joinpath(*parts)
