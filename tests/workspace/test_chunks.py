"""Chunked arrays: what is written is read, damage is noticed, and a killed writer leaves whole chunks."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.errors import CorruptChunk, EnvironmentFailure
from lipdub.workspace import ChunkedArray, StageStore

if TYPE_CHECKING:
    from lipdub.arrays import Array

OPEN_FILES = Path("/proc/self/fd")


@pytest.fixture
def store(tmp_path: Path) -> StageStore:
    return StageStore(tmp_path / "sync", "sync")


def filled(
    store: StageStore, shape: tuple[int, ...] = (10, 3, 2), chunk: int = 4, dtype: str = "float32"
) -> tuple[ChunkedArray, Array]:
    array = store.array("x", shape=shape, dtype=dtype, chunk=chunk)
    values = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
    for i in range(array.chunks):
        array.write(i, values[slice(*array.span(i))])
    return array, values


@pytest.mark.quick_cases(8)
@pytest.mark.parametrize("shape", [(10, 3, 2), (8, 5), (1,), (0, 4), (3, 0, 2)])
@pytest.mark.parametrize("dtype", ["uint8", "int64", "float32", "float16", "bool"])
def test_what_is_written_is_read(store: StageStore, shape: tuple[int, ...], dtype: str) -> None:
    array, values = filled(store, shape, dtype=dtype)
    assert array.missing() == []
    again = store.open("x")
    assert (again.shape, again.dtype, again.chunk) == (shape, np.dtype(dtype), 4)
    for start in range(shape[0] + 1):
        for stop in range(start, shape[0] + 1):
            np.testing.assert_array_equal(again.read(start, stop), values[start:stop])


def test_last_chunk_is_short(store: StageStore) -> None:
    array, values = filled(store)
    assert array.chunks == 3
    assert [array.span(i) for i in range(3)] == [(0, 4), (4, 8), (8, 10)]
    np.testing.assert_array_equal(array.read_chunk(2), values[8:])
    assert [start for start, _ in array.each()] == [0, 4, 8]


def test_zeros_are_there(store: StageStore) -> None:
    array = store.array("x", shape=(4, 2), dtype="u1", chunk=2)
    array.write(1, np.zeros((2, 2), "u1"))
    assert array.done(1)
    assert array.missing() == [0]


def test_zeros_are_there_when_a_run_goes_on(store: StageStore) -> None:
    for chunk in range(3):
        array = store.array("a", shape=(6, 2), dtype="u1", chunk=2)
        assert array.missing() == list(range(chunk, 3))
        array.write(chunk, np.zeros((2, 2), "u1"))
    assert array.missing() == []


def test_one_file_per_chunk(store: StageStore) -> None:
    array, _ = filled(store)
    assert sorted(entry.name for entry in array.path.iterdir()) == [
        "c.0.0.0",
        "c.1.0.0",
        "c.2.0.0",
        "zarr.json",
    ]


def test_same_geometry_keeps_other_starts_again(store: StageStore) -> None:
    filled(store)
    assert store.array("x", shape=(10, 3, 2), dtype="f4", chunk=4).missing() == []
    assert store.array("x", shape=(10, 3, 2), dtype="f4", chunk=5).missing() == [0, 1]
    assert store.array("x", shape=(10, 3, 2), dtype="f8", chunk=5).missing() == [0, 1]


def test_wrong_use_is_refused(store: StageStore) -> None:
    array, values = filled(store)
    with pytest.raises(ValueError, match="chunk 2 of"):
        array.write(2, values[:4])
    with pytest.raises(IndexError):
        array.write(3, values[:4])
    with pytest.raises(IndexError):
        array.read(5, 11)
    with pytest.raises(ValueError, match="not a name in a store"):
        store.array("../x", shape=(1,), dtype="u1", chunk=1)


def damage(path: Path, how: str) -> None:
    content = bytearray(path.read_bytes())
    if how == "flipped bit":
        content[len(content) // 2] ^= 4
    elif how == "truncated":
        del content[len(content) // 2 :]
    elif how == "empty":
        content.clear()
    elif how == "other content":
        content[:] = b"text"
    path.write_bytes(content)


@pytest.mark.parametrize("how", ["flipped bit", "truncated", "empty", "other content"])
def test_damage_is_noticed_and_located(store: StageStore, how: str) -> None:
    array, values = filled(store)
    damage(array.file(1), how)
    with pytest.raises(CorruptChunk) as caught:
        store.open("x").read(2, 9)
    error = caught.value
    assert (error.stage, error.array, error.chunk, error.path) == ("sync", "x", 1, array.file(1))
    np.testing.assert_array_equal(array.read(0, 4), values[:4])
    assert array.drop_damaged() == [1]
    assert array.missing() == [1]
    array.write(1, values[4:8])
    np.testing.assert_array_equal(array.read(0, 10), values)


def test_damaged_chunk_can_be_written_over(store: StageStore) -> None:
    array, values = filled(store)
    damage(array.file(2), "flipped bit")  # the short one: Zarr would read it before changing a part
    array.write(2, values[8:])
    np.testing.assert_array_equal(array.read(0, 10), values)


def test_absent_chunk_is_no_zeros(store: StageStore) -> None:
    array, _ = filled(store)
    array.file(0).unlink()
    with pytest.raises(CorruptChunk, match="missing") as caught:
        array.read(0, 10)
    assert caught.value.chunk == 0


@pytest.mark.parametrize("how", ["truncated", "empty", "other content"])
def test_damaged_metadata(store: StageStore, how: str) -> None:
    array, _ = filled(store)
    damage(array.path / "zarr.json", how)
    with pytest.raises(CorruptChunk) as caught:
        store.open("x")
    assert caught.value.chunk == -1
    assert store.array("x", shape=(10, 3, 2), dtype="f4", chunk=4).missing() == [0, 1, 2]


def test_absent_array(store: StageStore) -> None:
    with pytest.raises(CorruptChunk) as caught:
        store.open("y")
    assert (caught.value.array, caught.value.chunk) == ("y", -1)


def test_leftovers_of_a_killed_writer_go(store: StageStore) -> None:
    array, _ = filled(store)
    leftover = array.path / "c.0.0.abc.partial"
    leftover.write_bytes(b"half")
    assert store.array("x", shape=(10, 3, 2), dtype="f4", chunk=4).missing() == []
    assert not leftover.exists()


WRITER = """
import sys
import numpy as np
from pathlib import Path
from lipdub.workspace import StageStore
array = StageStore(Path(sys.argv[1]), "sync").array("x", shape=(4000, 50, 50), dtype="u1", chunk=4)
block = np.random.default_rng(0).integers(0, 255, (4, 50, 50), dtype=np.uint8)
print("ready", flush=True)
while True:
    for i in range(array.chunks):
        array.write(i, block)
