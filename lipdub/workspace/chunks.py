"""Arrays on disk, written and read chunk by chunk along their first axis.

Each is a Zarr 3 array with one file per chunk. Zarr's local store writes a chunk to a temporary file and renames it, so
a chunk is complete or absent at whatever instant the process dies. A CRC-32C in the file shows damage on reading.

Blosc LZ4 at its lightest level stores crops in about half their size. One core writes about 0.8 GB/s and reads about
1.9 GB/s. Zstd at level 1 saves another tenth of the size at half that speed.
"""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any, Literal, cast

from lipdub.errors import CorruptChunk, wrap_os_error
from lipdub.workspace.atomic_files import PARTIAL_SUFFIX

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy as np
    from numpy.typing import DTypeLike

    from lipdub.arrays import Array

CompressionLevel = Literal["fast", "small"]
_METADATA = "zarr.json"
_CONFIG: Any = {"write_empty_chunks": True}  # a chunk of zeros is a file, too: without one it counts as not written


class ChunkedArray:
    """An array that is stored in pieces along its first axis.

    `StageStore.array` and `StageStore.open` make one. Several threads may write and read different chunks at once.

    Attributes:
        stage: Name of the stage that has it.
        name: Its name.
        path: Its folder.
        shape: Its shape.
        dtype: Its element type.
        chunk: Items of the first axis in one chunk.
    """

    def __init__(self, stage: str, name: str, path: Path, array: Any) -> None:
        self.stage = stage
        self.name = name
        self.path = path
        self.shape: tuple[int, ...] = tuple(array.shape)
        self.dtype: np.dtype[Any] = array.dtype
        self.chunk: int = int(array.chunks[0])
        self._array = array
        self._suffix = ".0" * (len(self.shape) - 1)
        self._hollow = 0 in self.shape[1:]  # items without content leave no files

    def __len__(self) -> int:
        return self.shape[0]

    def __repr__(self) -> str:
        what = f"shape={self.shape}, dtype={self.dtype}, chunk={self.chunk}"
        return f"ChunkedArray({self.stage}/{self.name}, {what})"

    @property
    def chunks(self) -> int:
        """Number of chunks."""
        return -(-self.shape[0] // self.chunk)

    def span(self, i: int) -> tuple[int, int]:
        """Return the first item of a chunk and the one after its last. The last chunk may be shorter than others."""
        if not 0 <= i < self.chunks:
            raise IndexError(f"chunk {i} of {self.chunks} in {self.stage}/{self.name}")
        return i * self.chunk, min((i + 1) * self.chunk, self.shape[0])

    def file(self, i: int) -> Path:
        """Return the path of a chunk."""
        return self.path / f"c.{i}{self._suffix}"

    def done(self, i: int) -> bool:
        """Return whether a chunk was written."""
        return self._hollow or self.file(i).exists()

    def missing(self) -> list[int]:
        """Return the numbers of the chunks that are not written yet, in order."""
        if self._hollow:
            return []
        present = {entry.name for entry in self.path.iterdir()}
        return [i for i in range(self.chunks) if f"c.{i}{self._suffix}" not in present]

    def write(self, i: int, data: Array) -> None:
        """Store a chunk.

        Args:
            i: Its number.
            data: Its items, as many as its span has.

        Raises:
            EnvironmentFailure: It cannot be written.
        """
        start, stop = self.span(i)
        if tuple(data.shape) != (stop - start, *self.shape[1:]):
            raise ValueError(f"chunk {i} of {self!r} takes {(stop - start, *self.shape[1:])}, not {tuple(data.shape)}")
        try:
            if stop - start < self.chunk:
                # Zarr reads a file before it changes a part of it. Nothing of an old file shall remain.
                self.file(i).unlink(missing_ok=True)
            self._array[start:stop] = data
        except OSError as error:
            raise wrap_os_error(error, self.file(i)) from error

    def read(self, start: int, stop: int) -> Array:
        """Return the items from ``start`` up to, but not including, ``stop``.

        Raises:
            CorruptChunk: A chunk is missing or damaged; the error names it.
        """
        import numpy as np

        if not 0 <= start <= stop <= self.shape[0]:
            raise IndexError(f"items {start}:{stop} of {self!r}")
        out = np.empty((stop - start, *self.shape[1:]), dtype=self.dtype)
        if out.size == 0:
            return out
        for i in range(start // self.chunk, (stop - 1) // self.chunk + 1):
            first, last = self.span(i)
            a, b = max(start, first), min(stop, last)
            out[a - start : b - start] = self._piece(i, a, b)
        return out

    def read_chunk(self, i: int) -> Array:
        """Return the items of a chunk.

        Raises:
            CorruptChunk: The chunk is missing or damaged.
        """
        return self._piece(i, *self.span(i))

    def each(self) -> Iterator[tuple[int, Array]]:
        """Yield the first item's number and the items of every chunk, in order.

        Raises:
            CorruptChunk: A chunk is missing or damaged.
        """
        for i in range(self.chunks):
            yield self.span(i)[0], self.read_chunk(i)

    def drop_damaged(self) -> list[int]:
        """Read every chunk that was written, remove the damaged ones, and return their numbers."""
        dropped = []
        for i in range(self.chunks):
            try:
                self.read_chunk(i)
            except CorruptChunk:
                if self.done(i):
                    self.file(i).unlink()
                    dropped.append(i)
        return dropped

    def _piece(self, i: int, start: int, stop: int) -> Array:
        if self._hollow:
            return cast("Array", self._array[start:stop])
        # Zarr takes an absent chunk for one of zeros, so look first.
        if not self.done(i):
            raise CorruptChunk(self.stage, self.name, i, self.file(i), "missing")
        try:
            return cast("Array", self._array[start:stop])
        except MemoryError:
            raise
        except PermissionError as error:
            raise wrap_os_error(error, self.file(i), "read") from error
        except Exception as error:  # checksum, length, codec: a damaged file fails in many ways
            raise CorruptChunk(self.stage, self.name, i, self.file(i), "damaged") from error


def open_array(stage: str, name: str, path: Path) -> ChunkedArray:
    """Return the array in a folder.

    Raises:
        CorruptChunk: It is missing or its metadata cannot be read. The chunk is -1.
    """
    import zarr

    if not (path / _METADATA).exists():
        raise CorruptChunk(stage, name, -1, path, "missing")
    try:
        found: Any = zarr.open_array(str(path), mode="r+", zarr_format=3)
        # Zarr passes no configuration on when it opens an array, and would write no chunk of zeros.
        array = zarr.Array(zarr.AsyncArray(found.metadata, found.store_path, config=_CONFIG))
        chunked = ChunkedArray(stage, name, path, array)
        is_whole = array.shape[0] >= 0 and array.chunks[1:] == tuple(max(1, n) for n in array.shape[1:])
    except MemoryError:
        raise
    except PermissionError as error:
        raise wrap_os_error(error, path, "read") from error
    except Exception as error:
        raise CorruptChunk(stage, name, -1, path, "damaged") from error
    if not is_whole:
        raise CorruptChunk(stage, name, -1, path, "damaged")
    return chunked


def make_array(
    stage: str,
    name: str,
    path: Path,
    *,
    shape: tuple[int, ...],
    dtype: DTypeLike,
    chunk: int,
    level: CompressionLevel = "fast",
) -> ChunkedArray:
    """Return the array in a folder if it has this geometry, or else a new one in its place.

    Args:
        stage: Name of the stage, for messages.
        name: Name of the array, for messages.
        path: Its folder.
        shape: Its shape.
        dtype: Its element type.
        chunk: Items of the first axis in one chunk.
        level: Compression: "fast" (LZ4) or "small" (zstd).

    Raises:
        EnvironmentFailure: The array cannot be made.
    """
    import numpy as np

    shape = tuple(int(n) for n in shape)
    dtype = np.dtype(dtype)
    if not shape or chunk < 1:
        raise ValueError(f"{stage}/{name}: an array needs at least one axis and one item per chunk")
    try:
        present = open_array(stage, name, path)
    except CorruptChunk:
        pass
    else:
        if present.shape == shape and present.dtype == dtype and present.chunk == chunk:
            # These are of a killed writer: the workspace is locked, so no other writes now.
            for leftover in path.glob(f"*{PARTIAL_SUFFIX}"):
                leftover.unlink(missing_ok=True)
            return present
    try:
        if path.exists():
            shutil.rmtree(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        return ChunkedArray(stage, name, path, _create(path, shape, dtype, chunk, level))
    except OSError as error:
        raise wrap_os_error(error, path) from error


def _create(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any], chunk: int, level: CompressionLevel) -> Any:
    import zarr
    from zarr.codecs import BloscCodec, Crc32cCodec

    # Shuffling groups the bytes of wide numbers by significance; for bytes there is nothing to group.
    shuffle: Literal["noshuffle", "shuffle"] = "noshuffle" if dtype.itemsize == 1 else "shuffle"
    codec = (
        BloscCodec(cname="lz4", clevel=1, shuffle=shuffle)
        if level == "fast"
        else BloscCodec(cname="zstd", clevel=3, shuffle=shuffle)
    )
    return zarr.create_array(
        str(path),
        shape=shape,
        chunks=(chunk, *(max(1, n) for n in shape[1:])),
        dtype=dtype,
        filters=None,
        compressors=[codec, Crc32cCodec()],
        fill_value=0,
        zarr_format=3,
        chunk_key_encoding={"name": "default", "separator": "."},
        config=_CONFIG,
    )
