"""The recipe `stylelipsync` on the drawn sample, with a small model that is filled by rule."""

from __future__ import annotations

import shutil
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

torch = pytest.importorskip("torch")

import lipdub
from lipdub.errors import UsageError, WeightsError
from lipdub.faces.masks import MASKS
from lipdub.media.read import read_frames
from lipdub.networks.style_lip_sync import StyleLipSync
from lipdub.stages import style_lip_sync
from lipdub.stages.paste_back import paste
from lipdub.stages.paste_back.options import PasteBackOptions
from lipdub.stages.sync import stylelipsync
from lipdub.stages.sync.plan import FacePlan, list_shots
from lipdub.stages.sync.store import CropStore
from lipdub.weights import style_lip_sync_file, user_models
from lipdub.weights.style_lip_sync_file import FAMILY, StyleLipSyncModel
from lipdub.workspace.keys import digest_file
from lipdub.workspace.stage_store import StageStore
from tests.sample import SPEECH
from tests.stages import tiny_networks

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow_fixtures("dubbed")

END = 0.6  # seconds that are dubbed


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("models") / "small.safetensors"
    return style_lip_sync_file.save(path, tiny_networks.stylelipsync_model())


def dub(video: Path, folder: Path, model: Path, **options: Any) -> lipdub.Result:
    given = {"end": END, "lossless": True, "preset": "ultrafast", "length": "shortest", **options}
    return lipdub.dub(
        video, SPEECH, folder / "out.mkv", recipe="stylelipsync", enhance="none", model=model, overwrite=True, **given
    )


