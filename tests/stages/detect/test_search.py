"""The search loop: what a detector is shown at the beginning of a chunk, at cuts, and in which batches."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from lipdub.engine.job import Job
from lipdub.faces.detectors.base import ClosingDetector
from lipdub.media.probe import probe
from lipdub.stages.base import StageContext
from lipdub.stages.detect import store as store_module
from lipdub.stages.detect.search import search_chunks
from lipdub.stages.detect.store import DetectArrays
from lipdub.workspace.stage_store import StageStore

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lipdub.arrays import F32, U8

FRAMES, CHUNK, CUT = 20, 8, 11


class Recorder(ClosingDetector):
    """Notes the greys it is shown, and marks each frame's face with its grey."""

    def __init__(self, warm_up: int, batch: int) -> None:
        self.warm_up, self.batch = warm_up, batch
        self.calls: list[Any] = []

    def reset(self) -> None:
        self.calls.append("reset")

    def detect(self, frames: Sequence[U8], is_cut: Sequence[bool]) -> list[list[F32]]:
        greys = [round(float(rgb.mean())) for rgb in frames]
        self.calls.append((greys, list(is_cut)))
        return [[np.full((478, 3), grey, np.float32)] for grey in greys]


@pytest.fixture
def context(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> StageContext:
    """A video whose frame i has the grey 2 i, and 100 more from the cut on."""
    monkeypatch.setattr(store_module, "CHUNK_FRAMES", CHUNK)
    path = tmp_path / "greys.mkv"
    with av.open(str(path), "w") as out:
        stream = out.add_stream("ffv1", rate=25)
        stream.width, stream.height, stream.pix_fmt = 64, 48, "bgr0"
        for i in range(FRAMES):
            frame = np.full((48, 64, 3), grey_of(i), np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())
    store = StageStore(tmp_path / "detect", "detect")
    return StageContext(Job(video=path), probe(path), store, {}, {}, threads=1)


def grey_of(index: int) -> int:
    return 2 * index + (100 if index >= CUT else 0)


def greys(first: int, stop: int) -> list[int]:
    return [grey_of(i) for i in range(first, stop)]


def search(context: StageContext, detector: Recorder, first: int, last: int) -> DetectArrays:
    arrays = DetectArrays(context.store, FRAMES, 2)
    search_chunks(context, detector, arrays, first, last)
    return arrays


def test_frames_before_a_chunk_are_shown_again_one_by_one(context: StageContext) -> None:
    detector = Recorder(warm_up=3, batch=1)
    search(context, detector, 0, 2)
    calls = detector.calls
    assert calls[:2] == ["reset", ([0], [False])]
    second = calls.index("reset", 1)
    shown = [call[0][0] for call in calls[second + 1 :] if call != "reset"]
    assert shown[: 3 + CHUNK] == greys(CHUNK - 3, 2 * CHUNK)
    cuts = [call[0][0] for call in calls if call != "reset" and call[1] == [True]]
    assert cuts == [grey_of(CUT)]


def test_a_detector_without_warm_up_gets_whole_batches(context: StageContext) -> None:
    detector = Recorder(warm_up=0, batch=5)
    search(context, detector, 0, 2)
    assert [call if call == "reset" else call[0] for call in detector.calls] == [
        "reset",
        greys(0, 5),
        greys(5, 8),
        "reset",
        greys(8, 13),
        greys(13, 16),
        "reset",
        greys(16, 20),
    ]
    assert detector.calls[4][1] == [False, False, False, True, False]


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(("warm_up", "batch"), [(3, 1), (0, 5), (2, 4)])
def test_a_pass_may_begin_at_any_chunk(context: StageContext, warm_up: int, batch: int) -> None:
    arrays = search(context, Recorder(warm_up, batch), 0, 2)
    whole = arrays.landmarks.read(0, FRAMES), arrays.changes.read(0, FRAMES)
    assert whole[0][:, 0, 0, 0].tolist() == greys(0, FRAMES)
    assert np.isnan(whole[0][:, 1]).all()
    assert whole[1][0] == 0
    assert np.argmax(whole[1]) == CUT
    for chunk in (1, 2):
        arrays.landmarks.file(chunk).unlink()
        arrays.changes.file(chunk).unlink()
    assert arrays.missing() == [1, 2]
    one, all_calls = Recorder(warm_up, batch), Recorder(warm_up, batch)
    search(context, one, 1, 2)
    search(context, all_calls, 0, 2)
    again = all_calls.calls[all_calls.calls.index("reset", 1) :]
    assert one.calls == again
    np.testing.assert_array_equal(arrays.landmarks.read(0, FRAMES), whole[0])
    np.testing.assert_array_equal(arrays.changes.read(0, FRAMES), whole[1])
