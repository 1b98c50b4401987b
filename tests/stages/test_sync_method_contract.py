"""What holds of every sync method, run over the registry with small networks, and over a method that is added here."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

import lipdub
from lipdub import stages
from lipdub.engine.pipeline import run_job
from lipdub.errors import UsageError, WeightsError
from lipdub.faces.masks import DEFAULT_MASK, MASKS
from lipdub.media.read import read_frames
from lipdub.options import options_of
from lipdub.stages.base import Cancelled
from lipdub.stages.neutralize import METHODS as NEUTRALIZE
from lipdub.stages.paste_back.options import PasteBackOptions
from lipdub.stages.paste_back.paste import pasted_region
from lipdub.stages.sync import METHODS, store
from lipdub.stages.sync.generator import GeneratorMethod
from lipdub.stages.sync.store import CropStore
from lipdub.weights import manifest
from lipdub.weights.store import FOLDER_VARIABLE
from lipdub.workspace.stage_store import StageStore
from tests.sample import SPEECH
from tests.stages import tiny_networks, toy_sync

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lipdub.progress import Event
    from lipdub.stages.sync.method import SyncMethod

# Each method of the registry has a test module of its own, too.
NAMES = [*(pytest.param(name, marks=pytest.mark.slow) for name in METHODS.names()), "toy"]
FRAMES = 30  # of the source
FIRST, LAST = 0.4, 0.64  # seconds that are dubbed
CHUNK = 4  # frames a chunk
GROWN = 24  # pixels that a mask may be grown by: the built-in recipe moves the chin, and softens the edge
TABLES = {"amount": "f", "track": "i", "source": "i", "pts": "i", "time": "f", "wanted": "f"}


@dataclass(frozen=True)
class Dub:
    """A finished dub and the job it was made by."""

    job: lipdub.Job
    result: lipdub.Result

    @property
    def workspace(self) -> Path:
        assert self.result.workspace is not None
        return self.result.workspace

    def sync(self) -> StageStore:
        return StageStore(self.workspace / "sync", "sync")


@pytest.fixture(autouse=True, scope="module")
def _toy_and_small_chunks() -> Iterator[None]:
    with METHODS.added("toy", toy_sync.PATH), pytest.MonkeyPatch.context() as patch:
        patch.setattr(store, "MAX_CHUNK", CHUNK)
        yield


@pytest.fixture(scope="module")
def video(short_talker: Path) -> Path:
    """The first frames of the sample."""
    return short_talker


@pytest.fixture(params=NAMES, scope="module")
def name(request: pytest.FixtureRequest) -> str:
    """The name of a method."""
    return str(request.param)


@pytest.fixture(scope="module")
def method(name: str) -> SyncMethod:
    return METHODS.get(name)


@pytest.fixture(scope="module")
def job(name: str, method: SyncMethod, video: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[lipdub.Job]:
    """A job for the method, with its networks published while the method is tested."""
    folder = tmp_path_factory.mktemp(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(FOLDER_VARIABLE, str(folder / "store"))
        publish = tiny_networks.PUBLISH.get(name)
        given = publish(patch, folder) if publish is not None else {}
        earlier = {stage: {"method": allowed[0]} for stage, allowed in method.works_after.items()}
        of_range = {"start": FIRST, "end": LAST}
        if earlier and NEUTRALIZE.get(earlier["neutralize"]["method"]).draws_faces:
            earlier["neutralize"] |= of_range
        options = {
            **earlier,
            "sync": {"method": name, "length": "video", "precision": "fp32", "cpu_backend": "none", **of_range},
            "paste-back": {"lossless": True, "preset": "ultrafast"},
        }
        for stage, values in given.items():
            options[stage] = options.get(stage, {}) | values
        yield lipdub.Job(
            video, SPEECH, out=folder / "out.mkv", workspace=folder / "ws", recipe="builtin", threads=2, options=options
        )
    manifest._read.cache_clear()


@pytest.fixture(scope="module")
def dubbed(job: lipdub.Job) -> Dub:
    return Dub(job, run_job(job))


def chunks(workspace: Path) -> dict[str, str]:
    """Digests of the chunks of all arrays."""
    files = (path for path in sorted(workspace.rglob("c.*")) if path.is_file())
    return {str(path.relative_to(workspace)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def planned(job: lipdub.Job) -> dict[str, str]:
    return {stage.name: stage.action for stage in lipdub.plan(job)}


def unfinished(dubbed: Dub, folder: Path) -> lipdub.Job:
    """The job with a copy of its workspace in which nothing counts as done, and the result is not made."""
    copy = folder / "copy"
    shutil.copytree(dubbed.workspace, copy)
    shutil.rmtree(copy / "paste-back")
    record = copy / "workspace.json"
    record.write_text(record.read_text(encoding="utf-8").replace('"done"', '"running"'), encoding="utf-8")
    return replace(dubbed.job, workspace=copy, out=folder / "again.mkv")


def test_all_weights_are_in_the_manifest() -> None:
    manifest._read.cache_clear()
    for name in METHODS:
        for entry in METHODS.get(name).weights.names:
            assert manifest.find_entry(entry).name == entry


def test_it_declares_what_others_ask(name: str, method: SyncMethod) -> None:
    assert method.name == name
    assert method.summary
    assert "\n" not in method.summary
    assert len(method.summary) <= 120
    assert (type(method).__doc__ or "").strip()
    assert is_dataclass(method.options)
    assert method.options() == method.options()  # every option has a default
    assert {item.name for item in options_of(method.options)} == {item.name for item in fields(method.options)}
    for stage, allowed in method.works_after.items():
        methods = stages.load(stage).methods
        assert methods is not None
        assert set(allowed) <= set(methods.names())


def test_its_options_are_checked(method: SyncMethod) -> None:
    for item in options_of(method.options):
        wrong: list[Any] = [
            value + step for value, step in ((item.declared.low, -1), (item.declared.high, 1)) if value is not None
        ]
        wrong += ["no such choice"] if item.choices else []
        for value in wrong:
            with pytest.raises(UsageError, match=item.declared.flags[0]):
                method.options(**{item.name: value})


def test_its_tables_are_those_of_every_method(dubbed: Dub, name: str) -> None:
    sync = dubbed.sync()
    crops, boxes = sync.open("crops"), sync.open("boxes")
    assert crops.dtype == np.uint8
    assert crops.shape[0] == boxes.shape[0] == FRAMES
    assert crops.shape[3] == 4
    assert boxes.shape == (FRAMES, 4)
    for table, kind in TABLES.items():
        assert len(sync.open(table)) == FRAMES, table
        assert sync.open(table).dtype.kind == kind, table
    assert set(sync.json("timeline")) >= {"speech_start", "end", "cut", "last_duration"}
    summary = next(stage.summary for stage in dubbed.result.stages if stage.name == "sync")
    assert summary["method"] == name
    assert summary["frames"] == FRAMES
    assert 4 <= summary["dubbed"] <= 6
    assert summary["tracks"] == [1]
    assert len(summary["untouched"]) == 2
    assert all(isinstance(note, str) and note for note in summary["notes"])


def test_only_the_mask_is_changed_and_only_where_asked(dubbed: Dub, video: Path, method: SyncMethod) -> None:
    sync, options = dubbed.sync(), PasteBackOptions()
    amount = sync.open("amount").read(0, FRAMES)
    changed = []
    for k, (before, after) in enumerate(zip(read_frames(video), read_frames(dubbed.result.out), strict=True)):
        box, weight = pasted_region(CropStore(sync), k, options)
        is_dubbed = box[2] > box[0]
        assert is_dubbed == (amount[k] > 0) == (FIRST < float(before.time) < LAST)
        old, new = before.picture.planes, after.picture.planes
        masks = before.picture.untouched_masks(box, weight) if is_dubbed else [np.ones(p.shape, bool) for p in old]
        for a, b, untouched in zip(old, new, masks, strict=True):
            assert np.array_equal(a[untouched], b[untouched])
        changed += [k] if not np.array_equal(old[0], new[0]) else []
        if is_dubbed and isinstance(method, GeneratorMethod):
            assert not weight[: len(weight) // 3].any()  # the eyes
    assert len(changed) >= 4


@pytest.mark.parametrize("mask", [name for name in MASKS.names() if name != DEFAULT_MASK])
def test_every_mask_can_be_asked_for(dubbed: Dub, name: str, mask: str, tmp_path: Path) -> None:
    if name == "toy" or (mask == "pose" and name not in ("units", "stylelipsync")):
        pytest.skip("it draws no faces, or shares its compositing with others")
    copy = tmp_path / "copy"
    shutil.copytree(dubbed.workspace, copy)
    options = {**dubbed.job.options, "sync": {**dubbed.job.options["sync"], "mask": mask}}
    run_job(replace(dubbed.job, workspace=copy, out=tmp_path / "out.mkv", options=options))
    sync, detect = StageStore(copy / "sync", "sync"), StageStore(copy / "detect", "detect")
    crops, boxes, amount, source = (
        array.read(0, len(array)) for array in (sync.open(part) for part in ("crops", "boxes", "amount", "source"))
    )
    before = dubbed.sync().open("crops").read(0, FRAMES)
    shown = np.flatnonzero(amount > 0)
    is_own = (name, mask) == ("stylelipsync", "pose")
    assert is_own != any((crops[k, ..., 3] != before[k, ..., 3]).any() for k in shown), "another mask, another crop"
    meshes = detect.open("landmarks")
    for k in shown:
        height, width = boxes[k, 3] - boxes[k, 1], boxes[k, 2] - boxes[k, 0]
        points = meshes.read(int(source[k]), int(source[k]) + 1).reshape(-1, 478, 3)[0] - [*boxes[k, :2], 0]
        grown = cv2.dilate(MASKS.get(mask).draw(points, height, width), np.ones((2 * GROWN + 1,) * 2, np.uint8))
        assert not crops[k, :height, :width, 3][grown == 0].any()


def test_a_second_run_reuses_everything_and_other_weights_redo_sync_only(
    dubbed: Dub, method: SyncMethod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert set(planned(dubbed.job).values()) == {"reuse"}
    other = tmp_path / "other.pth"
    other.write_bytes(b"other weights")
    monkeypatch.setattr(type(method), "weight_files", lambda self, options: [other])
    actions = planned(dubbed.job)
    assert actions["detect"] == actions["neutralize"] == "reuse"
    assert actions["sync"] == actions["enhance"] == actions["paste-back"] == "run"


@pytest.mark.slow
def test_lost_chunks_are_drawn_again_alike(dubbed: Dub, tmp_path: Path) -> None:
    before, job = chunks(dubbed.workspace), unfinished(dubbed, tmp_path)
    lost = StageStore(tmp_path / "copy" / "sync", "sync")
    lost.open("crops").file(2).unlink()
    lost.open("crops").file(3).write_bytes(b"damaged")
    lost.open("boxes").file(6).unlink()
    again = run_job(job)
    assert next(stage for stage in again.stages if stage.name == "sync").action == "resume"
    assert chunks(tmp_path / "copy") == before
    for a, b in zip(read_frames(dubbed.result.out), read_frames(again.out), strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a.picture.planes, b.picture.planes, strict=True))


@pytest.mark.slow
def test_cancelled_means_cancelled_and_the_next_run_goes_on(dubbed: Dub, tmp_path: Path) -> None:
    job = unfinished(dubbed, tmp_path)
    shutil.rmtree(tmp_path / "copy" / "sync")
    seen: list[Event] = []

    def in_sync() -> bool:
        return any(event.kind == "progress" and event.stage == "sync" for event in seen)

    with pytest.raises(Cancelled):
        run_job(job, seen.append, cancelled=in_sync)
    assert in_sync()
    assert not job.result().exists()
    made = set(chunks(tmp_path / "copy" / "sync"))
    seen.clear()
    again = run_job(job, seen.append)
    assert not [event for event in seen if event.kind == "warn" and "is made again" in event.message]
    assert next(stage for stage in again.stages if stage.name == "sync").action == "resume"
    assert made <= set(chunks(tmp_path / "copy" / "sync"))
    assert chunks(tmp_path / "copy") == chunks(dubbed.workspace)


def test_missing_weights_end_it_before_it_begins_and_say_where_to_get_them(
    job: lipdub.Job, method: SyncMethod, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not method.weights.names:
        pytest.skip("needs no published weights")
    monkeypatch.setenv(FOLDER_VARIABLE, str(tmp_path / "empty"))
    with pytest.raises(WeightsError, match=r"not in the store|not installed") as error:
        run_job(replace(job, workspace=tmp_path / "ws", out=tmp_path / "out.mkv"))
    assert "lipdub weights " in str(error.value)  # pull or add
    assert not (tmp_path / "out.mkv").exists()
    assert not list(tmp_path.rglob("landmarks"))


def test_a_method_it_cannot_follow_is_refused_before_it_begins(
    job: lipdub.Job, method: SyncMethod, tmp_path: Path
) -> None:
    if "neutralize" not in method.works_after:
        pytest.skip("follows every method of neutralize")
    wrong = replace(
        job,
        workspace=tmp_path / "ws",
        out=tmp_path / "out.mkv",
        options={**job.options, "neutralize": {"method": "none"}},
    )
    with pytest.raises(
        UsageError, match=f"needs the references of neutralize's method {method.works_after['neutralize'][0]}"
    ):
        run_job(wrong)
    assert not (tmp_path / "out.mkv").exists()


@pytest.mark.slow
def test_the_toys_option_changes_the_result_and_is_refused_elsewhere(video: Path, tmp_path: Path) -> None:
    levels = []
    for shade in (0.0, 1.0):
        made = lipdub.sync(
            video,
            SPEECH,
            workspace=tmp_path / "ws",
            method="toy",
            toy_shade=shade,
            start=FIRST,
            end=0.84,
            length="video",
        )
        assert made.action == "run"
        crop = StageStore(made.path, "sync").open("crops").read(15, 16)[0]
        levels.append(crop[..., :3][crop[..., 3] > 250].mean())
    assert levels[0] < 5
    assert levels[1] > 250
    with pytest.raises(UsageError, match="--toy-shade is for sync's method toy, not for units"):
        lipdub.sync(video, SPEECH, workspace=tmp_path / "ws", method="units", toy_shade=0.5)
