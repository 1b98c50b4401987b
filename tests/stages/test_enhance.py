"""The enhance stage on the drawn sample, with small networks in the place of the published ones."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import lipdub
from lipdub.engine.pipeline import run_job
from lipdub.errors import UsageError, WeightsError
from lipdub.faces import landmarks
from lipdub.faces.alignment import five_point
from lipdub.media.read import read_frames
from lipdub.stages import inference
from lipdub.stages.enhance import METHODS, mouth_mask, restorer
from lipdub.stages.enhance.gpen import METHOD as GPEN
from lipdub.stages.enhance.options import EnhanceOptions
from lipdub.stages.enhance.restorer import PARSERS, Restorer
from lipdub.stages.frame_pass import FaceMeshes
from lipdub.stages.paste_back import paste
from lipdub.stages.paste_back.options import PasteBackOptions
from lipdub.stages.sync.store import CropStore, OutputPlan
from lipdub.weights import manifest
from lipdub.weights.store import VerifiedWeights
from lipdub.weights.store import WeightsStore as Weights
from lipdub.workspace.folder import Workspace
from lipdub.workspace.stage_store import StageStore
from tests.sample import SPEECH, TALKER
from tests.weights import small

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

torch = pytest.importorskip("torch")

pytestmark = pytest.mark.slow_fixtures("plain")

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
def plain(short_talker: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A dub of the sample's beginning, not enhanced."""
    folder = tmp_path_factory.mktemp("plain")
    speech, options = SPEECH, {"end": END, "length": "shortest", **RESULT}
    return lipdub.dub(short_talker, speech, folder / "out.mkv", **options)


class Parsing(torch.nn.Module):
    """Stands in for ParseNet: a lower lip in a box (left, top, right, bottom) of the face; the rest is skin."""

    def __init__(self, box: tuple[int, int, int, int] = (190, 340, 322, 420)) -> None:
        super().__init__()
        self.box = box
        self.faces = 0
        self.unused = torch.nn.Parameter(torch.zeros(1))

    def forward(self, faces: Any) -> Any:
        assert faces.shape[1:] == (3, 512, 512) and float(faces.min()) >= -1 and float(faces.max()) <= 1
        self.faces += len(faces)
        x0, y0, x1, y1 = self.box
        logits = torch.zeros(len(faces), 19, 512, 512)
        logits[:, 1] = 20
        logits[:, 12, y0:y1, x0:x1] = 40
        return logits, faces


@pytest.fixture(autouse=True)
def _no_weights(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(tmp_path / "empty"))


