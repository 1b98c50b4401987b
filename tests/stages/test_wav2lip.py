"""The recipe `wav2lip` on the drawn sample, with weights of our own that were never trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import lipdub
from lipdub.engine import checks
from lipdub.errors import WeightsError
from lipdub.faces import compositing
from lipdub.media.read import read_frames
from lipdub.stages.paste_back import paste
from lipdub.stages.paste_back.options import PasteBackOptions
from lipdub.stages.sync import wav2lip
from lipdub.stages.sync.options import SyncOptions
from lipdub.workspace.stage_store import StageStore
from tests.sample import SPEECH, TALKER

END = 0.6  # seconds that are dubbed: the network is the published one, at its full size


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store with an untrained generator in the published form, given as one's own."""
    torch = pytest.importorskip("torch")
    from lipdub.networks.wav2lip import Wav2Lip
    from lipdub.weights import manifest
    from lipdub.weights import store as weights_store

    folder = tmp_path_factory.mktemp("weights")
    torch.manual_seed(0)
    state = {f"module.{name}": value for name, value in Wav2Lip().state_dict().items()}
    torch.save({"state_dict": state}, folder / "mine.pth")
    weights_store.WeightsStore(folder / "store").add(manifest.find_entry("wav2lip"), folder / "mine.pth", own=True)
    return folder / "store"


@pytest.fixture(scope="module")
def dubbed(weights: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIPDUB_WEIGHTS", str(weights))
        yield lipdub.dub(
            TALKER,
            SPEECH,
            tmp_path_factory.mktemp("dub") / "out.mkv",
            recipe="wav2lip",
            end=END,
            lossless=True,
            preset="ultrafast",
            length="shortest",
        )


def test_the_result_says_whose_weights_it_was_made_with(dubbed: Any) -> None:
    assert dubbed.recipe == "wav2lip"
    assert any("not the published ones but a file of your own" in note for note in dubbed.notes)
    sync = next(stage for stage in dubbed.stages if stage.name == "sync")
    assert sync.summary["method"] == "wav2lip" and 10 <= sync.summary["dubbed"] <= 15


def test_only_the_lower_face_is_changed_and_only_where_asked(dubbed: Any) -> None:
    sync, options = StageStore(dubbed.workspace / "sync", "sync"), PasteBackOptions()
    boxes = sync.open("boxes").read(0, len(sync.open("boxes")))
    for k, (before, after) in enumerate(zip(read_frames(TALKER), read_frames(dubbed.out), strict=False)):
        box, weight = paste.pasted_region(sync, k, options)
        assert tuple(boxes[k]) == box
        same = [np.array_equal(a, b) for a, b in zip(before.picture.planes, after.picture.planes, strict=True)]
        if box[2] <= box[0]:
            assert all(same) and float(before.time) >= END - 0.05
            continue
        assert not weight[: weight.shape[0] // 3].any()
        for a, b, mask in zip(
            before.picture.planes, after.picture.planes, before.picture.untouched_masks(box, weight), strict=True
        ):
            assert np.array_equal(a[mask], b[mask])
    assert float(before.time) > END


def test_a_second_run_reuses_everything_and_other_weights_only_redo_the_mouths(
    dubbed: Any, weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(weights))
    job = lipdub.Job(
        TALKER,
        SPEECH,
        out=dubbed.out,
        workspace=dubbed.workspace,
        recipe="wav2lip",
        options={"sync": {"end": END, "length": "shortest"}, "paste-back": {"lossless": True, "preset": "ultrafast"}},
    )
    assert all(stage.action == "reuse" for stage in lipdub.plan(job))
    other = weights / "other.pth"
    monkeypatch.setattr(wav2lip.Wav2Lip, "weight_files", lambda self, options: [other])
    other.write_bytes(b"other weights")
    planned = {stage.name: stage.action for stage in lipdub.plan(job)}
    other.unlink()
    assert planned["detect"] == planned["neutralize"] == "reuse" and planned["sync"] == planned["paste-back"] == "run"


def test_without_weights_it_says_where_to_get_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("LIPDUB_WEIGHTS", str(tmp_path / "empty"))
    with pytest.raises(WeightsError, match="are not in the store") as error:
        lipdub.dub(TALKER, SPEECH, tmp_path / "out.mp4", recipe="wav2lip")
    assert "lipdub weights pull wav2lip-gan" in str(error.value) and not (tmp_path / "out.mp4").exists()


def test_what_the_network_gives_lies_where_it_was_taken() -> None:
    """A network that gives back the unmasked half of its input: the crop is the picture, but for the resizing."""
    torch = pytest.importorskip("torch")

    class Copy(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

        def forward(self, mel: Any, face: Any) -> Any:
            assert mel.shape == (1, 1, 80, 16) and face.shape == (1, 6, 96, 96)
            assert not face[:, :3, 48:].any() and torch.equal(face[:, :3, :48], face[:, 3:, :48])
            return face[:, 3:] * self.scale

    y, x = np.mgrid[:120, :100]
    picture = np.stack([x * 2, y * 2, x + y], 2).astype(np.uint8)
    mel = np.zeros((80, 100), np.float32)
    (made,) = wav2lip.generate(Copy(), [picture], mel, np.array([0.4]))
    from lipdub.faces import landmarks

    face = landmarks.load_neutral_face()
    points = (face[:, :2] - face[:, :2].min(0)) / np.ptp(face[:, :2], 0) * [96, 116] + [2, 2]
    laid = compositing.composite_lower_face(picture, made, points, 1.0)
    assert np.abs(laid[..., :3].astype(int) - picture).max() <= 4
    assert laid[60:110, 30:70, 3].mean() > 200 and not laid[:60, :, 3].any() and not laid[-1, :, 3].any()
    half = compositing.composite_lower_face(picture, np.zeros_like(made), points, 0.5)
    assert np.abs(half[..., :3].astype(int) * 2 - picture).max() <= 1


def test_weights_of_ones_own_are_commercially_safe_and_published_ones_not(
    weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from lipdub.weights import store as weights_store

    monkeypatch.setenv("LIPDUB_WEIGHTS", str(weights))
    job = lipdub.Job(TALKER, SPEECH, out=tmp_path / "out.mkv", recipe="wav2lip", commercial_safe=True)
    assert lipdub.plan(job)
    paths = [*wav2lip.METHOD.weight_files(SyncOptions()), Path("elsewhere/wav2lip.pth")]
    assert [entry.name for entry in checks.check_weights(paths, commercial_safe=True)] == ["wav2lip"]
    monkeypatch.setattr(weights_store.WeightsStore, "is_own", lambda self, entry: False)
    assert checks.check_weights(paths, commercial_safe=False)
    with pytest.raises(WeightsError, match="wav2lip are not for commercial use"):
        checks.check_weights(paths, commercial_safe=True)
