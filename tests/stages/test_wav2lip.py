"""The recipe `wav2lip` on the drawn sample, with weights of our own that were never trained."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

import lipdub
from lipdub.engine import checks
from lipdub.errors import WeightsError
from lipdub.faces import compositing, mesh
from lipdub.media.read import read_frames
from lipdub.stages.sync import wav2lip
from lipdub.stages.sync.generator import find_quarter_turns, turn_points
from lipdub.stages.sync.options import SyncOptions
from tests.sample import SPEECH, TALKER
from tests.stages.detect.test_turned import write_turned

END = 0.2  # seconds that are dubbed: the network is the published one, at its full size


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
def dubbed(weights: Path, short_talker: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("LIPDUB_WEIGHTS", str(weights))
        yield lipdub.dub(
            short_talker,
            SPEECH,
            tmp_path_factory.mktemp("dub") / "out.mkv",
            recipe="wav2lip",
            end=END,
            lossless=True,
            preset="ultrafast",
            length="shortest",
        )


@pytest.mark.slow
def test_the_result_says_whose_weights_it_was_made_with(dubbed: Any) -> None:
    assert dubbed.recipe == "wav2lip"
    assert any("not the published ones but a file of your own" in note for note in dubbed.notes)
    sync = next(stage for stage in dubbed.stages if stage.name == "sync")
    assert sync.summary["method"] == "wav2lip" and 2 <= sync.summary["dubbed"] <= 5


@pytest.mark.slow
@pytest.mark.parametrize("turns", [1, 2])
def test_the_network_sees_turned_people_upright(
    turns: int, weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It draws a green band on the chins of people as it sees them: the band is on the chins of people as they are."""
    seen = []

    def generate(network: Any, faces: list[np.ndarray], *rest: Any) -> np.ndarray:
        seen.extend(faces)
        made = np.zeros((len(faces), 96, 96, 3), np.float32)
        made[:, 84:, :, 1] = 1
        return made

    monkeypatch.setenv("LIPDUB_WEIGHTS", str(weights))
    monkeypatch.setattr(wav2lip, "generate", generate)
    shown = []
    for name, turned in (("upright", 0), ("turned", turns)):
        video = write_turned(tmp_path / f"{name}.mp4", turned)
        done = lipdub.dub(
            video, SPEECH, tmp_path / f"{name}.mkv", recipe="wav2lip", end=END, length="shortest", preset="ultrafast"
        )
        (frame, *_) = read_frames(done.out)
        shown.append(frame.picture.rgb().astype(int))
    upright, turned_face = seen[0].astype(int), seen[len(seen) // 2]
    assert abs(turned_face.shape[0] / turned_face.shape[1] - upright.shape[0] / upright.shape[1]) < 0.1
    resized = cv2.resize(turned_face, upright.shape[1::-1]).astype(int)
    assert np.abs(resized - upright).mean() < np.abs(resized[::-1] - upright).mean() / 2
    band, turned_band = (picture[..., 1] - picture[..., 0] > 60 for picture in (shown[0], np.rot90(shown[1], -turns)))
    assert band.sum() > 200
    assert (band & turned_band).sum() > 0.6 * max(band.sum(), turned_band.sum())


@pytest.mark.parametrize("turns", range(4))
def test_points_turn_as_pixels(turns: int) -> None:
    picture = np.zeros((5, 8))
    points = np.array([[1, 0], [7, 4], [2, 3]], np.float32)
    for x, y in points.astype(int):
        picture[y, x] = 1 + x
    turned = np.rot90(picture, turns)
    assert [turned[int(y), int(x)] for x, y in turn_points(points, 5, 8, turns)] == [2, 8, 3]


def test_turns_do_not_change_to_and_fro() -> None:
    angles = np.radians([0, 40, 55, 70, 50, 40, 20, 95, 180, 270, 350])
    points = np.zeros((len(angles), 478, 3), np.float32)
    points[:, mesh.FOREHEAD[0], 0], points[:, mesh.FOREHEAD[0], 1] = np.sin(angles), -np.cos(angles)
    points[4] = np.nan

    class Track:
        first, last = 3, 3 + len(angles) - 1

        def read(self, start: int, stop: int) -> np.ndarray:
            return points[start - 3 : stop - 3]

    track: Any = Track()
    assert find_quarter_turns(track).tolist() == [0, 0, 0, 1, 1, 1, 0, 1, 2, 3, 0]


def test_without_weights_it_says_where_to_get_them(weights_folder: Path, tmp_path: Path) -> None:
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


@pytest.mark.slow
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
