from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

from lipdub.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["lipdub", "render-talkers", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    return int(end.value.code or 0)


def test_a_missing_package_is_an_error_of_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Ann.glb").write_bytes(b"glTF")
    monkeypatch.setitem(sys.modules, "moderngl", None)
    assert _run(monkeypatch, str(tmp_path), "-o", str(tmp_path / "data")) == 5
    assert "pip install 'lipdub[render]'" in capfd.readouterr().err
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (["none"], 3, "there is no folder none"),
        (["."], 3, "holds no heads"),
        ([".", "--pairs", "loud"], 2, "'loud' is none of speech, shut, camera, emotion, hidden"),
        ([".", "--scenes", "0"], 2, "--scenes"),
    ],
)
def test_wrong_requests(
    arguments: list[str],
    code: int,
    words: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    assert _run(monkeypatch, *arguments, "-o", "data") == code
    assert words in " ".join(capfd.readouterr().err.replace("│", " ").split())
