"""score on a real small run, on doctored results, and against truths."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import av
import cv2
import numpy as np
import pytest

import lipdub
from lipdub.errors import InputError, UsageError
from lipdub.media.audio import load_audio
from lipdub.media.read import read_frames
from lipdub.metrics import colour_step, seam
from lipdub.scoring.options import ScoreOptions
from lipdub.scoring.score import score, score_with_report
from lipdub.weights.store import VerifiedWeights, WeightsStore
from tests.sample import SPEECH, TALKER
from tests.sounds import write_wav

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.progress import Event
    from lipdub.scoring.rows import Score

pytestmark = pytest.mark.slow_fixtures("run")


def _write(path: Path, frames: list[np.ndarray], *, rate: int = 25, pix_fmt: str = "yuv420p") -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"qp": "0", "preset": "ultrafast"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = pix_fmt
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())
    return path


def _sound(path: Path, seconds: float) -> Path:
    sound = load_audio(SPEECH)[: int(seconds * 16000)]
    write_wav(path, np.concatenate([sound, np.zeros(12000, np.float32)]))
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with source.mp4, speech.wav, dub.mp4 (lossless) and its workspace."""
    folder = tmp_path_factory.mktemp("score")
    frames = [cv2.resize(f.picture.rgb(), (256, 256)) for f in read_frames(TALKER, 8, 52)]
    _write(folder / "source.mp4", frames)
    _sound(folder / "speech.wav", 1.1)
    lipdub.dub(
        folder / "source.mp4",
        folder / "speech.wav",
        folder / "dub.mp4",
        workspace=folder / "work",
        lossless=True,
    )
    return folder


def _values(scores: Score) -> dict[str, Any]:
    return {row.id: row.value for row in scores.rows}


def test_a_lossless_run_changes_nothing_outside_the_mask(run: Path) -> None:
    events: list[Event] = []
    scores = score(run / "dub.mp4", workspace=run / "work", speech=run / "speech.wav", progress=events.append)
    values = _values(scores)
    assert values["unmasked_changed_samples"] == 0
    assert values["pts_max_error_ms"] == pytest.approx(0, abs=1e-6)
    assert values["opening_target_corr"] > 0.8 and values["opening_target_mae"] < 0.1
    assert values["faces"] == 1
    assert values["silence_motion_ratio"] < 1
    assert abs(values["seam"]) < seam.VISIBLE_AGAINST_SOURCE
    assert values["colour_step"] < colour_step.VISIBLE_AGAINST_SOURCE
    plain = scores.to_json()
    assert plain["schema"] == 3 and json.loads(json.dumps(plain, allow_nan=False)) == plain
    assert len(plain["series"]["time"]) == len(plain["series"]["target"]) == scores.frames
    assert events[-1].kind == "done"


@pytest.mark.slow
def test_one_touched_sample_is_found(run: Path, tmp_path: Path) -> None:
    doctored = tmp_path / "doctored.mp4"
    with av.open(str(doctored), "w") as out:
        stream = None
        for frame in read_frames(run / "dub.mp4"):
            planes = [plane.copy() for plane in frame.picture.planes]
            planes[0][0, 5] ^= 1 if frame.index == 7 else 0
            if stream is None:
                stream = out.add_stream("libx264", rate=25, options={"qp": "0", "preset": "ultrafast"})
                stream.height, stream.width = planes[0].shape
                stream.pix_fmt = "yuv420p"
            flat = np.concatenate([plane.ravel() for plane in planes]).reshape(-1, planes[0].shape[1])
            out.mux(stream.encode(av.VideoFrame.from_ndarray(flat, format="yuv420p")))
        assert stream is not None
        out.mux(stream.encode())
    row = score(doctored, workspace=run / "work").row("unmasked_changed_samples")
    assert row.value == 1
    assert "largest difference 1" in row.note


