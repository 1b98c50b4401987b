"""What `lipdub inspect` finds out: facts, shots, faces, spans; on clips made here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import pytest

import lipdub
from lipdub.engine import inspection
from lipdub.engine.inspection import inspect
from lipdub.errors import InputError, UsageError
from lipdub.faces.detectors import DETECTORS
from lipdub.faces.unit_selection import MIN_MOUTH_PX
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from lipdub.stages.visibility import profile_weights
from tests.engine import turning_detector
from tests.media.test_sample_formats import FEW, spoil, write_samples
from tests.sample import SPEECH, TALKER

if TYPE_CHECKING:
    from collections.abc import Iterator
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


def test_a_contact_sheet_of_an_unknown_ending_is_refused_first(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"cannot be written as \.pdf"):
        inspect(tmp_path / "there is none.mp4", sheet=tmp_path / "sheet.pdf")


@pytest.mark.slow
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
    assert found["estimate"]["recipe"] == "builtin"
    sheet = cv2.imread(str(tmp_path / "sheet.png"))
    assert sheet is not None and sheet.shape[0] > 250
    assert events[-1].kind == "done"


@pytest.mark.slow
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


@pytest.mark.slow
def test_two_faces_at_once(tmp_path: Path, talker: list[np.ndarray]) -> None:
    found = inspect(_write(tmp_path / "two.mp4", [np.hstack([f, f[:, ::-1]]) for f in talker[:16]]))
    assert len(found["tracks"]) == 2
    assert {t["share"] for t in found["tracks"]} == {1.0}
    assert any("--face" in note for note in found["notes"])


@pytest.mark.slow
def test_a_hand_before_the_mouth_is_guessed(tmp_path: Path, talker: list[np.ndarray]) -> None:
    covered = []
    for i, frame in enumerate(talker):
        picture = frame.copy()
        if 20 <= i < 26:
            cv2.rectangle(picture, (90, 148), (170, 210), (60, 90, 190), -1)
        covered.append(picture)
    found = inspect(_write(tmp_path / "hand.mp4", covered))
    assert found["covered"] == [[0.8, 1.04]]
    assert found["faceless"] == []


def test_odd_samples_of_the_speech_are_told(tmp_path: Path, talker: list[np.ndarray]) -> None:
    speech = write_samples(tmp_path / "s.wav", spoil(np.nan, FEW))
    found = inspect(_write(tmp_path / "a.mp4", talker[:10]), speech=speech)
    assert "8 of 8000 samples of the speech are not a number: they become silence." in found["notes"]


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


@pytest.fixture
def turning() -> Iterator[str]:
    """The name of a detector that sees faces turned by as many degrees as the picture is grey."""
    with DETECTORS.added("turning", turning_detector.PATH):
        yield "turning"


def _turned(path: Path, *yaws: int, side: int = 256) -> Path:
    """Ten frames of each yaw."""
    return _write(path, [np.full((side, side, 3), yaw, np.uint8) for yaw in yaws for _ in range(10)])


@pytest.mark.slow
def test_profiles_are_what_the_run_leaves_as_it_is(tmp_path: Path, turning: str) -> None:
    found = inspect(_turned(tmp_path / "a.mp4", 45, 60, 75, 20), detector=turning)
    assert found["profile"] == [[0.4, 1.2]]
    (track,) = found["tracks"]
    assert track["profile_share"] == 0.5
    assert track["yaw"] == pytest.approx([20, 52, 75], abs=3)
    assert any("turned by more than 52 degrees" in note for note in found["notes"])
    frames = np.array([face.yaw for face in _faces_of(tmp_path / "a.mp4", turning)])
    assert np.array_equal(profile_weights(frames) <= 0, np.repeat([False, True, True, False], 10))


def _faces_of(path: Path, detector: str) -> list[inspection._Face]:
    facts = probe(path).video
    assert facts is not None
    return inspection._read_samples(path, facts, detector, lambda event: None).faces


@pytest.mark.slow
def test_usable_is_what_gives_the_run_units(tmp_path: Path, turning: str) -> None:
    assert inspect(_turned(tmp_path / "a.mp4", 38, 30), detector=turning)["usable"]
    assert not inspect(_turned(tmp_path / "b.mp4", 44, 48), detector=turning)["usable"]


@pytest.mark.parametrize(("side", "is_small"), [(48, True), (64, False)])
def test_small_is_what_the_run_does_not_dub(tmp_path: Path, turning: str, side: int, is_small: bool) -> None:
    path = _turned(tmp_path / "a.mp4", 10, side=side)
    found = inspect(path, detector=turning)
    done = lipdub.detect(path, workspace=tmp_path / "job", threads=1, method=turning)
    width = done.summary["tracks"][0]["mouth_px"]
    assert found["tracks"][0]["mouth_px"] == pytest.approx(width, abs=0.2)
    assert (width < MIN_MOUTH_PX) == is_small
    assert (found["small"] != []) == is_small
    assert found["usable"] != is_small


@pytest.mark.slow
def test_tracks_and_sizes_are_those_of_the_detect_stage(tmp_path: Path, talker: list[np.ndarray]) -> None:
    path = _write(tmp_path / "a.mp4", [*talker, *_wall(10), *talker[::-1]])
    found = inspect(path)["tracks"]
    tracks = lipdub.detect(path, workspace=tmp_path / "job", threads=1).summary["tracks"]
    assert sorted((t["start"], t["samples"]) for t in found) == [(t["start"], t["frames"]) for t in tracks]
    for mine, theirs in zip(sorted(found, key=lambda t: t["start"]), tracks, strict=True):
        assert mine["face_px"] == pytest.approx(theirs["face_px"], rel=0.02)
        assert mine["yaw"] == pytest.approx(theirs["yaw"], abs=2)
