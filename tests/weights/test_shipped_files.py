"""Weights that come with lipdub are found in a package and in a checkout, and verified."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from lipdub import weights
from lipdub.errors import WeightsError
from lipdub.weights import shipped_files

FOLDER = Path(__file__).resolve().parents[2] / "weights"


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty installed package."""
    home = tmp_path / "site-packages" / "lipdub"
    home.mkdir(parents=True)
    monkeypatch.setattr(shipped_files.resources, "files", lambda name: home)
    return home


def put(folder: Path, content: bytes, *, digest: str | None = None) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "x.safetensors").write_bytes(content)
    digest = digest or hashlib.sha256(content).hexdigest()
    (folder / weights.DIGESTS_FILE).write_text(f"{digest}  x.safetensors\n")
    return folder / "x.safetensors"


def test_every_weight_has_a_card_and_a_digest_that_fits() -> None:
    names = [p.name for p in FOLDER.glob("*.safetensors")]
    assert names
    for name in names:
        assert weights.verify_shipped(name) == FOLDER / name
        assert (FOLDER / name).with_suffix(".md").is_file()


def test_an_installed_package_holds_them_itself(package: Path) -> None:
    checkout = put(package.parent / "weights", b"abc")
    assert weights.verify_shipped("x.safetensors") == checkout
    installed = put(package / "weights_data", b"def")
    assert weights.verify_shipped("x.safetensors") == installed


def test_a_missing_file_is_refused(package: Path) -> None:
    with pytest.raises(WeightsError, match=r"x\.safetensors .* are missing"):
        weights.verify_shipped("x.safetensors")


def test_a_file_without_a_digest_is_refused(package: Path) -> None:
    path = put(package / "weights_data", b"abc")
    path.with_name(weights.DIGESTS_FILE).write_text("")
    with pytest.raises(WeightsError, match="holds no digest"):
        weights.verify_shipped("x.safetensors")
    path.with_name(weights.DIGESTS_FILE).unlink()
    with pytest.raises(WeightsError, match="cannot be read"):
        weights.verify_shipped("x.safetensors")


def test_a_changed_file_is_refused(package: Path) -> None:
    put(package / "weights_data", b"abc", digest="0" * 64)
    with pytest.raises(WeightsError, match="not the ones that come with lipdub"):
        weights.verify_shipped("x.safetensors")


def test_a_file_that_stays_is_read_once_and_a_changed_one_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "weights.bin"
    path.write_bytes(b"one")
    reads: list[Path] = []
    real = shipped_files._hash

    def spy(path: Path) -> str:
        reads.append(path)
        return real(path)

    monkeypatch.setattr(shipped_files, "_hash", spy)
    first = shipped_files.sha256(path)
    path.write_bytes(b"two")  # at once: no clock of a file system can be trusted here
    assert shipped_files.sha256(path) != first
    assert len(reads) == 2
    monkeypatch.setattr(shipped_files, "_STABLE_SECONDS", -1.0)
    stable = shipped_files.sha256(path)
    assert shipped_files.sha256(path) == stable
    assert len(reads) == 3
    path.write_bytes(b"three")
    assert shipped_files.sha256(path) not in (first, stable)
    assert len(reads) == 4
