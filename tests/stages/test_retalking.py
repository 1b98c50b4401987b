"""The recipe `retalking` on the drawn sample, with small networks that were never trained."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import cv2
import numpy as np
import pytest

pytest.importorskip("torch")

import torch

import lipdub
from lipdub import stages
from lipdub.engine import recipes
from lipdub.errors import InputError, UsageError, WeightsError
from lipdub.faces import coefficients, compositing, expression
from lipdub.faces.alignment.head import align
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from lipdub.stages.base import StageContext
from lipdub.stages.job import Job
from lipdub.stages.method import build_options
from lipdub.stages.neutralize import dnet
from lipdub.stages.neutralize import store as neutralize_store
from lipdub.stages.neutralize.dnet import DNetOptions
from lipdub.stages.neutralize.options import NeutralizeOptions
from lipdub.stages.paste_back import paste
from lipdub.stages.paste_back.options import PasteBackOptions
from lipdub.stages.sync import emotion, lnet
from lipdub.stages.sync.store import CropStore
from lipdub.weights import manifest
from lipdub.workspace.stage_store import StageStore
from tests.sample import SPEECH
from tests.sample.short import write_short
from tests.stages import small_retalking
from tests.weights import small

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow_fixtures("dubbed")

FRAMES = 18
FIRST, LAST = 0.1, 0.5  # seconds that are dubbed
OPTIONS: dict[str, Any] = {
    "recipe": "retalking",
    "threads": 1,
    "start": FIRST,
    "end": LAST,
    "length": "video",
    "enhance": "none",
    "lossless": True,
    "preset": "ultrafast",
}
NEEDED = ("face3d", "dnet", "lnet", "enet")


@pytest.fixture(autouse=True)
def _own_manifest() -> Any:
    yield
    manifest._read.cache_clear()


@pytest.fixture(autouse=True, scope="module")
def _small_chunks() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(neutralize_store, "DRAWN_CHUNK", 8)
        yield


@pytest.fixture(scope="module")
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The first frames of the sample."""
    return write_short(tmp_path_factory.mktemp("video") / "short.nut", FRAMES)


