"""Fixtures that several packages' tests share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from lipdub.weights.store import FOLDER_VARIABLE

if TYPE_CHECKING:
    from pathlib import Path

    import lipdub


@pytest.fixture(scope="session")
def sample_dub(tmp_path_factory: pytest.TempPathFactory) -> lipdub.Result:
    """The whole sample, dubbed once by the recipe ``builtin``, lossless. Copy its workspace before changing it."""
    from tests.goldens.dubs import dub_builtin

    return dub_builtin(tmp_path_factory.mktemp("sample-dub"))


@pytest.fixture
def weights_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an empty weights store, which is the one that is used during the test."""
    folder = tmp_path / "store"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder
