"""A clip's file: read back by pieces, equal for equal arrays, and never trusted."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.speech import mel
from lipdub.training import shards

if TYPE_CHECKING:
    from pathlib import Path


def arrays(n: int = 7, side: int = 20, seed: int = 0) -> dict[str, np.ndarray]:
    rng = np.random.default_rng(seed)
    return {
        "crops": rng.integers(0, 256, (n, side, side, 3), np.uint8),
        "landmarks": rng.normal(size=(n, 478, 3)).astype(np.float32),
        "masks": shards.pack_masks(rng.integers(0, 2, (n, side, side), np.uint8)),
        "audio": rng.integers(-30000, 30000, n * shards.SAMPLES_PER_FRAME).astype(np.int16),
        "mel": rng.normal(size=(mel.count_columns(n * shards.SAMPLES_PER_FRAME), mel.BANDS)).astype(np.float32),
        "placements": rng.normal(size=(n, 4)),
        "frames": np.arange(n, dtype=np.int32),
    }


def test_pieces_are_read_back(tmp_path: Path) -> None:
    path, given = tmp_path / "a" / "clip.safetensors", arrays()
    size, digest = shards.write_shard(path, given)
    assert path.stat().st_size == size
    shards.verify_shard(path, size, digest)
    at = shards.read_layout(path)
    assert (at.frames, at.side) == (7, 20)
    for name, whole in given.items():
        np.testing.assert_array_equal(shards.read_rows(path, at, name, 2, 5), whole[2:5])
    with pytest.raises(IndexError):
        shards.read_rows(path, at, "crops", 5, 8)
    from safetensors.numpy import load_file

    for name, whole in load_file(path).items():  # any reader of safetensors reads it
        np.testing.assert_array_equal(whole, given[name])


def test_equal_arrays_give_equal_bytes(tmp_path: Path) -> None:
    first = shards.write_shard(tmp_path / "a.safetensors", arrays())
    again = shards.write_shard(tmp_path / "b.safetensors", dict(reversed(arrays().items())))
    assert first == again
    assert (tmp_path / "a.safetensors").read_bytes() == (tmp_path / "b.safetensors").read_bytes()
    assert shards.write_shard(tmp_path / "c.safetensors", arrays(seed=1))[1] != first[1]


def test_masks_are_packed_without_loss() -> None:
    masks = np.random.default_rng(0).integers(0, 2, (3, 21, 21), np.uint8)
    bits = shards.pack_masks(masks)
    assert bits.shape == (3, 21, 3)
    np.testing.assert_array_equal(shards.unpack_masks(bits, 21), masks)


def test_wrong_arrays_are_not_written(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="a shard holds"):
        shards.write_shard(tmp_path / "a", {**arrays(), "audio": np.zeros(3, np.float32)})
    assert not list(tmp_path.iterdir())


def test_no_damage_goes_unnoticed(tmp_path: Path) -> None:
    path = tmp_path / "clip.safetensors"
    size, digest = shards.write_shard(path, arrays())
    whole = path.read_bytes()
    rng = np.random.default_rng(3)
    for place in rng.integers(0, size, 60):
        broken = bytearray(whole)
        broken[place] ^= 1 << int(rng.integers(8))
        path.write_bytes(broken)
        with pytest.raises(shards.BadShardError, match=r"clip\.safetensors"):
            shards.verify_shard(path, size, digest)
    path.write_bytes(whole[: size // 2])
    with pytest.raises(shards.BadShardError, match="bytes instead of"):
        shards.verify_shard(path, size, digest)


def test_headers_are_not_trusted(tmp_path: Path) -> None:
    path = tmp_path / "clip.safetensors"
    size, _ = shards.write_shard(path, arrays())
    whole = path.read_bytes()
    at = shards.read_layout(path)
    rng = np.random.default_rng(4)
    for _ in range(300):  # a damaged header is either named or gives rows of the right shape, and nothing else happens
        broken = bytearray(whole)
        broken[int(rng.integers(1500))] = int(rng.integers(256))
        path.write_bytes(broken)
        with suppress(shards.BadShardError, IndexError):
            shards.read_rows(path, shards.read_layout(path), "crops", 0, 1)
    for content in (b"", b"\0", b"\xff" * 100, whole[:500]):
        path.write_bytes(content)
        with pytest.raises(shards.BadShardError):
            shards.read_layout(path)
    path.write_bytes(whole[: size - 40])
    with pytest.raises(shards.BadShardError, match="cut short"):
        shards.read_rows(path, at, max(at.arrays, key=lambda name: at.arrays[name][2]), 0, 7)
    path.unlink()
    with pytest.raises(shards.BadShardError, match="missing"):
        shards.read_layout(path)