@pytest.fixture
def enhance(
    plain: Any, short_talker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[..., StageStore]:
    """Enhances in a copy of that dub's workspace; further calls go on in the same copy."""
    file = tmp_path / "own.pth"
    file.write_bytes(b"weights")
    kept = VerifiedWeights(manifest.find_entry("gpen-512"), file, "0" * 64, pinned=True, since="today", own=True)
    requirement = SimpleNamespace(verify_files=lambda store: (kept,), paths=lambda store: (kept.path,))
    monkeypatch.setattr(type(GPEN), "weights", requirement)
    folder = tmp_path / "workspace"
    shutil.copytree(plain.workspace, folder)

    def call(network: Any, parser: Any = None, **options: Any) -> StageStore:
        parsing = replace(kept, entry=manifest.find_entry("parsenet"))
        monkeypatch.setattr(restorer, "find_parser", lambda options: parsing if parser is not None else None)
        monkeypatch.setattr(inference, "load_on_device", lambda ctx, kept: parser if kept is parsing else network)
        lipdub.run_stage("enhance", job(short_talker, folder, tmp_path / "out.mkv", **options))
        return StageStore(folder / "enhance", "enhance")

    return call


def job(video: Path, folder: Path, out: Path, **options: Any) -> lipdub.Job:
    return lipdub.Job(
        video,
        SPEECH,
        out=out,
        workspace=folder,
        options={
            "sync": {"end": END, "length": "shortest"},
            "enhance": {"method": "gpen", **options},
            "paste-back": RESULT,
        },
    )


def arrays(store: StageStore) -> tuple[np.ndarray, np.ndarray]:
    crops, boxes = store.open("crops"), store.open("boxes")
    return crops.read(0, len(crops)), boxes.read(0, len(boxes))


def sync_of(plain: Any) -> StageStore:
    return StageStore(plain.workspace / "sync", "sync")


@pytest.mark.parametrize("region", ["mouth", "face"])
def test_a_network_that_changes_nothing(plain: Any, enhance: Callable[..., StageStore], region: str) -> None:
    before, places = arrays(sync_of(plain))
    after, boxes = arrays(enhance(Shown(), region=region))
    assert np.array_equal(places, boxes) and np.array_equal(before[..., 3], after[..., 3])
    dubbed = boxes[:, 2] > boxes[:, 0]
    assert 8 <= dubbed.sum() < len(boxes) and np.array_equal(before[~dubbed], after[~dubbed])
    off = np.abs(before.astype(int) - after)[dubbed]
    # resampled twice, which lines of a drawing do not stand as well as skin
    assert off.any() and off.mean() < 0.5 and np.percentile(off, 99.5) < 16


def test_only_the_mouth_is_restored_and_softly(plain: Any, enhance: Callable[..., StageStore]) -> None:
    before, boxes = arrays(sync_of(plain))
    after, _ = arrays(enhance(Shown(1.0)))
    k = int(sync_of(plain).open("amount").read(0, len(boxes)).argmax())
    changed = (before[k] != after[k]).any(-1)
    mesh = _mesh(plain, k)
    mask = mouth_mask.draw_mouth_mask(mesh - boxes[k, :2], *changed.shape)
    lips = mask > 0.999
    assert lips.sum() > 500 and (after[k][lips & (before[k, ..., 3] == 255)][:, :3] == 255).mean() > 0.99
    assert not changed[mask == 0].any() and not changed[before[k, ..., 3] == 0].any()
    soft = (mask > 0.2) & (mask < 0.8) & (before[k, ..., 3] == 255)
    old, new = before[k][soft][:, :3].astype(float), after[k][soft][:, :3]
    assert len(old) > 100 and np.abs(old + mask[soft][:, None] * (255 - old) - new).max() <= 0.51


def _mesh(plain: Any, k: int) -> np.ndarray:
    """The mesh (478, 2) that an output frame's source frame shows."""
    from lipdub.faces.track_landmarks import TrackLandmarks

    detect = StageStore(plain.workspace / "detect", "detect")
    owner = detect.open("tracks")
    track = TrackLandmarks(detect.open("landmarks"), owner.read(0, len(owner)), 1, 0, len(owner) - 1, 0.04)
    return FaceMeshes({1: track}).read(1, k)[:, :2]


@pytest.mark.slow
def test_without_strength_the_crops_are_those_of_sync(plain: Any, enhance: Callable[..., StageStore]) -> None:
    found = arrays(enhance(Shown(-1.0), strength=0.0))
    assert all(np.array_equal(a, b) for a, b in zip(found, arrays(sync_of(plain)), strict=True))


@pytest.mark.slow
def test_what_was_lost_is_made_again_alike(enhance: Callable[..., StageStore]) -> None:
    store = enhance(Shown(0.2), region="face", strength=0.5)
    wanted = {path: path.read_bytes() for path in sorted(store.path.rglob("c.*"))}
    for name in ("boxes", "crops"):
        next(path for path in wanted if path.parent.name == name).unlink()
    record = store.path.parent / "workspace.json"
    record.write_text(record.read_text().replace('"done"', '"running"'))
    enhance(Shown(0.2), region="face", strength=0.5)
    assert {path: path.read_bytes() for path in sorted(store.path.rglob("c.*"))} == wanted


@pytest.mark.slow
def test_the_result_shows_what_was_restored(
    plain: Any, short_talker: Path, enhance: Callable[..., StageStore], tmp_path: Path
) -> None:
    enhance(Shown(-1.0))
    done = run_job(job(short_talker, tmp_path / "workspace", tmp_path / "out.mkv"))
    assert [stage.action for stage in done.stages] == ["reuse"] * 4 + ["run"]
    assert done.stages[3].summary["crops"] == "enhance"
    assert any("file of your own" in note for note in done.notes)
    k, made = 3, StageStore(done.workspace / "enhance", "enhance")
    box, weight = paste.pasted_region(CropStore(made), k, PasteBackOptions())
    frames = [list(read_frames(path, 0, k + 1))[k].picture for path in (plain.out, done.out)]
    bright, dark = (frame.rgb(box).astype(int) for frame in frames)
    assert (bright - dark)[weight == 1].max() > 100 and not (bright != dark)[weight == 0].any()
    rows = {row.id: row for row in lipdub.score(done.out, workspace=done.workspace).rows}
    assert rows["unmasked_changed_samples"].value == 0


def _face_place(plain: Any, k: int) -> tuple[np.ndarray, Any]:
    """The matrix from the frame to the restorer's square, and the crop's box, of an output frame."""
    mesh = _mesh(plain, k)
    matrix = five_point.fit_similarity(restorer.average_five_points(mesh), GPEN.template)
    return matrix, arrays(sync_of(plain))[1][k]


@pytest.mark.slow
def test_only_what_is_parsed_as_mouth_is_restored(plain: Any, enhance: Callable[..., StageStore]) -> None:
    before, _ = arrays(sync_of(plain))
    parser = Parsing()
    store = enhance(Shown(1.0), parser)
    after, boxes = arrays(store)
    dubbed = boxes[:, 2] > boxes[:, 0]
    assert parser.faces == dubbed.sum()
    assert np.array_equal(store.open("parsed").read(0, len(boxes)), dubbed)
    k = int(sync_of(plain).open("amount").read(0, len(boxes)).argmax())
    matrix, box = _face_place(plain, k)
    y, x = np.mgrid[box[1] : box[3], box[0] : box[2]]
    u, v = np.einsum("ij,jhw->ihw", matrix[:, :2], np.stack([x, y])) + matrix[:, 2, None, None]
    opaque = before[k, : y.shape[0], : y.shape[1], 3] == 255
    inside = (u > 195) & (u < 317) & (v > 345) & (v < 415) & opaque
    outside = (u < 160) | (u > 352) | (v < 310) | (v > 450)
    made, old = (crops[k, : y.shape[0], : y.shape[1], :3] for crops in (after, before))
    assert inside.sum() > 400 and (made[inside] == 255).mean() > 0.99
    assert outside.any() and np.array_equal(made[outside], old[outside])


@pytest.mark.slow
@pytest.mark.parametrize("nowhere", [(0, 0, 0, 0), (200, 20, 300, 80)], ids=["none", "on the forehead"])
def test_where_nothing_is_parsed_the_outline_stands_in(
    plain: Any, enhance: Callable[..., StageStore], nowhere: tuple[int, int, int, int]
) -> None:
    """As if there were no parser, but for the average over the neighbours."""
    n = len(sync_of(plain).open("boxes"))
    by_mesh, boxes = arrays(enhance(Shown(1.0), mask="mesh"))
    store = enhance(Shown(1.0), Parsing(nowhere))
    assert set(store.open("parsed").read(0, n)[boxes[:, 2] > boxes[:, 0]]) == {restorer.OUTLINED}
    off = np.abs(by_mesh.astype(int) - arrays(store)[0])
    assert off.mean() < 0.5 and np.percentile(off, 99) < 25


@pytest.mark.slow
def test_parsed_mouths_that_were_lost_are_made_again_alike(enhance: Callable[..., StageStore]) -> None:
    store = enhance(Shown(0.2), Parsing(), strength=0.5)
    wanted = {path: path.read_bytes() for path in sorted(store.path.rglob("c.*"))}
    assert {path.parent.name for path in wanted} == {"boxes", "crops", "parsed"}
    next(path for path in wanted if path.parent.name == "parsed").unlink()
    record = store.path.parent / "workspace.json"
    record.write_text(record.read_text().replace('"done"', '"running"'))
    enhance(Shown(0.2), Parsing(), strength=0.5)
    assert {path: path.read_bytes() for path in sorted(store.path.rglob("c.*"))} == wanted


@pytest.mark.slow
def test_the_run_says_what_told_where_the_mouth_is(enhance: Callable[..., StageStore], tmp_path: Path) -> None:
    def summary() -> dict[str, Any]:
        record = Workspace(tmp_path / "workspace").record("enhance")
        assert record is not None
        return record.summary

    for options, parser, mask, words in (
        ({}, Parsing(), "parsing", "the mouth as ParseNet sees it (parsenet)"),
        ({"mask": "parsing"}, Parsing((0, 0, 0, 0)), "parsing", "in which it sees none"),
        ({}, None, "mesh", "lipdub weights pull parsenet-facexlib"),
        ({"mask": "mesh"}, None, "mesh", ""),
        ({"region": "face"}, None, None, ""),
    ):
        enhance(Shown(0.2), parser, **options)
        told = [note for note in summary()["notes"] if "file of your own" not in note]
        assert summary()["mask"] == mask and len(told) == (words != "") and words in "".join(told)


def test_mouths_are_averaged_over_neighbours_of_the_same_shot() -> None:
    dubbed = OutputPlan(
        source=np.array([3, 4, 4, 3, 9, 10], np.int32),
        pts=np.arange(6),
        time=np.arange(6) / 25,
        track=np.array([1, 1, 1, 1, 1, 2], np.int16),
        amount=np.ones(6, np.float32),
    )
    assert [restorer.follows_in_source(dubbed, k, k + 1) for k in range(5)] == [True, True, True, False, False]
    assert not restorer.follows_in_source(dubbed, 0, 2)
    size = restorer.SIZE
    identity = np.array([[1.0, 0, 0], [0, 1, 0]])
    items = [
        restorer._ParsedFrame(
            k,
            np.full((size, size, 4), [0, 0, 0, 255], np.uint8),
            (0, 0, size, size),
            np.ones((size, size, 3), np.float32),
            np.ones((size, size), np.float32),
            identity,
            np.full((size, size), 255 * on, np.uint8),
            True,
        )
        for k, on in ((0, 1), (1, 0), (2, 0), (4, 1))
    ]
    restorer._mix_parsed(items, dubbed)
    assert [int(item.crop[size // 2, size // 2, 0]) for item in items] == [170, 64, 0, 255]


@pytest.mark.slow
def test_parsing_takes_mouth_and_lips_near_the_mesh() -> None:
    from lipdub.networks.parsenet import ParseNet
    from tests.networks.parity import fill

    network = fill(ParseNet(halvings=3, width=8, widest=16, depth=1))
    faces = np.random.default_rng(0).uniform(0, 1, (1, 512, 512, 3)).astype(np.float32)
    found = restorer.parse_faces(network, faces)
    assert found.shape == (1, 512, 512) and found.dtype == np.float32
    with torch.inference_mode():
        logits = network(torch.from_numpy(faces).permute(0, 3, 1, 2) * 2 - 1)[0]
    assert np.allclose(found, logits.softmax(1)[:, 10:13].sum(1).numpy(), atol=1e-5)
    assert found.min() >= 0 and found.max() <= 1 and np.array_equal(found, restorer.parse_faces(network, faces))

    mesh = landmarks.load_neutral_face()[:, :2]
    way = five_point.fit_similarity(restorer.average_five_points(mesh), five_point.FACEXLIB_TEMPLATE)
    mesh = mesh @ way[:, :2].T + way[:, 2]
    mouth = np.zeros((512, 512), np.float32)
    mouth[350:390, 210:304] = 1
    mouth[100:200, 100:400] = 1
    mask, own = mouth_mask.parsed_mouth_mask(mouth, mesh)
    assert own and mask[370, 256] == 1 and not mask[:300].any() and mask.min() >= 0 and mask.max() <= 1
    mask, own = mouth_mask.parsed_mouth_mask(np.zeros((512, 512), np.float32), mesh)
    assert not own and np.array_equal(mask, mouth_mask.draw_mouth_mask(mesh, 512, 512))


@pytest.mark.usefixtures("weights_folder")
def test_parsing_is_taken_where_its_weights_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small.publish(monkeypatch, tmp_path, *(small.entry(name) for name in ("gpen-512", *PARSERS)))
    mine = small.saved(tmp_path / "mine.pth", small.state())
    try:
        weights = Weights()
        weights.add(manifest.find_entry("gpen-512"), mine, own=True)

        def names(**options: str) -> list[str]:
            return [path.stem for path in GPEN.weight_files(EnhanceOptions("gpen", **options))]  # type: ignore[arg-type]

        assert names() == names(mask="mesh") == ["gpen-512"]
        with pytest.raises(WeightsError, match=r"parsenet\.pth are not in the store"):
            names(mask="parsing")
        weights.add(manifest.find_entry("parsenet-facexlib"), mine, own=True)
        assert names() == names(mask="parsing") == ["gpen-512", "parsenet-facexlib"]
        weights.add(manifest.find_entry("parsenet"), mine, own=True)
        assert names() == ["gpen-512", "parsenet"]
        assert names(mask="mesh") == names(region="face") == ["gpen-512"]
    finally:
        manifest._read.cache_clear()


@pytest.mark.parametrize("step", [0.4, 1.2, 3.7])
def test_pictures_seen_at_another_size_stay_in_place(step: float) -> None:
    y, x = np.mgrid[:200, :240].astype(np.float32)
    matrix = np.array([[step * 0.8, -step * 0.6, 90.0], [step * 0.6, step * 0.8, 20.0]])
    found = restorer.warp_to_crop(np.dstack([x, y]), matrix, 21, 17, (0.0, 0.0))
    v, u = np.mgrid[:17, :21]
    assert np.abs(found - np.stack([u, v, np.ones_like(u)], 2) @ matrix.T).max() < 0.2


def test_without_weights_it_says_where_to_get_them(weights_folder: Path, tmp_path: Path) -> None:
    for method, name in (("gfpgan", "gfpgan-1.4"), ("gpen", "gpen-512"), ("vqfr", "vqfr-2")):
        with pytest.raises(WeightsError, match="are not in the store") as error:
            lipdub.dub(TALKER, SPEECH, tmp_path / "out.mp4", enhance=method)
        assert f"lipdub weights pull {name}" in str(error.value) and not (tmp_path / "out.mp4").exists()


def test_every_method_knows_its_network() -> None:
    restorers = [method for _, method in METHODS.items() if isinstance(method, Restorer)]
    assert {method.name for method in restorers} == set(METHODS) - {"none", "auto"}
    for method in restorers:
        assert method.weights.names and all(manifest.find_entry(name).part() for name in method.weights.names)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"method": "codeformer"}, "--method 'codeformer' is unknown"),
        ({"region": "eyes"}, "--enhance-region 'eyes'"),
        ({"mask": "hand"}, "--enhance-mask 'hand'"),
        ({"mask": "parsing", "region": "face"}, "is for the mouth"),
        ({"strength": 1.5}, "0 to 1, not 1.5"),
        ({"strength": float("nan")}, "0 to 1"),
    ],
)
def test_options(options: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        EnhanceOptions(**options)
