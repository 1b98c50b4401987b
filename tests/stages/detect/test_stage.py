"""The detect stage with RetinaFace on the drawn sample: the same tables, resumed alike, weights from the store only."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lipdub
from lipdub.errors import UsageError, WeightsError
from lipdub.stages.detect import store
from lipdub.stages.detect.options import DetectOptions
from lipdub.weights import manifest
from lipdub.workspace.stage_store import StageStore
from tests.networks.parity import filled
from tests.sample import SPEECH, TALKER
from tests.sample.short import write_short
from tests.stages.detect.stand_in import publish, publish_stand_in
from tests.weights import small

if TYPE_CHECKING:
    from pathlib import Path

torch = pytest.importorskip("torch")

FRAMES = 36


@pytest.fixture(autouse=True)
def _own_manifest(monkeypatch: pytest.MonkeyPatch) -> Any:
    small.offline(monkeypatch)
    yield
    manifest._read.cache_clear()


def arrays(folder: Path) -> dict[str, np.ndarray]:
    store = StageStore(folder / "detect", "detect")
    return {name: store.open(name).read(0, len(store.open(name))) for name in ("landmarks", "change", "tracks", "pose")}


@pytest.mark.slow
def test_the_same_tables_as_of_mediapipe(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store, "CHUNK_FRAMES", 16)
    publish_stand_in(monkeypatch, tmp_path, "retinaface")
    video = write_short(tmp_path / "short.nut", FRAMES)
    plain = lipdub.detect(video, workspace=tmp_path / "plain", threads=1)
    done = lipdub.detect(video, workspace=tmp_path / "job", threads=1, method="retinaface")
    assert done.summary["method"] == "retinaface" and plain.summary["method"] == "mediapipe"
    assert any("retinaface.pth are not the published ones" in note for note in done.summary["notes"])
    assert [(t["id"], t["first"], t["last"]) for t in done.summary["tracks"]] == [(1, 0, FRAMES - 1)]
    assert done.summary["shots"] == plain.summary["shots"]
    one, other = arrays(tmp_path / "plain"), arrays(tmp_path / "job")
    assert all(one[name].shape == other[name].shape and one[name].dtype == other[name].dtype for name in one)
    assert np.array_equal(one["change"], other["change"]) and np.array_equal(one["tracks"], other["tracks"])
    off = np.linalg.norm(one["landmarks"][:, 0, :468, :2] - other["landmarks"][:, 0, :468, :2], axis=2).mean(1)
    assert np.median(off) < 0.02 * done.summary["tracks"][0]["face_px"]
    assert np.nanmax(np.abs(one["pose"] - other["pose"])[:, 0]) < 8

    # what was lost is found again alike, and the other method has another key
    copy = tmp_path / "copy"
    shutil.copytree(tmp_path / "job", copy)
    for name, chunk in (("landmarks", 1), ("change", 0)):
        StageStore(copy / "detect", "detect").open(name).file(chunk).unlink()
    (copy / "workspace.json").write_text((copy / "workspace.json").read_text().replace('"done"', '"running"'))
    again = lipdub.detect(video, workspace=copy, threads=1, method="retinaface")
    assert again.action == "resume"
    files = [{p.relative_to(f): p.read_bytes() for p in sorted(f.rglob("c.*"))} for f in (tmp_path / "job", copy)]
    assert files[0] == files[1] and len(files[0]) >= 6
    assert lipdub.detect(video, workspace=copy, threads=1).action == "run"
    dubbed = lipdub.dub(
        video,
        SPEECH,
        tmp_path / "out.mp4",
        workspace=tmp_path / "job",
        threads=1,
        detector="retinaface",
        end=0.5,
        length="shortest",
        preset="ultrafast",
    )
    assert dubbed.stages[0].action == "reuse" and dubbed.stages[2].summary["dubbed"] >= 10
    assert any("retinaface.pth are not the published ones" in note for note in dubbed.notes)


@pytest.mark.slow
def test_the_packages_network_with_untrained_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Filled by rule, with heads that see a face around every anchor of 128 pixels: only the one that is there is left,
    and twice is the same."""
    from lipdub.faces.detectors import retinaface as finder
    from lipdub.networks.retinaface import retinaface

    monkeypatch.setattr(finder, "MAX_SEARCH_SIDE", 160)
    monkeypatch.setattr(store, "CHUNK_FRAMES", 8)
    video = write_short(tmp_path / "short.nut", 9)
    state = filled(retinaface().state_dict(), {"overrides": [{"match": r"^body\.conv1\.weight$", "scale": 0.001}]})
    heads = {name: torch.zeros_like(state[name]) for name in state if "Head" in name}
    heads["ClassHead.1.conv1x1.bias"][3] = 5.0
    publish(monkeypatch, tmp_path, "retinaface", "lipdub.networks.retinaface:retinaface", {**state, **heads})
    done = [
        lipdub.detect(video, workspace=tmp_path / name, threads=1, method="retinaface", max_faces=9)
        for name in ("one", "two")
    ]
    one, two = arrays(tmp_path / "one"), arrays(tmp_path / "two")
    assert all(np.array_equal(one[name], two[name], equal_nan=True) for name in one)
    assert [len(run.summary["tracks"]) for run in done] == [1, 1]
    assert done[0].summary["tracks"][0]["frames"] > 7


def test_missing_weights_end_it_before_it_begins(tmp_path: Path, weights_folder: Path) -> None:
    with pytest.raises(WeightsError, match=r"detection_Resnet50_Final\.pth are not in the store") as error:
        lipdub.dub(TALKER, SPEECH, tmp_path / "out.mp4", detector="retinaface")
    assert "lipdub weights pull retinaface" in str(error.value)
    with pytest.raises(WeightsError):
        lipdub.detect(TALKER, workspace=tmp_path / "job", method="retinaface")
    assert not (tmp_path / "out.mp4").exists() and not list(tmp_path.rglob("landmarks"))
    with pytest.raises(UsageError, match="It takes mediapipe, retinaface"):
        DetectOptions(method="s3fd")
