"""Fixtures that several packages' tests share."""

from __future__ import annotations

import gc
import os
import pickle
import sys
from typing import TYPE_CHECKING, Any

import pytest
from filelock import FileLock

from lipdub.weights.store import FOLDER_VARIABLE

# Threads of a job that wait must not spin: other tests run beside them. Read when PyTorch is imported.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    import lipdub


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark as slow what needs ``slow_fixtures``, and all but some cases of a test with ``quick_cases``.

    The cases that stay quick are spread evenly.
    """
    for item in items:
        mark = item.get_closest_marker("slow_fixtures")
        if mark is not None and set(mark.args) & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.slow)
    cases: dict[tuple[Path, str, int], list[pytest.Item]] = {}
    for item in items:
        mark = item.get_closest_marker("quick_cases")
        if mark is not None and item.get_closest_marker("slow") is None:
            cases.setdefault((item.path, item.name.partition("[")[0], *mark.args), []).append(item)
    for (_, _, count), alike in cases.items():
        for number, item in enumerate(alike):
            if number and number * count // len(alike) == (number - 1) * count // len(alike):
                item.add_marker(pytest.mark.slow)


def pytest_runtest_setup() -> None:
    """Give each test as many threads as the run was started with: dubs and trainings leave PyTorch with theirs."""
    torch, threads = sys.modules.get("torch"), os.environ.get("OMP_NUM_THREADS")
    if torch is not None and threads:
        torch.set_num_threads(int(threads))
    if len(sys.modules) > _spared["modules"] + 400:
        spare_collector()


_spared = {"modules": 1_000_000}  # that were imported when the collector was last spared; until the collection: any


def spare_collector() -> None:
    """Spare the garbage collector what was made so far: modules and tests stay until the end."""
    gc.collect()
    gc.freeze()
    _spared["modules"] = len(sys.modules)


def pytest_collection_finish() -> None:
    spare_collector()


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], Any]) -> Any:
    """Return what one of the processes that share the tests makes in a folder, and the others wait for."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    made = folder.with_suffix(".pickle")
    with FileLock(folder.with_suffix(".lock")):
        if not made.exists():
            folder.mkdir()
            made.write_bytes(pickle.dumps(make(folder)))
        return pickle.loads(made.read_bytes())


@pytest.fixture(scope="session")
def sample_dub(tmp_path_factory: pytest.TempPathFactory) -> lipdub.Result:
    """The whole sample, dubbed once by the recipe ``builtin``, lossless. Copy its workspace before changing it."""
    from tests.goldens.dubs import dub_builtin

    return make_once(tmp_path_factory, "sample-dub", dub_builtin)


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
