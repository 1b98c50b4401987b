"""The store takes in what is right, refuses the rest, and remembers what it first saw."""

from __future__ import annotations

import errno
import json
import shutil
from typing import TYPE_CHECKING

import pytest
from filelock import FileLock

from lipdub.errors import EnvironmentFailure, WeightsError
from lipdub.progress import Event
from lipdub.weights import store as module
from lipdub.weights.store import PINS_FILE, VerifiedWeights, WeightsStore, default_folder
from tests.weights import small
from tests.weights.host import Host, hosting

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lipdub.weights.manifest import ManifestEntry


@pytest.fixture
def store(tmp_path: Path) -> WeightsStore:
    return WeightsStore(tmp_path / "deep" / "store")


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch) -> Iterator[Host]:
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr("lipdub.weights.download.time.sleep", lambda seconds: None)
    with hosting() as running:
        yield running


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return small.saved(tmp_path / "given.pth", small.state())


def published(file: Path, host: Host | None = None, **how: object) -> ManifestEntry:
    urls = () if host is None else (host.put("/small.pth", file.read_bytes()),)
    facts = {"bytes": file.stat().st_size, "sha256": small.digest(file), "urls": urls}
    return small.entry(**{**facts, **how})  # type: ignore[arg-type]


def files(store: WeightsStore) -> list[str]:
    return sorted(path.name for path in store.folder.iterdir() if not path.name.endswith(".lock"))


def test_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv(module.FOLDER_VARIABLE, raising=False)
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    monkeypatch.setattr(module.sys, "platform", "linux")
    assert default_folder() == tmp_path / "lipdub" / "weights"
    monkeypatch.setenv(module.FOLDER_VARIABLE, str(tmp_path / "mine"))
    assert WeightsStore().folder == tmp_path / "mine"
    monkeypatch.setattr(module.sys, "platform", "darwin")
    monkeypatch.delenv(module.FOLDER_VARIABLE)
    assert default_folder().parts[-4:] == ("Library", "Application Support", "lipdub", "weights")


def test_pull_once(store: WeightsStore, host: Host, file: Path) -> None:
    entry, told = published(file, host), list[Event]()
    kept = store.pull(entry, told.append)
    assert kept == VerifiedWeights(entry, store.folder / "small.pth", small.digest(file)) and kept.trust_note == ""
    assert files(store) == ["small.pth"] and {event.kind for event in told} == {"progress", "done"}
    store.pull(entry)
    assert len(host.asked) == 1


def test_pull_replaces_a_damaged_file(store: WeightsStore, host: Host, file: Path) -> None:
    entry = published(file, host)
    store.pull(entry)
    store.place(entry).write_bytes(b"damaged")
    with pytest.raises(WeightsError):
        store.verify(entry)
    store.pull(entry)
    assert store.verify(entry).sha256 == small.digest(file)


def test_nothing_wrong_gets_the_final_name(store: WeightsStore, host: Host, file: Path) -> None:
    entry = published(file, host, bytes=None, sha256="0" * 64)
    with pytest.raises(WeightsError, match=r"small.pth is not the small.pth that was published"):
        store.pull(entry)
    assert files(store) == []


def test_web_page_with_no_digest_to_tell(store: WeightsStore, host: Host) -> None:
    entry = small.entry(urls=(host.put("/net", b"<!doctype html><html>"),))
    with pytest.raises(WeightsError, match=r"small.pth is a web page"):
        store.pull(entry)
    assert files(store) == []


def test_file_of_another_kind_with_no_digest_to_tell(store: WeightsStore, host: Host, file: Path) -> None:
    entry = small.entry(format="matlab", urls=(host.put("/net", file.read_bytes()),))
    with pytest.raises(WeightsError, match="another kind"):
        store.pull(entry)
    assert files(store) == []


def test_broken_off_and_gone_on(store: WeightsStore, host: Host, file: Path) -> None:
    entry = published(file, host)
    host.files["/small.pth"].cuts = [100, 0, 0]
    with pytest.raises(EnvironmentFailure, match="broke after 100"):
        store.pull(entry)
    assert files(store) == ["small.pth.part", "small.pth.part.json"] and not store.has(entry)
    store.pull(entry)
    assert host.asked[-1] == ("/small.pth", "bytes=100-") and files(store) == ["small.pth"]


def test_broken_off_and_then_brought(store: WeightsStore, host: Host, file: Path) -> None:
    entry = published(file, host)
    host.files["/small.pth"].cuts = [100, 0, 0]
    with pytest.raises(EnvironmentFailure):
        store.pull(entry)
    store.add(entry, file)
    assert files(store) == ["small.pth"]


