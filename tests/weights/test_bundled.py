"""Weights that come with lipdub are found and verified."""

from __future__ import annotations

from pathlib import Path

import pytest

from lipdub import weights
from lipdub.errors import WeightsError

FOLDER = Path(__file__).resolve().parents[2] / "weights"


def test_every_weight_has_a_card_and_a_digest_that_fits() -> None:
    names = [p.name for p in FOLDER.glob("*.safetensors")]
    assert names
    for name in names:
        assert weights.shipped(name) == FOLDER / name
        assert (FOLDER / name).with_suffix(".md").is_file()


def test_missing_changed_and_unlisted_weights_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "share" / "lipdub" / "weights"
    home.mkdir(parents=True)
    monkeypatch.setattr("sys.prefix", str(tmp_path))
    with pytest.raises(WeightsError, match="missing"):
        weights.shipped("other.safetensors")
    (home / "other.safetensors").write_bytes(b"abc")
    with pytest.raises(WeightsError, match="no digest"):
        weights.shipped("other.safetensors")
    (home / weights.DIGESTS).write_text(
        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  other.safetensors\n"
    )
    assert weights.shipped("other.safetensors") == home / "other.safetensors"
    (home / "other.safetensors").write_bytes(b"abd")
    with pytest.raises(WeightsError, match="not the ones"):
        weights.shipped("other.safetensors")