@pytest.mark.slow
def test_the_source_may_have_moved(run: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.mp4"
    moved.write_bytes((run / "source.mp4").read_bytes())
    assert score(run / "dub.mp4", workspace=run / "work", source=moved).row("unmasked_changed_samples").value == 0


@pytest.mark.slow
def test_a_clip_against_itself(run: Path) -> None:
    found = score(run / "dub.mp4", ground_truth=run / "dub.mp4")
    for end in ("", "_crop"):
        assert found.row(f"psnr{end}").value is None and "equal" in found.row(f"psnr{end}").note
        assert found.row(f"ssim{end}").value == pytest.approx(1.0, abs=1e-6)
        assert found.row(f"mse{end}").value == found.row(f"ifc{end}").value == 0
    assert found.row("lmd").value == found.row("f_lmd").value == found.row("lmd_eyes").value == 0
    assert found.row("lpips_crop").value is None and found.row("lpips_crop").note  # says what is missing


@pytest.mark.slow
def test_truth_a_little_off(run: Path, tmp_path: Path) -> None:
    frames = [np.clip(f.picture.rgb().astype(int) + 4, 0, 255).astype(np.uint8) for f in read_frames(run / "dub.mp4")]
    values = _values(score(run / "dub.mp4", ground_truth=_write(tmp_path / "off.mp4", frames)))
    assert 34 < values["psnr"] < 38 and 34 < values["psnr_crop"] < 38
    assert 0.97 < values["ssim"] < 1
    assert 10 < values["mse"] < 26
    assert values["lmd_eyes"] < 0.02


@pytest.mark.slow
def test_truth_of_another_size_is_refused(run: Path, tmp_path: Path) -> None:
    frames = [np.zeros((64, 64, 3), np.uint8)] * 5
    with pytest.raises(InputError, match="64x64"):
        score(run / "dub.mp4", ground_truth=_write(tmp_path / "small.mp4", frames))


@pytest.mark.slow
def test_any_video_is_held_against_its_own_sound_or_another(run: Path) -> None:
    own = score(run / "dub.mp4")
    assert any("own sound" in note for note in own.notes)
    given = score(run / "dub.mp4", speech=run / "speech.wav")
    assert given.row("av_sync").value == pytest.approx(own.row("av_sync").value, abs=0.05)
    late = score(run / "dub.mp4", speech=run / "speech.wav", offset=0.4)
    assert late.row("av_sync").value < given.row("av_sync").value - 0.3
    silent = score(run / "source.mp4")
    assert any("no sound" in note for note in silent.notes)
    assert "av_sync" not in _values(silent) and silent.row("cpbd").value is not None


@pytest.mark.slow
def test_a_planted_delay_of_the_sound_is_found(run: Path, tmp_path: Path) -> None:
    """The speech again and again, 4 s of it: the scorer on a dub, and on the same with its sound moved."""
    sound = np.tile(load_audio(SPEECH)[:16000], 4)
    write_wav(tmp_path / "four.wav", sound)
    made = lipdub.dub(run / "source.mp4", tmp_path / "four.wav", tmp_path / "four.mp4", length="speech")
    whole = score(made.out, speech=tmp_path / "four.wav")
    assert abs(whole.row("av_offset_ms").value) <= 40
    moved = score(made.out, speech=tmp_path / "four.wav", offset=0.2)
    apart = moved.row("av_offset_ms").value - whole.row("av_offset_ms").value
    assert apart == pytest.approx(-200, abs=40)


@pytest.mark.slow
def test_the_weakest_moments_come_with_pictures(run: Path) -> None:
    entry = score_with_report(run / "dub.mp4", ScoreOptions(workspace=run / "work"), pictures=True)
    assert entry.pictures and len(entry.pictures) == len(entry.score.moments) <= 10
    times = [m.time for m in entry.score.moments]
    assert all(abs(a - b) >= 0.8 for i, a in enumerate(times) for b in times[:i])
    for shown in entry.pictures:
        for picture in (shown.result, shown.source):
            assert picture is not None
            height, width = cv2.imdecode(np.frombuffer(picture, np.uint8), cv2.IMREAD_COLOR).shape[:2]
            assert height == 200 and width >= 200


def test_a_folder_that_is_no_workspace_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        score(run / "dub.mp4", workspace=tmp_path)


def test_a_missing_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        score(tmp_path / "none.mp4")


@pytest.mark.slow
def test_with_syncnets_weights_there_are_lse_rows_beside_the_real_videos(
    run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that sees the brightness of the crops stands in for SyncNet: the wiring, not the numbers."""
    torch = pytest.importorskip("torch")
    from lipdub.metrics import lse_video
    from lipdub.metrics.metric import MetricWeights

    class Small(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.scale = torch.nn.Parameter(torch.ones(1))

        def lips(self, clips: Any) -> Any:
            assert clips.shape[1:] == (3, 5, 224, 224)
            return clips.flatten(1).mean(1, keepdim=True).expand(-1, 4) * self.scale

        def sound(self, cepstra: Any) -> Any:
            assert cepstra.shape[1:] == (1, 13, 20)
            return cepstra.flatten(1).mean(1, keepdim=True).expand(-1, 4) * self.scale

    weights = MetricWeights(lse_video.WEIGHTS, lambda store: Small())
    for name in ("DISTANCE_METRIC", "CONFIDENCE_METRIC", "OFFSET_METRIC"):
        monkeypatch.setattr(lse_video, name, replace(getattr(lse_video, name), weights=weights))
    monkeypatch.setattr(
        WeightsStore, "verify", lambda self, entry: VerifiedWeights(entry, tmp_path, "0" * 64, own=True, since="today")
    )
    found = score(run / "dub.mp4", source=run / "dub.mp4")
    for name in ("lse_d", "lse_c", "lse_offset_ms"):
        row = found.row(name)
        assert row.value is not None and row.real_value == row.value, name
    assert any("a file of your own" in note for note in found.notes)