def test_pinned_at_first_use(store: WeightsStore, host: Host, file: Path, tmp_path: Path) -> None:
    entry = small.entry(urls=(host.put("/small.pth", file.read_bytes()),))
    kept = store.pull(entry)
    assert kept.pinned and kept.new and small.digest(file) in kept.trust_note
    pin = json.loads((store.folder / PINS_FILE).read_text())["small.pth"]
    assert pin["sha256"] == small.digest(file) and pin["from"] == entry.urls[0] and pin["since"]
    again = store.verify(entry)
    assert again.pinned and not again.new and "first seen on" in again.trust_note

    other = small.saved(tmp_path / "other.pth", small.state(seed=1))
    with pytest.raises(WeightsError, match=r"first seen here.*lipdub weights remove small"):
        store.add(entry, other)
    shutil.copy(other, store.place(entry))
    with pytest.raises(WeightsError, match="first seen here"):
        store.verify(entry)
    store.remove(entry)
    assert store.add(entry, other).new


def test_a_file_put_there_by_hand_is_pinned(store: WeightsStore, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entry, told = small.entry(), list[str]()
    small.publish(monkeypatch, file.parent, entry)
    store.folder.mkdir(parents=True)
    shutil.copy(file, store.place(entry))
    assert store.path("small", told.append) == store.place(entry)
    assert len(told) == 1 and "no published digest" in told[0]
    store.path("small", told.append)
    assert len(told) == 1


def test_a_store_one_may_not_write_to_serves_what_it_knows(store: WeightsStore, file: Path) -> None:
    entry = small.entry()
    store.add(entry, file)
    (store.folder / f".{PINS_FILE}.lock").unlink(missing_ok=True)
    (store.folder / f".{PINS_FILE}.lock").mkdir()  # no lock can be taken
    assert store.verify(entry).pinned


def test_missing(store: WeightsStore) -> None:
    with pytest.raises(WeightsError, match=r"not in the store.*by hand.*https://example.org.*lipdub weights add"):
        store.verify(small.entry())
    with pytest.raises(WeightsError, match="Fetch them: lipdub weights pull small"):
        store.verify(small.entry(urls=("https://example.org/small.pth",)))
    with pytest.raises(WeightsError, match="by hand"):
        store.pull(small.entry())


def test_add(store: WeightsStore, file: Path) -> None:
    entry = published(file)
    assert store.add(entry, file).path.read_bytes() == file.read_bytes() and file.exists()
    assert store.has(entry) and files(store) == ["small.pth"]
    assert store.add(entry, store.place(entry)).sha256 == small.digest(file)  # it is there already
    wrong = small.saved(file.with_name("wrong.pth"), small.state(seed=1))
    with pytest.raises(WeightsError, match=r"wrong.pth is not the small.pth that was published"):
        store.add(entry, wrong)
    assert store.verify(entry)


def test_disk_full_while_copying(store: WeightsStore, file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(source: Path, target: Path) -> None:
        target.write_bytes(b"a part of it")
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module.shutil, "copyfile", full)
    with pytest.raises(EnvironmentFailure, match="no space left"):
        store.add(published(file), file)
    assert files(store) == []


def test_remove(store: WeightsStore, file: Path) -> None:
    entry = small.entry()
    store.add(entry, file)
    (store.folder / "small.pth.part").write_bytes(b"1234")
    (store.folder / "small.pth.part.json").write_bytes(b"{}")
    assert store.remove(entry) == file.stat().st_size + 6
    assert files(store) == [PINS_FILE] and json.loads((store.folder / PINS_FILE).read_text()) == {}
    assert store.remove(entry) == 0


def test_another_process_at_work(store: WeightsStore, file: Path) -> None:
    store.folder.mkdir(parents=True)
    refused = pytest.raises(EnvironmentFailure, match=r"another process is at work on small\.pth")
    with FileLock(store.folder / ".small.pth.lock"), refused:
        store.add(small.entry(), file)


def test_damaged_pins(store: WeightsStore, file: Path) -> None:
    store.add(small.entry(), file)
    (store.folder / PINS_FILE).write_text('{"small.pth": 3}')
    with pytest.raises(WeightsError, match=r"noted digests .* are damaged"):
        store.verify(small.entry())


def test_folder_that_cannot_be_made(tmp_path: Path, file: Path) -> None:
    (tmp_path / "taken").write_text("a file")
    with pytest.raises(EnvironmentFailure, match="taken"):
        WeightsStore(tmp_path / "taken" / "store").add(small.entry(), file)
