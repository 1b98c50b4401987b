"""The list of published weights is whole and true to the networks here."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path

import pytest

from lipdub.errors import UsageError, WeightsError
from lipdub.weights import manifest
from tests.weights import small

ROOT = Path(__file__).resolve().parents[2]
ENTRIES = manifest.list_entries()


def test_every_entry_is_complete() -> None:
    assert len({entry.name for entry in ENTRIES}) == len({entry.file.lower() for entry in ENTRIES}) == len(ENTRIES)
    for entry in ENTRIES:
        assert entry.licence and entry.source.startswith("https://"), entry.name
        assert all(url.startswith("https://") for url in entry.urls), entry.name
        assert entry.sha256 is None or re.fullmatch("[0-9a-f]{64}", entry.sha256), entry.name
        assert entry.bytes is None or entry.bytes > 1_000_000, entry.name
        assert re.fullmatch(r"[\w.-]+", entry.file) and not entry.file.startswith("."), entry.name
        assert entry.urls or "by hand" in entry.note, entry.name
        assert entry.format in ("checkpoint", "torchscript", "matlab"), entry.name


def test_programs_are_read_only_where_their_digest_is_known() -> None:
    assert [entry.name for entry in ENTRIES if entry.format == "torchscript" and entry.sha256 is None] == []


def test_digests_of_file_names_agree() -> None:
    for entry in ENTRIES:
        tail = re.search(r"-([0-9a-f]{10})\.", entry.file)
        if tail:
            assert entry.sha256 is not None and entry.sha256.startswith(tail[1]), entry.name


@pytest.mark.parametrize(
    ("entry", "part"),
    [pytest.param(entry, part, id=f"{entry.name}-{part.name}") for entry in ENTRIES for part in entry.parts],
)
def test_networks_are_here(entry: manifest.ManifestEntry, part: manifest.NetworkPart) -> None:
    from lipdub.weights.checkpoint import infer_shapes

    if importlib.util.find_spec(part.network.partition(":")[0]) is None:
        pytest.skip("not written yet")
    assert len(infer_shapes(part)) > 20


def test_entries_by_name_and_by_file() -> None:
    assert manifest.find_entry("wav2lip") is manifest.find_entry("WAV2LIP.PTH")
    with pytest.raises(UsageError, match="Did you mean wav2lip"):
        manifest.find_entry("wav2lop")
    with pytest.raises(UsageError, match="lipdub weights list"):
        manifest.find_entry("qqqqqq")
    assert {"dnet", "lnet", "enet"} <= {entry.name for entry in manifest.find_entries_for("retalking")}
    with pytest.raises(UsageError, match="retalking"):
        manifest.find_entries_for("nothing")


def test_parts() -> None:
    assert manifest.find_entry("dnet").part().name == "state"
    assert manifest.find_entry("e4e").part("decoder").prefix == "decoder."
    with pytest.raises(UsageError, match="encoder, decoder"):
        manifest.find_entry("e4e").part()
    with pytest.raises(UsageError, match="none"):
        manifest.find_entry("expression").part()


@pytest.mark.parametrize(("commercial", "words"), [(False, "not for commercial"), (None, "not known to allow")])
def test_commercial_use(commercial: bool | None, words: str) -> None:
    item = small.entry(commercial=commercial, licence="for research")
    manifest.check_licence(item, commercial_safe=False)
    with pytest.raises(WeightsError, match=f"small are {words}.*for research"):
        manifest.check_licence(item, commercial_safe=True)
    manifest.check_licence(small.entry(commercial=True), commercial_safe=True)


@pytest.mark.parametrize("text", ["{", "[]", '{"files": [{"name": "x"}]}', '{"files": [{"other": 1}]}'])
def test_damaged_manifest(text: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "manifest.json"
    path.write_text(text)
    monkeypatch.setattr(manifest, "locate_shipped", lambda name: path)
    with pytest.raises(WeightsError, match="damaged") as caught:
        manifest.list_entries()
    assert isinstance(caught.value.__cause__, ValueError | KeyError | TypeError)  # what was wrong is not lost
