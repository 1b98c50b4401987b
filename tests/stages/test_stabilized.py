"""The recipe `stabilized` on the drawn sample, with generators that copy what they are given or paint one colour."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lipdub
from lipdub import stages
from lipdub.errors import InputError, UsageError, WeightsError
from lipdub.faces import compositing
from lipdub.faces.alignment import full_face
from lipdub.media.read import read_frames
from lipdub.networks.avsyncnet import AVSyncNet, AVSyncNetSize
from lipdub.networks.face_generator import FaceGenerator, FaceGeneratorSize, hide_lower_half
from lipdub.networks.talking_face import SilentLip, TalkingFace
from lipdub.speech.sound_windows import SoundWindows
from lipdub.stages.enhance import METHODS, stage
from lipdub.stages.method import build_options
from lipdub.stages.neutralize import silent_lip
from lipdub.stages.paste_back import paste
from lipdub.stages.paste_back.options import PasteBackOptions
from lipdub.stages.sync.store import CropStore
from lipdub.weights import manifest, talking_face_file, user_models
from lipdub.weights import store as weights_store
from lipdub.weights.talking_face_file import FAMILY, TalkingFaceModel
from lipdub.workspace.keys import digest_file
from lipdub.workspace.stage_store import StageStore
from tests.sample import SPEECH
from tests.stages import small_retalking
from tests.weights import small

if TYPE_CHECKING:
    from lipdub.stages.enhance.options import EnhanceOptions

pytestmark = pytest.mark.slow_fixtures("dubbed")

END = 0.8  # seconds that are dubbed
HEARS = AVSyncNetSize(12, 24, 4, (1, 1), (1, 2), 4, (1, 1, 1), 16, grey=True)
SIZE = 48
COLOUR = (0.2, 0.6, 0.8)


@pytest.fixture(autouse=True)
def _own_manifest() -> Any:
    yield
    manifest._read.cache_clear()


def generator(colour: tuple[float, float, float] | None) -> FaceGenerator:
    """One that copies what it is given, or paints the lower and upper face in one colour."""
    made = FaceGenerator(FaceGeneratorSize(SIZE, 4, 8, 16))
    torch.nn.init.zeros_(made.paint.weight)
    shades = torch.logit(torch.tensor(colour)) if colour else torch.zeros(3)
    made.paint.bias.data = torch.cat([shades, torch.tensor([30.0 if colour else -30.0])])
    return made.eval()


def saved(path: Path, silent: Any, talking: Any) -> Path:
    torch.manual_seed(0)
    return talking_face_file.save(
        path, TalkingFaceModel(AVSyncNet(HEARS).eval(), silent, talking, {"remark": "made for a test"})
    )


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return saved(tmp_path_factory.mktemp("models") / "painter.safetensors", generator(None), generator(COLOUR))


@pytest.fixture(scope="module")
def dubbed(model: Path, short_talker: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIPDUB_WEIGHTS", str(tmp_path_factory.mktemp("store")))
        yield lipdub.dub(
            short_talker,
            SPEECH,
            tmp_path_factory.mktemp("dub") / "out.mkv",
            recipe="stabilized",
            model=model,
            end=END,
            lossless=True,
            preset="ultrafast",
            length="shortest",
        )


def test_the_result_says_what_drew_it(dubbed: Any) -> None:
    assert dubbed.recipe == "stabilized"
    assert any("painter.safetensors: made for a test" in note for note in dubbed.notes)
    assert any("48 pixels a face" in note and "--enhance" in note for note in dubbed.notes)
    methods = [stage.summary.get("method") for stage in dubbed.stages]
    assert methods[1:4] == ["silent-lip", "stabilized", "none"]


def test_only_the_lower_face_is_changed_and_it_is_what_was_painted(short_talker: Path, dubbed: Any) -> None:
    sync, options = StageStore(dubbed.workspace / "sync", "sync"), PasteBackOptions()
    boxes, crops = (sync.open(name).read(0, len(sync.open(name))) for name in ("boxes", "crops"))
    shown = 0
    for k, (before, after) in enumerate(zip(read_frames(short_talker), read_frames(dubbed.out), strict=False)):
        box, weight = paste.pasted_region(CropStore(sync), k, options)
        if box[2] <= box[0]:
            assert all(np.array_equal(a, b) for a, b in zip(before.picture.planes, after.picture.planes, strict=True))
            continue
        for a, b, mask in zip(
            before.picture.planes, after.picture.planes, before.picture.untouched_masks(box, weight), strict=True
        ):
            assert np.array_equal(a[mask], b[mask])
        h, w = boxes[k][3] - boxes[k][1], boxes[k][2] - boxes[k][0]
        crop, taken = crops[k, :h, :w, :3], crops[k, :h, :w, 3]
        assert not taken[: h // 2 - 4].any() and taken[round(0.7 * h), w // 2 - 5 : w // 2 + 5].min() > 250
        found = crop[taken == 255].mean(0) / 255
        if sync.open("amount").read(k, k + 1)[0] == 1:
            np.testing.assert_allclose(found, COLOUR, atol=0.02)
            shown += 1
    assert shown >= 10


def test_references_are_the_faces_as_they_were_cut_for_training(short_talker: Path, dubbed: Any) -> None:
    neutral = StageStore(dubbed.workspace / "neutralize", "neutralize")
    name = next(n.removeprefix("placement-") for n in ("placement-0", "placement-1", "placement-2") if neutral.has(n))
    places, references = (neutral.open(f"{kind}-{name}") for kind in ("placement", "reference"))
    assert references.shape[1:] == (SIZE, SIZE, 3) and places.shape == (references.shape[0], 4)
    known = np.isfinite(places.read(0, len(places))[:, 0])
    last = round(END * 25)
    assert known[: last - 1].all() and not known[last + 1 :].any()  # no more than is dubbed
    frame = next(iter(read_frames(short_talker, 3, 4))).picture
    cut = full_face.align(places.read(3, 4)[0], SIZE).crop_picture(frame)
    assert np.abs(references.read(3, 4)[0].astype(int) - cut).max() <= 1  # this silent-lip generator copies


def test_what_is_done_is_kept_and_another_model_draws_anew(
    short_talker: Path, dubbed: Any, model: Path, tmp_path: Path, weights_folder: Path
) -> None:

    def planned(path: Path) -> dict[str, str]:
        job = lipdub.Job(
            short_talker,
            SPEECH,
            out=dubbed.out,
            workspace=dubbed.workspace,
            recipe="stabilized",
            options={
                "neutralize": {"end": END, "talker": path},
                "sync": {"end": END, "length": "shortest", "talker": path},
                "paste-back": {"lossless": True, "preset": "ultrafast"},
            },
        )
        return {stage.name: stage.action for stage in lipdub.plan(job)}

    assert set(planned(model).values()) == {"reuse"}
    other = planned(saved(tmp_path / "other.safetensors", generator(None), generator((0.5, 0.5, 0.5))))
    assert other["detect"] == "reuse" and other["neutralize"] == other["sync"] == "run"


@pytest.mark.slow
def test_a_model_that_learnt_from_late_mouths_hears_ahead(
    short_talker: Path, model: Path, tmp_path: Path, weights_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    times: list[Any] = []
    cut_around = SoundWindows.cut_around
    monkeypatch.setattr(
        SoundWindows, "cut_around", lambda self, values, at: times.append(at) or cut_around(self, values, at)
    )
    ahead = replace(talking_face_file.load(model), notes={"lead": 0.25})
    for number, file in enumerate((model, talking_face_file.save(tmp_path / "ahead.safetensors", ahead))):
        lipdub.dub(
            short_talker,
            SPEECH,
            tmp_path / f"{number}.mkv",
            recipe="stabilized",
            model=file,
            end=0.2,
            length="shortest",
            threads=1,
        )
    first, second = (np.concatenate(part) for part in (times[: len(times) // 2], times[len(times) // 2 :]))
    assert len(first) == len(second) > 0
    np.testing.assert_allclose(np.unique(second), np.unique(first) + 0.25)


def test_a_lost_chunk_is_drawn_again_with_the_same_bytes(
    short_talker: Path, model: Path, tmp_path: Path, weights_folder: Path
) -> None:
    given = {"workspace": tmp_path / "job", "recipe": "stabilized", "talker": model, "end": END}
    lipdub.neutralize(short_talker, **given)
    files = [path for path in (tmp_path / "job" / "neutralize").rglob("*") if path.is_file()]
    before = {path: (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) for path in files}
    chunk = next(path for path in sorted(before) if "reference-" in str(path) and path.suffix not in (".json", ""))
    chunk.write_bytes(b"damaged")
    lipdub.sync(short_talker, SPEECH, length="shortest", **given)
    assert chunk.read_bytes() == before.pop(chunk)[0]
    for path, known in before.items():  # nothing that was whole is written again
        assert (path.read_bytes(), path.stat().st_mtime_ns, path.stat().st_ino) == known


@pytest.mark.slow
def test_methods_that_do_not_go_together(short_talker: Path, model: Path, tmp_path: Path, weights_folder: Path) -> None:
    given = {"workspace": tmp_path / "job", "end": 0.2, "talker": model}
    lipdub.neutralize(short_talker, workspace=tmp_path / "job", method="none")
    with pytest.raises(UsageError, match="needs the references of neutralize's method silent-lip"):
        lipdub.sync(short_talker, SPEECH, method="stabilized", **given)
    lipdub.neutralize(short_talker, method="silent-lip", **given)
    small = FaceGenerator(FaceGeneratorSize(24, 4, 8, 16))
    other = saved(tmp_path / "other.safetensors", small, small.__class__(small.size))
    with pytest.raises(UsageError, match="references of 48 pixels, but the model draws faces of 24"):
        lipdub.sync(short_talker, SPEECH, method="stabilized", **given | {"talker": other})
    only = saved(tmp_path / "only.safetensors", small, None)
    with pytest.raises(UsageError, match="no talking-face generator"):
        lipdub.sync(short_talker, SPEECH, method="stabilized", **given | {"talker": only})


@pytest.mark.slow
def test_the_model_adapted_to_a_video_is_taken_for_it(
    short_talker: Path, model: Path, tmp_path: Path, weights_folder: Path
) -> None:
    kept = user_models.add_model(FAMILY, model, "drawn", digest_file(short_talker), "# card")
    result = lipdub.neutralize(short_talker, workspace=tmp_path / "job", method="silent-lip", end=0.2)
    assert any("drawn.safetensors" in note for note in result.summary["notes"])
    kept.write_bytes(kept.read_bytes()[:-1] + b"x")
    with pytest.raises(WeightsError, match="has changed since it was stored"):
        lipdub.neutralize(short_talker, workspace=tmp_path / "other", method="silent-lip", end=0.2)


@pytest.mark.slow
def test_shut_references_go_before_other_methods(
    short_talker: Path, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a silent-lip generator that paints, Wav2Lip's reference is painted, its own upper half is not."""
    from lipdub.networks.wav2lip import Wav2Lip
    from lipdub.stages.sync import wav2lip

    monkeypatch.setenv("LIPDUB_WEIGHTS", str(tmp_path / "store"))
    torch.save({"state_dict": Wav2Lip().state_dict()}, tmp_path / "mine.pth")
    weights_store.WeightsStore().add(manifest.find_entry("wav2lip"), tmp_path / "mine.pth", own=True)
    painter = saved(tmp_path / "painter.safetensors", generator(COLOUR), generator(None))
    seen: list[tuple[np.ndarray, np.ndarray]] = []

    def generate(network: Any, faces: Any, mel: Any, times: Any, references: Any = None) -> np.ndarray:
        seen.extend(zip(faces, references, strict=True))
        return np.zeros((len(faces), 96, 96, 3), np.float32)

    monkeypatch.setattr(wav2lip, "generate", generate)
    given = {"workspace": tmp_path / "job", "end": 0.3}
    lipdub.neutralize(short_talker, method="silent-lip", model=painter, **given)
    lipdub.sync(short_talker, SPEECH, method="wav2lip", length="shortest", **given)
    assert seen
    for face, reference in seen:
        h, w = face.shape[:2]
        np.testing.assert_array_equal(reference[: h // 4], face[: h // 4])
        np.testing.assert_allclose(reference[round(0.75 * h), w // 2 - 3 : w // 2 + 3].mean(0) / 255, COLOUR, atol=0.02)


@pytest.mark.slow
def test_shut_references_go_before_lnet(short_talker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With an E-Net that copies its reference, the mouths are what the silent-lip generator painted."""
    small_retalking.publish(monkeypatch, tmp_path, ("lnet", "enet"), copying=True)
    painter = saved(tmp_path / "painter.safetensors", generator(COLOUR), generator(None))
    given = {"workspace": tmp_path / "job", "end": 0.3}
    lipdub.neutralize(short_talker, method="silent-lip", model=painter, **given)
    made = lipdub.sync(short_talker, SPEECH, method="lnet", length="shortest", **given)
    sync = StageStore(made.path, "sync")
    boxes, amount, crops = (sync.open(name).read(0, len(sync.open(name))) for name in ("boxes", "amount", "crops"))
    whole = np.flatnonzero(amount == 1)
    assert len(whole) >= 3
    for k in whole:
        w, h = boxes[k, 2:] - boxes[k, :2]
        mouth = crops[k, round(0.7 * h), w // 2 - 3 : w // 2 + 3]
        assert mouth[:, 3].min() > 250
        np.testing.assert_allclose(mouth[:, :3].mean(0) / 255, COLOUR, atol=0.02)


def test_a_model_is_not_for_other_methods(model: Path) -> None:
    for name, method in (
        ("sync", "stabilized or stylelipsync or g4g or stylegan"),
        ("neutralize", "silent-lip or style-reference"),
    ):
        for option in ("model", "talker"):  # its former name
            with pytest.raises(UsageError, match=f"--model is for {name}'s method {method}, not for"):
                build_options(stages.load(name), {option: str(model)})


def test_a_source_that_is_none_is_an_input_error(tmp_path: Path, weights_folder: Path) -> None:
    """The video's digest, which chooses the model, is asked for before the inputs are checked."""
    for source in (tmp_path, tmp_path / "none.mp4", Path(__file__)):
        with pytest.raises(InputError):
            lipdub.dub(source, SPEECH, tmp_path / "out.mp4", recipe="stabilized")


@pytest.mark.usefixtures("weights_folder")
def test_the_restorer_is_one_that_is_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    small.publish(monkeypatch, tmp_path, *(small.entry(name) for name in ("vqfr-2", "gfpgan-1.4", "gfpgan-1.3")))
    source = small.saved(tmp_path / "mine.pth", {"state": small.state()})
    taken = []
    for name in (None, "gfpgan-1.3", "vqfr-2"):
        if name is not None:
            weights_store.WeightsStore().add(manifest.find_entry(name), source, own=True)
        taken.append(settled("auto", strength=0.5))
    assert [options.method for options in taken] == ["none", "gfpgan", "vqfr"]
    assert all(options.strength == 0.5 for options in taken)
    own = [type(METHODS.get(options.method).options()) for options in taken]
    assert [type(options.own) for options in taken] == own
    assert [getattr(options.own, "feather", None) for options in taken] == [None, FEATHER, FEATHER]


FEATHER = 0.07


def settled(method: str, commercial_safe: bool = False, **how: Any) -> EnhanceOptions:
    job = lipdub.engine.pipeline.make_job("video.mp4", None, None, options={}, commercial_safe=commercial_safe)
    options = build_options(stage.SPEC, {"method": method, **how}, inherited={"feather": FEATHER})
    return stage.SPEC.resolve(options, job, lambda: "")


@pytest.mark.usefixtures("weights_folder")
def test_the_restorer_is_one_that_may_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = small.saved(tmp_path / "fetched.pth", {"state": small.state()})
    small.publish(
        monkeypatch,
        tmp_path,
        small.entry("vqfr-2"),
        small.entry("gfpgan-1.4", commercial=True),
        small.entry("gfpgan-1.3"),
    )
    weights_store.WeightsStore().add(manifest.find_entry("vqfr-2"), source)
    assert settled("auto").method == "vqfr" and settled("auto", commercial_safe=True).method == "none"
    weights_store.WeightsStore().add(manifest.find_entry("gfpgan-1.4"), source)
    assert settled("auto").method == "vqfr" and settled("auto", commercial_safe=True).method == "gfpgan"
    weights_store.WeightsStore().add(manifest.find_entry("vqfr-2"), source, own=True)
    assert settled("auto", commercial_safe=True).method == "vqfr"  # the licence of one's own is one's own matter


def test_what_is_left_as_it_was_keeps_its_detail() -> None:
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (300, 260, 3), np.uint8)
    place = np.array([130.0, 150.0, 80.0, 0.2])
    before = compositing.crop_at(picture, place, SIZE)
    made = before.astype(np.float32) / 255
    back = compositing.composite_crop(picture, before, made, place)
    inside = back[..., 3] > 0.5
    np.testing.assert_allclose(back[inside][:, :3], picture[inside] / 255, atol=1e-3)
    painted = made.copy()
    painted[SIZE // 2 :] = (1.0, 0.0, 0.0)
    back = compositing.composite_crop(picture, before, painted, place)
    middle = back[205:225, 110:130]
    assert middle[..., 3].min() > 0.99 and np.abs(middle[..., :3] - (1, 0, 0)).mean() < 0.15


def test_sixteen_bits_are_kept() -> None:
    picture = np.random.default_rng(0).integers(0, 65536, (200, 200, 3)).astype(np.uint16)
    place = np.array([100.0, 100.0, 50.0, 0.0])
    before = compositing.crop_at(picture, place, SIZE)
    assert before.dtype == np.uint8
    back = compositing.composite_crop(picture, before, before.astype(np.float32) / 255, place)
    inside = back[..., 3] > 0.5
    np.testing.assert_allclose(back[inside][:, :3], picture[inside] / 65535, atol=3e-3)


def test_boxes_hold_the_crops() -> None:
    places = np.array([[100.0, 80.0, 20.0, 0.3], [np.nan] * 4, [5.0, 5.0, 20.0, 0.0], [-90.0, 50.0, 20.0, 0.0]])
    boxes = full_face.bound_crops(places, 200, 160)
    reach = full_face.measure_reach(places[0])
    assert (boxes[0, :2] <= [100 - reach, 80 - reach]).all() and (boxes[0, 2:] >= [100 + reach, 80 + reach]).all()
    assert not boxes[1].any() and boxes[2, :2].tolist() == [0, 0] and not boxes[3].any()
    assert (boxes[:, :2] % 2 == 0).all()


def test_networks_hear_see_and_shut() -> None:
    torch.manual_seed(0)
    sync, silent = AVSyncNet(HEARS).eval(), FaceGenerator(FaceGeneratorSize(24, 4, 8, 16)).eval()
    faces, mel = torch.rand(2, 3, 24, 24), torch.randn(2, 80, 16)
    with torch.no_grad():
        quiet = sync.audio_features(sync.make_silence(2))
        torch.testing.assert_close(SilentLip(silent, sync)(faces), silent(quiet, hide_lower_half(faces), faces))
        said = TalkingFace(silent, sync)(mel, faces, faces.flip(0))
        torch.testing.assert_close(said, silent(sync.audio_features(mel), hide_lower_half(faces), faces.flip(0)))
    crops = (faces * 255).round().byte().permute(0, 2, 3, 1).numpy()
    assert silent_lip.close_mouths(SilentLip(silent, sync).eval(), crops).shape == crops.shape


def test_a_generator_that_changes_faces_keeps_what_it_does_not_change() -> None:
    torch.manual_seed(0)
    sync = AVSyncNet(HEARS).eval()
    changes = FaceGenerator(FaceGeneratorSize(24, 4, 8, 16, draws_change=True)).eval()
    crops = np.random.default_rng(0).integers(0, 256, (3, 24, 24, 3), np.uint8)
    for layer in (changes.paint, changes.hue):
        torch.nn.init.zeros_(layer.weight)
    torch.nn.init.constant_(changes.paint.bias, -30.0)  # it covers nothing, and an untrained one does not move
    assert np.array_equal(silent_lip.close_mouths(SilentLip(changes, sync).eval(), crops), crops)
    torch.nn.init.constant_(changes.paint.bias, 30.0)
    drawn = silent_lip.close_mouths(SilentLip(changes, sync).eval(), crops)
    assert np.array_equal(drawn[:, :11], crops[:, :11]) and (drawn[:, 18, 12] != crops[:, 18, 12]).any()
