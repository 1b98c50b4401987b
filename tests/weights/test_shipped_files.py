"""Weights that come with lipdub are found and verified."""

from __future__ import annotations

from pathlib import Path

import pytest

from lipdub import weights
from lipdub.errors import WeightsError
from lipdub.weights import shipped_files

FOLDER = Path(__file__).resolve().parents[2] / "weights"


def test_every_weight_has_a_card_and_a_digest_that_fits() -> None:
    names = [p.name for p in FOLDER.glob("*.safetensors")]
    assert names
    for name in names:
        assert weights.verify_shipped(name) == FOLDER / name
        assert (FOLDER / name).with_suffix(".md").is_file()


def test_missing_changed_and_unlisted_weights_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    home = tmp_path / "share" / "lipdub" / "weights"
    home.mkdir(parents=True)
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(WeightsError, match="missing"):
        weights.verify_shipped("other.safetensors")
    (home / "other.safetensors").write_bytes(b"abc")
    with pytest.raises(WeightsError, match="no digest"):
        weights.verify_shipped("other.safetensors")
    (home / weights.DIGESTS_FILE).write_text(
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  other.safetensors\n"
    )
    assert weights.verify_shipped("other.safetensors") == home / "other.safetensors"
    (home / "other.safetensors").write_bytes(b"abd")
    with pytest.raises(WeightsError, match="not the ones"):
        weights.verify_shipped("other.safetensors")


def test_a_file_that_stays_is_read_once_and_a_changed_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"one")
    reads: list[Path] = []
    read = shipped_files._read
    monkeypatch.setattr(shipped_files, "_read", lambda path: reads.append(path) or read(path))
    first = shipped_files.sha256(path)
    path.write_bytes(b"two")  # as fast as a machine can: no clock of a file system is to be trusted here
    assert shipped_files.sha256(path) != first and len(reads) == 2
    monkeypatch.setattr(shipped_files, "_SETTLED", -1.0)
    settled = shipped_files.sha256(path)
    assert shipped_files.sha256(path) == settled and len(reads) == 3
    path.write_bytes(b"three")
    assert shipped_files.sha256(path) not in (first, settled) and len(reads) == 4
