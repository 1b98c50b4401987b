"""The enhance stage on the drawn sample, with small networks in the place of the published ones."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lipdub
from lipdub.errors import UsageError, WeightsError
from lipdub.media.read import read_frames
from lipdub.pipeline import run_job
from lipdub.stages import dubbing, enhance_faces, paste_back
from lipdub.stages.enhance import METHODS, EnhanceOptions
from lipdub.weights import manifest
from lipdub.weights.store import Kept
from lipdub.workspace.store import Store

torch = pytest.importorskip("torch")

SAMPLE = Path(__file__).resolve().parent.parent / "sample"
END = 0.4  # seconds that are dubbed
RESULT = {"lossless": True, "preset": "ultrafast"}


class Shown(torch.nn.Module):
    """Gives back the faces it is shown, or faces of one level."""

    def __init__(self, level: float | None = None) -> None:
        super().__init__()
        self.level = level
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, faces: Any) -> Any:
        assert faces.shape[1:] == (3, 512, 512) and faces.is_contiguous()
        assert -1 <= float(faces.min()) < -0.5 and 0.5 < float(faces.max()) <= 1
        return faces if self.level is None else torch.full_like(faces, self.level)


@pytest.fixture(scope="module")
def plain(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A dub of the sample's beginning, not enhanced."""
    folder = tmp_path_factory.mktemp("plain")
    speech, options = SAMPLE / "speech.wav", {"end": END, "length": "shortest", **RESULT}
    return lipdub.dub(SAMPLE / "talker.mp4", speech, folder / "out.mkv", **options)


@pytest.fixture
def enhance(plain: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Store]:
    """Enhances in a copy of that dub's workspace; further calls go on in the same copy."""
    file = tmp_path / "own.pth"
    file.write_bytes(b"weights")
    kept = Kept(manifest.entry("gpen-512"), file, "0" * 64, pinned=True, since="today", own=True)
    monkeypatch.setattr(enhance_faces, "_kept", lambda method: kept)
    folder = tmp_path / "workspace"
    shutil.copytree(plain.workspace, folder)

    def call(network: Any, **options: Any) -> Store:
        monkeypatch.setattr(dubbing, "load", lambda ctx, kept: network)
        lipdub.run_stage("enhance", job(folder, tmp_path / "out.mkv", **options))
        return Store(folder / "enhance", "enhance")

    return call


def job(folder: Path, out: Path, **options: Any) -> lipdub.Job:
    return lipdub.Job(
        SAMPLE / "talker.mp4", SAMPLE / "speech.wav", out=out, workspace=folder,
        options={
            "sync": {"end": END, "length": "shortest"},
            "enhance": {"method": "gpen", **options},
            "paste-back": RESULT,
        },
    )  # fmt: skip


def arrays(store: Store) -> tuple[np.ndarray, np.ndarray]:
    crops, boxes = store.open("crops"), store.open("boxes")
    return crops.read(0, len(crops)), boxes.read(0, len(boxes))


def sync_of(plain: Any) -> Store:
    return Store(plain.workspace / "sync", "sync")


@pytest.mark.parametrize("region", ["mouth", "face"])
def test_a_network_that_changes_nothing(plain: Any, enhance: Callable[..., Store], region: str) -> None:
    before, places = arrays(sync_of(plain))
    after, boxes = arrays(enhance(Shown(), region=region))
    assert np.array_equal(places, boxes) and np.array_equal(before[..., 3], after[..., 3])
    dubbed = boxes[:, 2] > boxes[:, 0]
    assert 8 <= dubbed.sum() < len(boxes) and np.array_equal(before[~dubbed], after[~dubbed])
    off = np.abs(before.astype(int) - after)[dubbed]
    # resampled twice, which lines of a drawing do not stand as well as skin
    assert off.any() and off.mean() < 0.5 and np.percentile(off, 99.5) < 16


def test_only_the_mouth_is_restored_and_softly(plain: Any, enhance: Callable[..., Store]) -> None:
    before, boxes = arrays(sync_of(plain))
    after, _ = arrays(enhance(Shown(1.0)))
    k = int(sync_of(plain).open("amount").read(0, len(boxes)).argmax())
    changed = (before[k] != after[k]).any(-1)
    meshes = enhance_faces._Meshes(_views(plain))
    mask = enhance_faces.mouth_mask(meshes.of(1, k) - boxes[k, :2], *changed.shape)
    lips = mask > 0.999
    assert lips.sum() > 500 and (after[k][lips & (before[k, ..., 3] == 255)][:, :3] == 255).mean() > 0.99
    assert not changed[mask == 0].any() and not changed[before[k, ..., 3] == 0].any()
    soft = (mask > 0.2) & (mask < 0.8) & (before[k, ..., 3] == 255)
    old, new = before[k][soft][:, :3].astype(float), after[k][soft][:, :3]
    assert len(old) > 100 and np.abs(old + mask[soft][:, None] * (255 - old) - new).max() <= 0.51