@pytest.fixture(scope="module")
def dubbed(model: Path, short_talker: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    return dub(short_talker, tmp_path_factory.mktemp("dub"), model)


def open_codes(result: Any, stage: str, name: str) -> Any:
    array = StageStore(result.workspace / stage, stage).open(name)
    return array.read(0, len(array))


def read_kept(result: Any) -> Any:
    return open_codes(result, f"kept/{stylelipsync.KEPT}", "audio")


def plan(track: list[int], amount: list[float]) -> FacePlan:
    n, zeros = len(track), np.zeros(len(track))
    return FacePlan(
        source=zeros.astype(np.int32),
        pts=zeros.astype(np.int64),
        time=zeros,
        track=np.array(track, np.int16),
        amount=np.array(amount, np.float32),
        box=np.zeros((n, 4), np.int32),
        turns=zeros.astype(np.int8),
    )


def test_the_result_says_what_drew_it(dubbed: Any) -> None:
    assert dubbed.recipe == "stylelipsync"
    assert any("small.safetensors: filled by rule" in note for note in dubbed.notes)
    assert any("64 pixels a face" in note and "--enhance" in note for note in dubbed.notes)
    methods = [stage.summary.get("method") for stage in dubbed.stages]
    assert methods[1:4] == ["style-reference", "stylelipsync", "none"]


def test_only_what_the_mask_hides_is_changed(short_talker: Path, dubbed: Any) -> None:
    sync, options = StageStore(dubbed.workspace / "sync", "sync"), PasteBackOptions()
    changed = 0
    for k, (before, after) in enumerate(zip(read_frames(short_talker), read_frames(dubbed.out), strict=False)):
        box, weight = paste.pasted_region(CropStore(sync), k, options)
        if box[2] <= box[0]:
            assert all(np.array_equal(a, b) for a, b in zip(before.picture.planes, after.picture.planes, strict=True))
            continue
        for a, b, mask in zip(
            before.picture.planes, after.picture.planes, before.picture.untouched_masks(box, weight), strict=True
        ):
            assert np.array_equal(a[mask], b[mask])
        changed += int(any((a != b).any() for a, b in zip(before.picture.planes, after.picture.planes, strict=True)))
    assert changed >= 10


def test_latents_are_those_of_the_equations(dubbed: Any, model: Path) -> None:
    network = style_lip_sync_file.load(model).network
    reference = open_codes(dubbed, "neutralize", "code-1")
    audio, codes = read_kept(dubbed), open_codes(dubbed, "sync", "codes")
    shown = np.flatnonzero(open_codes(dubbed, "sync", "amount") > 0)
    with torch.inference_mode():
        wanted = network.smooth_codes(torch.from_numpy(reference), torch.from_numpy(audio[shown])[None])[0]
    np.testing.assert_allclose(codes[shown], wanted.numpy(), atol=1e-4)
    assert np.abs(np.diff(audio[shown], axis=0)).max() > 1e-3, "it hears"
    assert not codes[np.setdiff1d(np.arange(len(codes)), shown)].any()
    face = StageStore(dubbed.workspace / "neutralize", "neutralize").open("reference-1").read(0, 1)[0]
    np.testing.assert_allclose(style_lip_sync.encode_reference(network, face), reference[0], atol=1e-4)


def test_strength_is_a_dial_in_latent_space(
    model: Path, short_talker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = dub(short_talker, tmp_path, model)
    loud, kept = open_codes(first, "sync", "codes"), read_kept(first)
    heard = []
    monkeypatch.setattr(stylelipsync, "_hear", lambda *_: heard.append(1))
    still = dub(short_talker, tmp_path, model, strength=0.0)
    assert not heard, "the sound's codes are those of the first run"
    assert [stage.action for stage in still.stages][:2] == ["reuse", "reuse"] and still.stages[2].action == "run"
    assert np.array_equal(read_kept(still), kept)
    codes = open_codes(still, "sync", "codes")
    shown = np.flatnonzero(open_codes(still, "sync", "amount") > 0)
    assert np.abs(np.diff(codes[shown], axis=0)).max() < 1e-5 < np.abs(np.diff(loud[shown], axis=0)).max()
    box = dub(short_talker, tmp_path, model, strength=0.0, mask="box")
    assert not heard and box.stages[2].action == "run"
    feathered = dub(short_talker, tmp_path, model, strength=0.0, mask="box", feather=0.1)
    assert [stage.action for stage in feathered.stages][:4] == ["reuse"] * 4


def test_lost_latents_are_made_again(dubbed: Any, model: Path, short_talker: Path, tmp_path: Path) -> None:
    first = dub(short_talker, tmp_path, model)
    kept = read_kept(first)
    chunk = next((first.workspace / "kept" / stylelipsync.KEPT / stylelipsync.AUDIO_CODES).rglob("c.0*"))
    chunk.write_bytes(b"damaged")
    again = dub(short_talker, tmp_path, model, strength=1.5)
    assert np.array_equal(read_kept(again), kept)


def test_both_stages_need_one_model(dubbed: Any, short_talker: Path, tmp_path: Path) -> None:
    size = tiny_networks.stylelipsync_size()
    narrower = StyleLipSync(replace(size, decoder=replace(size.decoder, style_dim=4)))
    other = style_lip_sync_file.save(tmp_path / "other.safetensors", StyleLipSyncModel(narrower))
    copy = shutil.copytree(dubbed.workspace, tmp_path / "copy")
    given = {"method": "stylelipsync", "end": END, "length": "shortest", "workspace": copy}
    with pytest.raises(UsageError, match="the model takes"):
        lipdub.sync(short_talker, SPEECH, model=other, **given)


def test_another_mask_hides_something_else(short_talker: Path, model: Path, dubbed: Any, tmp_path: Path) -> None:
    of_box = dub(short_talker, tmp_path, model, mask="box")
    sync = [StageStore(result.workspace / "sync", "sync") for result in (dubbed, of_box)]
    masks = [store.open("crops").read(3, 4)[0, ..., 3] > 0 for store in sync]
    assert (masks[0] != masks[1]).mean() > 0.02


def test_codes_are_smoothed_over_runs_of_one_track() -> None:
    shown = plan([1, 1, 1, 2, 2, 2, 1, 1], [1, 1, 0, 0, 1, 1, 0.5, 1])
    assert list(list_shots(shown)) == [slice(0, 2), slice(4, 6), slice(6, 8)]
    assert list(list_shots(plan([3], [1]))) == [slice(0, 1)]
    assert list(list_shots(plan([3, 3], [0, 0]))) == []


def test_smoothing_in_chunks_has_no_seam(
    model: Path, dubbed: Any, short_talker: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stylelipsync, "CHUNK", 5)
    in_chunks = dub(short_talker, tmp_path, model)
    np.testing.assert_allclose(open_codes(in_chunks, "sync", "codes"), open_codes(dubbed, "sync", "codes"), atol=1e-5)


def test_motion_is_scaled_about_silence() -> None:
    rng = np.random.default_rng(2)
    audio, silence = rng.standard_normal((3, 4, 5)).astype(np.float32), rng.standard_normal((4, 5)).astype(np.float32)
    assert np.array_equal(style_lip_sync.scale_motion(audio, silence, 0.0), np.broadcast_to(silence, audio.shape))
    np.testing.assert_allclose(style_lip_sync.scale_motion(audio, silence, 1.0), audio, atol=1e-6)
    twice = style_lip_sync.scale_motion(audio, silence, 2.0)
    np.testing.assert_allclose(twice - silence, 2 * (audio - silence), atol=1e-5)


def test_a_difference_needs_its_model_and_is_found_by_the_video(
    model: Path, short_talker: Path, weights_folder: Path, tmp_path: Path
) -> None:
    kept = user_models.add_model(FAMILY, model, "base")
    adapted = style_lip_sync_file.load(model)
    with torch.no_grad():
        adapted.network.decoder.to_rgb1.bias += 0.5
    adapted = replace(adapted, notes={"remark": "adapted"})
    small = style_lip_sync_file.save_adapted(tmp_path / "mine.safetensors", kept, adapted)
    user_models.add_model(FAMILY, small, "mine", video_digest=digest_file(short_talker))
    found = style_lip_sync.model_files(str(user_models.find(FAMILY, None, digest_file(short_talker)).path))
    assert [path.name for path in found] == ["mine.safetensors", "base.safetensors"]
    assert style_lip_sync.face_pixels(str(small)) == tiny_networks.STYLE_PIXELS
    assert style_lip_sync.read_mask(str(small)) in MASKS
    kept.unlink()
    with pytest.raises(WeightsError, match="no longer here"):
        style_lip_sync_file.load(small)
