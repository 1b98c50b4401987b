"""`lipdub train`: what it refuses."""

from __future__ import annotations

import signal
import sys

import pytest

pytest.importorskip("torch")
pytest.importorskip("accelerate")

from typing import TYPE_CHECKING

from lipdub.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def test_an_unknown_loss_is_named(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    handler = signal.getsignal(signal.SIGTERM)
    arguments = ["train", "sync-scorer", "--data", str(tmp_path), "-o", str(tmp_path / "a"), "--set", "loss=l2"]
    monkeypatch.setattr(sys, "argv", ["lipdub", *arguments])
    try:
        with pytest.raises(SystemExit) as ended:
            main()
    finally:
        signal.signal(signal.SIGTERM, handler)
    said = capfd.readouterr().err
    assert ended.value.code == 2 and "l2" in said and "infonce" in said and "bce" in said
    assert not list(tmp_path.iterdir())
