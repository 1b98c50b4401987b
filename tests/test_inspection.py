"""What `lipdub inspect` finds out: facts, shots, faces, spans; on clips made here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import pytest

from lipdub.engine import inspection
from lipdub.engine.inspection import inspect
from lipdub.errors import InputError
from lipdub.media.read import read_frames
from tests.sample import SPEECH, TALKER

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.progress import Event


@pytest.fixture(scope="module")
def talker() -> list[np.ndarray]:
    """Some frames of the drawn talker, small."""
    return [cv2.resize(f.picture.rgb(), (256, 256)) for f in read_frames(TALKER, 30, 60)]


def _write(path: Path, frames: list[np.ndarray], rate: int = 25) -> Path:
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"crf": "20", "preset": "ultrafast", "g": "10"})
        stream.height, stream.width = frames[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            out.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        out.mux(stream.encode())
    return path


def _wall(count: int, level: int = 90) -> list[np.ndarray]:
    noise = np.random.default_rng(level).integers(0, 12, (256, 256, 3), dtype=np.uint8)
    return [noise + np.uint8(level)] * count


def test_a_talker_then_a_wall(tmp_path: Path, talker: list[np.ndarray]) -> None:
    events: list[Event] = []
    found = inspect(
        _write(tmp_path / "a.mp4", talker + _wall(20)), sheet=tmp_path / "sheet.png", progress=events.append
    )
    assert found["exact"] and found["sampled"] == 50
    assert (found["video"]["fps"], found["video"]["fps_kind"]) == (25.0, "constant")
    assert found["shots"] == [[0.0, 1.2], [1.2, 2.0]]
    assert [(t["start"], t["end"]) for t in found["tracks"]] == [(0.0, 1.2)]
    track = found["tracks"][0]
    assert 25 < track["mouth_px"] < 50 and track["mouth_moves"] and track["profile_share"] == 0
    assert found["faceless"] == [[1.2, 2.0]]
    assert found["usable"] is True
    assert found["estimate"]["seconds"] > 0
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None and sheet.shape[0] > 250
    assert events[-1].kind == "done"


def test_a_long_video_is_sampled(tmp_path: Path, talker: list[np.ndarray], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspection, "MAX_EXACT_WORK", 0.0)
    monkeypatch.setattr(inspection, "SAMPLE_COUNT", 12)
    found = inspect(_write(tmp_path / "a.mp4", talker * 2 + _wall(60)))
    assert not found["exact"]
    assert 8 <= found["sampled"] <= 12
    assert len(found["shots"]) == 2
    assert found["shots"][1][0] == pytest.approx(2.4, abs=0.5)
    assert len(found["tracks"]) == 1
    assert len(found["faceless"]) == 1


def test_no_face_is_told(tmp_path: Path) -> None:
    found = inspect(_write(tmp_path / "wall.mp4", _wall(12)), sheet=tmp_path / "s.png")
    assert found["tracks"] == [] and found["usable"] is False
    assert found["faceless"] == [[0.0, 0.48]]
    assert any("No face" in note for note in found["notes"])


def test_a_still_picture(tmp_path: Path, talker: list[np.ndarray]) -> None:
    cv2.imwrite(str(tmp_path / "face.png"), talker[0][..., ::-1])
    found = inspect(tmp_path / "face.png")
    assert found["video"]["fps_kind"] == "still"
    assert len(found["tracks"]) == 1
    assert any("still picture" in note for note in found["notes"])


def test_two_faces_at_once(tmp_path: Path, talker: list[np.ndarray]) -> None:
    found = inspect(_write(tmp_path / "two.mp4", [np.hstack([f, f[:, ::-1]]) for f in talker[:16]]))
    assert len(found["tracks"]) == 2
    assert {t["share"] for t in found["tracks"]} == {1.0}
    assert any("--face" in note for note in found["notes"])


def test_a_hand_before_the_mouth_is_guessed(tmp_path: Path, talker: list[np.ndarray]) -> None:
    covered = []
    for i, frame in enumerate(talker):
        picture = frame.copy()
        if 20 <= i < 26:
            cv2.rectangle(picture, (90, 148), (170, 210), (60, 90, 190), -1)
        covered.append(picture)
    found = inspect(_write(tmp_path / "hand.mp4", covered))
    # either the mesh is lost there or the colour gives it away
    hidden = found["covered"] + found["faceless"]
    assert any(0.7 < a < 1.05 for a, _ in hidden)
    assert all(a > 0.7 for a, _ in hidden)


def test_the_speech_is_told_about(tmp_path: Path, talker: list[np.ndarray]) -> None:
    found = inspect(_write(tmp_path / "a.mp4", talker[:10]), speech=SPEECH)
    assert found["speech"]["duration"] == pytest.approx(4.23, abs=0.02)
    assert found["speech"]["silent_share"] < 0.3
    assert any("longer than the video" in note for note in found["notes"])


def test_bad_input_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        inspect(tmp_path / "missing.mp4")
    with pytest.raises(InputError):
        inspect(SPEECH)