"""


@pytest.mark.slow
def test_killed_writer_leaves_whole_chunks(tmp_path: Path) -> None:
    for _ in range(3):
        process = subprocess.Popen([sys.executable, "-c", WRITER, str(tmp_path / "sync")], stdout=subprocess.PIPE)
        assert process.stdout is not None
        process.stdout.readline()
        try:
            process.wait(0.25)
        except subprocess.TimeoutExpired:
            process.send_signal(signal.SIGKILL)
        process.wait()
        process.stdout.close()
        array = StageStore(tmp_path / "sync", "sync").open("x")
        written = [i for i in range(array.chunks) if array.done(i)]
        assert written
        for i in written:
            array.read_chunk(i)


def test_full_disk_is_told(store: StageStore, tmp_path: Path) -> None:
    array = store.array("x", shape=(4, 2), dtype="u1", chunk=2)
    for entry in array.path.iterdir():
        entry.unlink()
    array.path.rmdir()
    array.path.write_text("a file where the folder was")  # what any failing write does
    with pytest.raises(EnvironmentFailure):
        array.write(0, np.ones((2, 2), "u1"))


def test_array_holds_no_open_files(store: StageStore) -> None:
    if not OPEN_FILES.is_dir():
        pytest.skip("needs /proc")
    array, values = filled(store)
    before = len(list(OPEN_FILES.iterdir()))
    for _ in range(20):
        array.write(0, values[:4])
        array.read(0, 10)
    assert len(list(OPEN_FILES.iterdir())) <= before + 2
