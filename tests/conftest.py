"""Fixtures that several packages' tests share."""

from __future__ import annotations

import gc
import os
from typing import TYPE_CHECKING

import pytest

from lipdub.weights.store import FOLDER_VARIABLE

# Threads of a job that wait must not spin: other tests run beside them. Read when PyTorch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

if TYPE_CHECKING:
    from pathlib import Path

    import lipdub


def pytest_collection_finish() -> None:
    """Spare the garbage collector what the collection of the tests made: it stays until the end."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session")
def sample_dub(tmp_path_factory: pytest.TempPathFactory) -> lipdub.Result:
    """The whole sample, dubbed once by the recipe ``builtin``, lossless. Copy its workspace before changing it."""
    from tests.goldens.dubs import dub_builtin

    return dub_builtin(tmp_path_factory.mktemp("sample-dub"))


@pytest.fixture(scope="session")
def short_talker(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first 30 frames of the sample, 1.2 s, without its sound."""
    from tests.sample.short import write_short

    return write_short(tmp_path_factory.mktemp("short-talker") / "short.nut", 30)


@pytest.fixture
def weights_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an empty weights store, which is the one that is used during the test."""
    folder = tmp_path / "store"
    monkeypatch.setenv(FOLDER_VARIABLE, str(folder))
    return folder