@pytest.fixture(scope="module")
def dubbed(video: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The result of the whole recipe but for GFPGAN, without expression.mat and GPEN."""
    with pytest.MonkeyPatch.context() as patch:
        small_retalking.publish(patch, tmp_path_factory.mktemp("weights"), NEEDED)
        yield lipdub.dub(video, SPEECH, tmp_path_factory.mktemp("dub") / "out.mkv", **OPTIONS)


def test_the_result_says_how_it_was_made(dubbed: Any) -> None:
    stages = {stage.name: stage.summary for stage in dubbed.stages}
    assert stages["neutralize"]["method"] == "dnet" and stages["sync"]["method"] == "lnet"
    assert 8 <= stages["sync"]["dubbed"] <= 11
    for name in NEEDED:
        assert any(f"the weights {name}.pth are not the published ones" in note for note in dubbed.notes)
    assert any("GPEN's weights are not in the store" in note for note in dubbed.notes)
    assert any("the talker's own expression with the mouth shut" in note for note in dubbed.notes)
    assert any("FAN's weights are not in the store" in note for note in dubbed.notes)
    assert not list((dubbed.workspace / "neutralize").glob("fan-*"))


def test_only_the_lower_face_is_changed_and_only_where_asked(dubbed: Any, video: Path) -> None:
    sync, options = StageStore(dubbed.workspace / "sync", "sync"), PasteBackOptions()
    changed = 0
    for k, (before, after) in enumerate(zip(read_frames(video), read_frames(dubbed.out), strict=True)):
        box, weight = paste.pasted_region(CropStore(sync), k, options)
        same = [np.array_equal(a, b) for a, b in zip(before.picture.planes, after.picture.planes, strict=True)]
        if box[2] <= box[0]:
            assert all(same) and not FIRST + 0.05 < float(before.time) < LAST - 0.05
            continue
        changed += not all(same)
        assert not weight[: weight.shape[0] // 2].any()
        for a, b, mask in zip(
            before.picture.planes, after.picture.planes, before.picture.untouched_masks(box, weight), strict=True
        ):
            assert np.array_equal(a[mask], b[mask])
    assert changed >= 8


def _digests(folder: Path) -> dict[str, str]:
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("c.*"))
        if p.is_file()
    }


@pytest.mark.slow
def test_lost_chunks_are_made_again_alike(
    dubbed: Any, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_retalking.publish(monkeypatch, tmp_path, NEEDED)
    copy = tmp_path / "copy"
    shutil.copytree(dubbed.workspace, copy)
    before = _digests(copy)
    for name, chunk in (("reference-1", 1), ("coefficients-1", 0), ("box-1", 0)):
        StageStore(copy / "neutralize", "neutralize").open(name).file(chunk).unlink()
    StageStore(copy / "sync", "sync").open("crops").file(0).unlink()
    shutil.rmtree(copy / "paste-back")
    (copy / "workspace.json").write_text((copy / "workspace.json").read_text().replace('"done"', '"running"'))
    again = lipdub.dub(video, SPEECH, tmp_path / "again.mkv", workspace=copy, **OPTIONS)
    assert [stage.action for stage in again.stages[1:3]] == ["resume", "resume"]
    assert _digests(copy) == before
    for a, b in zip(read_frames(dubbed.out), read_frames(again.out), strict=True):
        assert all(np.array_equal(x, y) for x, y in zip(a.picture.planes, b.picture.planes, strict=True))


@pytest.fixture
def _no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    small.offline(monkeypatch)


@pytest.mark.slow
@pytest.mark.usefixtures("_no_network")
def test_with_fan_faces_are_aligned_by_its_landmarks(
    dubbed: Any, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They replace the mesh's in the coefficients alone, and lost ones are found again alike."""
    small_retalking.publish(monkeypatch, tmp_path, (*NEEDED, "2dfan4"))
    copy = tmp_path / "copy"
    shutil.copytree(dubbed.workspace, copy)
    kwargs: dict[str, Any] = {"workspace": copy, "recipe": "retalking", "threads": 1, "start": FIRST, "end": LAST}
    done = lipdub.neutralize(video, **kwargs)
    assert done.action == "run"  # the digest is a part of the key
    assert any("aligned by FAN's landmarks (2dfan4)" in note for note in done.summary["notes"])
    old, new = (StageStore(folder / "neutralize", "neutralize") for folder in (dubbed.workspace, copy))
    found, boxes = new.open("fan-1").read(0, FRAMES), new.open("box-1").read(0, FRAMES)
    seen = boxes[:, 2] > boxes[:, 0]
    assert seen.sum() >= 8 and np.isfinite(found[seen]).all() and np.isnan(found[~seen]).all()
    assert np.array_equal(boxes, old.open("box-1").read(0, FRAMES))
    before, after = (store.open("coefficients-1").read(0, FRAMES) for store in (old, new))
    assert (before[seen] != after[seen]).any(1).all()
    kept = _digests(copy / "neutralize")
    for name, chunk in (("fan-1", 1), ("coefficients-1", 0), ("reference-1", 1)):
        new.open(name).file(chunk).unlink()
    (copy / "workspace.json").write_text((copy / "workspace.json").read_text().replace('"done"', '"running"'))
    again = lipdub.neutralize(video, **kwargs)
    assert again.action == "resume" and _digests(copy / "neutralize") == kept
    assert again.summary["notes"] == done.summary["notes"]


@pytest.mark.slow
def test_landmarks_of_fan_elsewhere_are_not_taken(
    dubbed: Any, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_retalking.publish(monkeypatch, tmp_path, (*NEEDED, "2dfan4-script"))
    monkeypatch.setattr(small_retalking, "neutral_in_crop", lambda: np.full((68, 2), 100.0))
    copy = tmp_path / "copy"
    shutil.copytree(dubbed.workspace, copy)
    done = lipdub.neutralize(video, workspace=copy, recipe="retalking", threads=1, start=FIRST, end=LAST)
    (note,) = (n for n in done.summary["notes"] if "aligned by" in n)
    assert "(2dfan4-script), but for" in note
    # with none of FAN's points, the mesh's are smoothed once more and taken
    old, new = (StageStore(folder / "neutralize", "neutralize") for folder in (dubbed.workspace, copy))
    assert np.isnan(new.open("fan-1").read(0, FRAMES)).all()
    before, after = (store.open("coefficients-1").read(0, FRAMES) for store in (old, new))
    seen = np.isfinite(before[:, 0])
    assert np.abs(before[seen, coefficients.CROP] - after[seen, coefficients.CROP]).max() < 1.0


def test_landmarks_are_smoothed_without_lag_and_gaps_bridged() -> None:
    rng = np.random.default_rng(0)
    times = np.arange(60)
    path = np.stack([100 + 0.05 * (times - 30.0) ** 2, 50 + 2.0 * times], 1)[:, None] + rng.uniform(0, 40, (1, 68, 2))
    mesh = path + np.array([3.0, -2.0])
    wanted = np.ones(60, bool)
    wanted[40:44] = False
    found = path.copy()
    found[[10, 11, 41]] = np.nan
    clean = dnet.select_alignment_points(found, mesh, wanted, 0.04)
    assert np.abs(clean[wanted] - path[wanted]).max() < 1e-6  # a parabola is left as it is, and nothing lags
    assert np.isnan(clean[~wanted]).all()
    shaken = dnet.select_alignment_points(found + rng.normal(0, 1, found.shape), mesh, wanted, 0.04)
    assert (shaken - path)[wanted].std() < 0.8
    nothing = dnet.select_alignment_points(np.full_like(found, np.nan), mesh, wanted, 0.04)
    assert np.abs(nothing[wanted] - mesh[wanted]).max() < 1e-6


@pytest.mark.slow
def test_networks_that_copy_give_the_source_back(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """D-Net gives its source, GPEN its picture, E-Net the reference: all goes where it came from."""
    small_retalking.publish(monkeypatch, tmp_path, (*NEEDED, "gpen-512", "expression"), copying=True)
    result = lipdub.dub(video, SPEECH, tmp_path / "out.mkv", **OPTIONS)
    neutral, sync = (StageStore(result.workspace / name, name) for name in ("neutralize", "sync"))
    boxes, crops = sync.open("boxes").read(0, FRAMES), sync.open("crops").read(0, FRAMES)
    taken, references = neutral.open("box-1").read(0, FRAMES), neutral.open("reference-1").read(0, FRAMES)
    dubbed = 0
    for box, crop, head, reference, frame in zip(boxes, crops, taken, references, read_frames(video), strict=True):
        if box[2] <= box[0]:
            continue
        dubbed += 1
        seen = frame.picture.rgb(tuple(box)).astype(int)
        h, w = seen.shape[:2]
        whole = align(head).crop_box(reference, box, 384)
        assert np.abs(whole.astype(int) - cv2.resize(seen.astype(np.uint8), (384, 384))).mean() < 3
        inside = crop[:h, :w, 3] > 0
        assert inside.mean() > 0.15

        def off(shift: int, crop: np.ndarray = crop, seen: np.ndarray = seen, inside: np.ndarray = inside) -> float:
            return float(
                np.abs(np.roll(crop[: len(seen), : seen.shape[1], :3], shift, 1).astype(int) - seen)[inside].mean()
            )

        assert off(0) < 2.5 and off(0) < 0.7 * min(off(-2), off(2))
    assert dubbed >= 8
    assert not any("GPEN" in note or "expression.mat is not" in note for note in result.notes)


@pytest.mark.slow
def test_an_emotion_changes_the_upper_face_too(
    dubbed: Any, video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small_retalking.publish(monkeypatch, tmp_path, (*NEEDED, "ganimation"))
    copy = tmp_path / "copy"
    shutil.copytree(dubbed.workspace, copy)
    again = lipdub.sync(
        video,
        SPEECH,
        workspace=copy,
        recipe="retalking",
        threads=1,
        start=FIRST,
        end=LAST,
        length="video",
        emotion="surprise",
    )
    assert any("ganimation.pth are not the published ones" in note for note in again.summary["notes"])
    old, new = (StageStore(folder / "sync", "sync") for folder in (dubbed.workspace, copy))
    boxes = new.open("boxes").read(0, FRAMES)
    assert np.array_equal(boxes, old.open("boxes").read(0, FRAMES))
    before, after = (store.open("crops").read(0, FRAMES) for store in (old, new))
    k = int(np.argmax(new.open("amount").read(0, FRAMES)))
    h = (boxes[k, 3] - boxes[k, 1]) // 2
    upper = after[k, :h, :, 3] > 0
    assert upper.mean() > 0.3 and not before[k, :h, :, 3].any()
    assert np.abs(after[k, :h, :, :3].astype(int) - before[k, :h, :, :3])[upper].mean() > 1
    assert np.array_equal(after[k, h:, :, 3], before[k, h:, :, 3])
    for wrong in ({"emotion": "bored"}, {"emotion": "sad", "method": "units"}):
        with pytest.raises(UsageError, match="--emotion"):
            build_options(stages.load("sync"), {"method": "lnet", **wrong})


def test_an_emotion_is_added_to_the_face_as_it_is() -> None:
    class Brighter(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, image: Any, units: Any) -> Any:
            assert image.shape == (2, 3, 128, 128) and units.shape == (2, 17)
            assert units[0, 3] == pytest.approx(0.2) and units.count_nonzero() == 2  # AU5, in both faces
            colour = image.clone()
            colour[:, 2] += 0.2  # red
            return colour, torch.full((2, 1, 128, 128), 0.5)

    noise = np.random.default_rng(0).integers(40, 200, (2, 300, 260, 3)).astype(np.uint8)
    found = emotion.edit_emotion(Brighter(), list(noise), "surprise")
    for face, made in zip(noise, found, strict=True):
        assert np.array_equal(made[..., 1:], face[..., 1:])
        assert np.abs(made[..., 0].astype(int) - face[..., 0] - 0.05 * 255).max() <= 1


def test_the_template_without_a_file_is_the_talkers_shut_mouth() -> None:
    assert coefficients.EXPRESSION.stop - coefficients.EXPRESSION.start == expression.EXPRESSION_LENGTH
    shut = dnet.closed_mouth_expression(
        np.repeat(np.arange(20.0, dtype=np.float32)[:, None], 64, 1), np.arange(20.0)[::-1], np.zeros(20)
    )
    assert np.allclose(shut, 18.5)  # the two frames with the smallest opening
    unknown = np.full((3, 64), np.nan, np.float32)
    assert not dnet.closed_mouth_expression(unknown, np.zeros(3), np.zeros(3)).any()


def test_weights_that_are_missing_are_named(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_retalking.publish(monkeypatch, tmp_path, ("face3d", "dnet", "lnet"))
    out = tmp_path / "out.mkv"
    with pytest.raises(WeightsError, match=r"enet\.pth are not in the store"):
        lipdub.dub(video, SPEECH, out, **OPTIONS)
    with pytest.raises(WeightsError, match=r"expression\.mat are not in the store"):
        lipdub.neutralize(video, workspace=tmp_path / "ws", method="dnet", expression="smile")
    assert not out.exists() and not (tmp_path / "ws" / "detect" / "landmarks").exists()


def test_auto_still_takes_what_needs_no_weights(tmp_path: Path, weights_folder: Path) -> None:
    job = lipdub.Job(tmp_path / "video.mp4")
    assert recipes.choose_recipe(job, None, lambda: "")[0].name == "builtin"
    retalking = recipes.choose_recipe(replace(job, recipe="retalking"), None, lambda: "")[0]
    methods = [stages.load(stage).methods.get(retalking.methods[stage]) for stage in ("neutralize", "sync", "enhance")]
    needed = {name for method in methods for name in method.weights.names}
    assert retalking.methods["sync"] == "lnet" and set(NEEDED) < needed and not retalking.is_ready(job, lambda: "")


def test_lnet_without_references_says_what_to_do(video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small_retalking.publish(monkeypatch, tmp_path, NEEDED)
    with pytest.raises(UsageError, match="needs the references of neutralize's method dnet"):
        lipdub.sync(video, SPEECH, workspace=tmp_path / "w", recipe="wav2lip", method="lnet")


def test_expressions_are_found_or_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = tmp_path / "mine.npy"
    np.save(file, np.arange(64))
    assert DNetOptions(expression=file).expression == str(file)  # type: ignore[arg-type]
    assert np.array_equal(expression.read_expression_array(file), np.arange(64, dtype=np.float32))
    np.savez(tmp_path / "mine.npz", exp=np.ones((1, 64)))
    assert expression.read_expression_array(tmp_path / "mine.npz").shape == (64,)
    for wrong in ("grin", str(tmp_path / "nothing.npy"), str(tmp_path)):
        with pytest.raises(UsageError, match="--expression"):
            DNetOptions(expression=wrong)
    with pytest.raises(UsageError, match="not for rest"):
        build_options(stages.load("neutralize"), {"method": "rest", "expression": "smile"})
    for values in (np.zeros(63), np.full(64, np.nan), np.array(["a"] * 64)):
        np.save(file, values)
        with pytest.raises(InputError, match="is no expression"):
            expression.check_expression(str(file))
    file.write_bytes(b"\x93NUMPY torn")
    with pytest.raises(InputError, match="cannot be read"):
        expression.check_expression(str(file))
    small_retalking.publish(monkeypatch, tmp_path, ("expression",))
    mat = manifest.find_entry("expression")
    place = tmp_path / "store" / mat.file
    assert expression.read_template(place, "neutral")[0] == -1 and expression.read_template(place, "smile")[-1] == 1
    place.write_bytes(b"MATLAB 5.0 torn")
    with pytest.raises(WeightsError, match="expression_center"):
        expression.read_template(place, "neutral")


def test_a_pictured_expression_is_taken_from_its_face(
    video: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lipdub.weights.checkpoint import load_network
    from lipdub.weights.store import WeightsStore as Weights

    small_retalking.publish(monkeypatch, tmp_path, ("face3d",))
    entry = manifest.find_entry("face3d")
    network = load_network(Weights().place(entry), entry)
    frame = next(iter(read_frames(video, 0, 1)))
    cv2.imwrite(str(tmp_path / "face.png"), frame.picture.rgb()[..., ::-1])
    context = StageContext(
        Job(video=video), probe(video), StageStore(tmp_path, "neutralize"), {}, {"detect": {"method": "mediapipe"}}
    )
    found = dnet._picture_expression(context, tmp_path / "face.png", network)
    assert found.shape == (64,) and np.isfinite(found).all()
    other = dnet._picture_expression(context, tmp_path / "face.png", network, small_retalking.Pointing())
    assert other.shape == (64,) and np.isfinite(other).all() and (other != found).any()
    cv2.imwrite(str(tmp_path / "empty.png"), np.zeros((120, 120, 3), np.uint8))
    with pytest.raises(InputError, match="no face in the picture"):
        dnet._picture_expression(context, tmp_path / "empty.png", network)


def test_what_lnet_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    """The lower half is hidden, the reference is whole, colours are reversed, and the noise is zero."""
    seen: dict[str, Any] = {}

    class Copy(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, mel: Any, face: Any, noise: float) -> Any:
            seen.update(mel=mel, face=face, noise=noise)
            return type("Enlarged", (), {"image": face[:, 3:]})

    picture = np.zeros((200, 180, 3), np.uint8)
    picture[..., 0] = 255
    reference = np.full((1, 384, 384, 3), 51, np.uint8)
    mel = np.zeros((80, 100), np.float32)
    (made,) = lnet.generate(Copy(), [picture], reference, mel, np.array([0.4]))
    face = seen["face"]
    assert face.shape == (1, 6, 384, 384) and seen["mel"].shape == (1, 1, 80, 16) and seen["noise"] == 0
    assert not face[:, :3, 192:].any() and torch.all(face[:, 2, :192] == 1) and not face[:, :2].any()
    assert torch.allclose(face[:, 3:], torch.tensor(0.2)) and np.allclose(made, 0.2)
    tall = compositing.composite_lower_face(picture, made, np.full((478, 2), 90.0), 1.0)
    assert tall.shape == (200, 180, 4)


def test_only_what_is_asked_for_is_drawn(dubbed: Any) -> None:
    neutral, times = StageStore(dubbed.workspace / "neutralize", "neutralize"), np.arange(FRAMES) / 25
    (box,) = (neutral.open(f"box-{track}") for track in (1,))
    found = box.read(0, len(box))
    drawn = found[:, 2] > found[:, 0]
    assert (
        drawn[(times > FIRST) & (times < LAST)].all()
        and not drawn[(times < FIRST - 0.01) | (times > LAST + 0.01)].any()
    )
    references = neutral.open("reference-1").read(0, FRAMES)
    assert (references.reshape(FRAMES, -1).max(1) > 0).tolist() == drawn.tolist()


def test_face_and_range_mean_nothing_to_other_methods() -> None:
    given = {"face": "2", "start": 1.0, "end": 2.0}
    spec = stages.load("neutralize")
    assert build_options(spec, {}, inherited=given) == NeutralizeOptions()
    assert build_options(spec, {"method": "dnet"}, inherited=given).own == DNetOptions(**given)


def test_another_face_than_the_drawn_one_is_refused(dubbed: Any, video: Path, tmp_path: Path) -> None:
    from lipdub.stages.sync.lnet import _reference_weights

    class Context:
        upstream: ClassVar = {"neutralize": StageStore(dubbed.workspace / "neutralize", "neutralize")}

    with pytest.raises(UsageError, match="no references of face 7"):
        _reference_weights(Context(), 7)  # type: ignore[arg-type]