def _views(plain: Any) -> Any:
    from lipdub.faces.view import TrackView

    detect = Store(plain.workspace / "detect", "detect")
    owner = detect.open("tracks")
    return {1: TrackView(detect.open("landmarks"), owner.read(0, len(owner)), 1, 0, len(owner) - 1, 0.04)}


def test_without_strength_the_crops_are_those_of_sync(plain: Any, enhance: Callable[..., Store]) -> None:
    found = arrays(enhance(Shown(-1.0), strength=0.0))
    assert all(np.array_equal(a, b) for a, b in zip(found, arrays(sync_of(plain)), strict=True))


def test_what_was_lost_is_made_again_alike(enhance: Callable[..., Store]) -> None:
    store = enhance(Shown(0.2), region="face", strength=0.5)
    wanted = {path: path.read_bytes() for path in sorted(store.path.rglob("c.*"))}
    for name in ("boxes", "crops"):
        next(path for path in wanted if path.parent.name == name).unlink()
    record = store.path.parent / "workspace.json"
    record.write_text(record.read_text().replace('"done"', '"running"'))
    enhance(Shown(0.2), region="face", strength=0.5)
    assert {path: path.read_bytes() for path in sorted(store.path.rglob("c.*"))} == wanted


def test_the_result_shows_what_was_restored(
    plain: Any, enhance: Callable[..., Store], tmp_path: Path
) -> None:
    enhance(Shown(-1.0))
    done = run_job(job(tmp_path / "workspace", tmp_path / "out.mkv"))
    assert [stage.action for stage in done.stages] == ["reuse"] * 4 + ["run"]
    assert done.stages[3].summary["crops"] == "enhance"
    assert any("file of your own" in note for note in done.notes)
    k, made = 3, Store(done.workspace / "enhance", "enhance")
    box, weight = paste_back.support(made, k, paste_back.PasteOptions())
    frames = [list(read_frames(path, 0, k + 1))[k].picture for path in (plain.out, done.out)]
    bright, dark = (frame.rgb(box).astype(int) for frame in frames)
    assert (bright - dark)[weight == 1].max() > 100 and not (bright != dark)[weight == 0].any()
    rows = {row["metric"]: row for row in lipdub.score(done.out, workspace=done.workspace)["rows"]}
    assert rows["samples changed outside the mask"]["value"] == 0


@pytest.mark.parametrize("step", [0.4, 1.2, 3.7])
def test_pictures_seen_at_another_size_stay_in_place(step: float) -> None:
    y, x = np.mgrid[:200, :240].astype(np.float32)
    matrix = np.array([[step * 0.8, -step * 0.6, 90.0], [step * 0.6, step * 0.8, 20.0]])
    found = enhance_faces.seen(np.dstack([x, y]), matrix, 21, 17, (0.0, 0.0))
    v, u = np.mgrid[:17, :21]
    assert np.abs(found - np.stack([u, v, np.ones_like(u)], 2) @ matrix.T).max() < 0.2


def test_without_weights_it_says_where_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(tmp_path / "empty"))
    for method, name in (("gfpgan", "gfpgan-1.4"), ("gpen", "gpen-512"), ("vqfr", "vqfr-2")):
        with pytest.raises(WeightsError, match="are not in the store") as error:
            lipdub.dub(SAMPLE / "talker.mp4", SAMPLE / "speech.wav", tmp_path / "out.mp4", enhance=method)
        assert f"lipdub weights pull {name}" in str(error.value) and not (tmp_path / "out.mp4").exists()


def test_every_method_knows_its_network() -> None:
    assert set(enhance_faces.RESTORERS) == set(METHODS) - {"none"}
    for restorer in enhance_faces.RESTORERS.values():
        assert all(manifest.entry(name).part() for name in restorer.weights)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "codeformer"}, "no method 'codeformer'"),
        ({"region": "eyes"}, "--enhance-region 'eyes'"),
        ({"strength": 1.5}, "0 to 1, not 1.5"),
        ({"strength": float("nan")}, "0 to 1"),
    ],
)
def test_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        EnhanceOptions(**options)
