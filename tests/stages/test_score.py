"""score on a real small run, on doctored results, and against truths."""

from __future__ import annotations

import json
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
import pytest

import lipdub
from lipdub.errors import InputError, UsageError
from lipdub.media.audio import load_audio
from lipdub.media.read import read_frames
from lipdub.progress import Event
from lipdub.stages.score import _paired, score

SAMPLE = Path(__file__).resolve().parents[1] / "sample"


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
    import soundfile

    sound = load_audio(SAMPLE / "speech.wav")[: int(seconds * 16000)]
    soundfile.write(path, np.concatenate([sound, np.zeros(12000, np.float32)]), 16000)
    return path


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with source.mp4, speech.wav, dub.mp4 (lossless) and its workspace."""
    folder = tmp_path_factory.mktemp("score")
    frames = [cv2.resize(f.picture.rgb(), (256, 256)) for f in read_frames(SAMPLE / "talker.mp4", 8, 52)]
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


def _values(scores: dict[str, Any]) -> dict[str, Any]:
    return {row["metric"]: row["value"] for row in scores["rows"]}


def test_a_lossless_run_changes_nothing_outside_the_mask(run: Path) -> None:
    events: list[Event] = []
    scores = score(run / "dub.mp4", workspace=run / "work", speech=run / "speech.wav", progress=events.append)
    values = _values(scores)
    assert values["samples changed outside the mask"] == 0
    assert values["frame times: largest difference"] == pytest.approx(0, abs=1e-6)
    assert values["opening: wanted against achieved"] > 0.8
    assert abs(values["opening: lag of best agreement"]) <= 40
    assert values["frames with a face"] == 1
    assert values["opening: spread in silence"] < values["opening: spread"]
    assert scores["schema"] == 1
    assert json.loads(json.dumps(scores)) == scores
    assert events[-1].kind == "done"


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
    rows = score(doctored, workspace=run / "work")["rows"]
    (row,) = [row for row in rows if row["metric"] == "samples changed outside the mask"]
    assert row["value"] == 1
    assert "largest difference 1" in row["note"]


def test_the_source_may_have_moved(run: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved.mp4"
    moved.write_bytes((run / "source.mp4").read_bytes())
    assert (
        _values(score(run / "dub.mp4", workspace=run / "work", source=moved))[
            "samples changed outside the mask"
        ]
        == 0
    )


def test_truth_equal_to_the_result(run: Path) -> None:
    rows = {row["metric"]: row for row in score(run / "dub.mp4", truth=run / "dub.mp4")["rows"]}
    assert rows["PSNR"]["value"] is None and "equal" in rows["PSNR"]["note"]
    assert rows["SSIM"]["value"] == pytest.approx(1.0, abs=1e-6)


def test_truth_a_little_off(run: Path, tmp_path: Path) -> None:
    frames = [
        np.clip(f.picture.rgb().astype(int) + 4, 0, 255).astype(np.uint8)
        for f in read_frames(run / "dub.mp4")
    ]
    values = _values(score(run / "dub.mp4", truth=_write(tmp_path / "off.mp4", frames)))
    assert 34 < values["PSNR"] < 38
    assert 0.97 < values["SSIM"] < 1


def test_truth_of_another_size_is_refused(run: Path, tmp_path: Path) -> None:
    frames = [np.zeros((64, 64, 3), np.uint8)] * 5
    with pytest.raises(InputError, match="64x64"):
        score(run / "dub.mp4", truth=_write(tmp_path / "small.mp4", frames))


def test_speech_alone_gives_a_wanted_motion(run: Path) -> None:
    rows = score(run / "dub.mp4", speech=run / "speech.wav")["rows"]
    (row,) = [row for row in rows if row["metric"] == "opening: wanted against achieved"]
    assert row["value"] > 0.5 and "the speech" in row["note"]


def test_a_folder_that_is_no_workspace_is_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError):
        score(run / "dub.mp4", workspace=tmp_path)


def test_a_missing_result_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        score(tmp_path / "none.mp4")


class _Frame:
    def __init__(self, time: float) -> None:
        self.time = Fraction(time).limit_denominator(1000)


@pytest.mark.parametrize(
    ("result", "truth", "expected"),
    [
        ([0, 1, 2], [0, 1, 2], [0, 1, 2]),
        ([0, 1, 2, 3, 4], [0, 1, 2], [0, 1, 2]),
        ([0, 0.5, 1, 1.5, 2], [0, 1, 2], [0, 1, 1, 2, 2]),
        ([0, 2, 4], [0, 1, 2, 3, 4], [0, 2, 4]),
        ([5, 6], [0, 1], [0, 1]),
        ([0, 1], [], []),
    ],
)
def test_frames_are_paired_by_time(result: list[float], truth: list[float], expected: list[float]) -> None:
    pairs = list(_paired(iter(map(_Frame, result)), iter(map(_Frame, truth))))
    assert [float(right.time) for _, right in pairs] == expected
