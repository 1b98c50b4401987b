"""Turned people are found as they are; what has no eyes and mouth in their places is no track, and that is said."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import numpy as np
import pytest

import lipdub
from lipdub.errors import InputError
from lipdub.faces import mesh
from lipdub.faces.detectors import DETECTORS
from lipdub.faces.detectors.base import Detector, DetectorSettings
from lipdub.faces.detectors.face_check import TRUSTED, FaceScores, median_scores
from lipdub.media.read import read_frames
from lipdub.stages.detect.search import CHECKED_AGES, FaceChecks
from lipdub.stages.detect.tracks import is_face
from lipdub.workspace.stage_store import StageStore
from tests.faces.toy_detector import ToyDetector
from tests.sample import TALKER

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lipdub.arrays import F32, U8

SIDE, FRAMES = 256, 6
FALSE = FaceScores(0.6, 0.7, 0.2, 0.1, 0.1, 0.0)


def write_turned(path: Path, turns: int) -> Path:
    """A short video of the drawn talker, turned by counterclockwise quarter turns."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "12", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = SIDE, SIDE, "yuv420p"
        for frame in read_frames(TALKER, 0, FRAMES):
            rgb = np.ascontiguousarray(np.rot90(frame.picture.rgb_small(SIDE), turns))
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(stream.encode(None))
    return path


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("turns", range(4))
def test_the_mouth_of_a_turned_person_is_found(tmp_path: Path, turns: int) -> None:
    video = write_turned(tmp_path / "turned.mp4", turns)
    done = lipdub.detect(video, workspace=tmp_path / "job", threads=1)
    assert [track["frames"] for track in done.summary["tracks"]] == [FRAMES]
    assert done.summary["false_tracks"] == [] and done.warnings == ()
    landmarks = StageStore(done.path, "detect").open("landmarks").read(0, FRAMES)
    mouth = landmarks[:, 0, list(mesh.LIPS), :2].mean((0, 1)) / SIDE
    upright = lipdub.detect(write_turned(tmp_path / "upright.mp4", 0), workspace=tmp_path / "other", threads=1)
    straight = StageStore(upright.path, "detect").open("landmarks").read(0, FRAMES)
    x, y = straight[:, 0, list(mesh.LIPS), :2].mean((0, 1)) / SIDE
    expected = {0: (x, y), 1: (y, 1 - x), 2: (1 - x, 1 - y), 3: (1 - y, x)}[turns]
    assert mouth == pytest.approx(expected, abs=0.02)
    yaw, pitch, roll = StageStore(done.path, "detect").open("pose").read(0, FRAMES)[0, 0]
    assert abs(yaw) < 25 and abs(pitch) < 25
    assert (roll + 90 * turns + 180) % 360 - 180 == pytest.approx(0, abs=20)


class DoubtedDetector(ToyDetector):
    """The toy detector, whose faces are none from a grey level on."""

    def check(self, rgb: U8, face: F32) -> FaceScores:
        """Doubt faces in bright pictures."""
        return FALSE if rgb.mean() > 150 else TRUSTED


def _build(settings: DetectorSettings) -> DoubtedDetector:
    return DoubtedDetector()


DETECTOR = Detector(name="doubted", summary="a face in the middle of every picture, false in bright ones", build=_build)


def write_greys(path: Path, greys: Sequence[int]) -> Path:
    """A video with a shot of 6 frames for each grey level."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"qp": "0", "preset": "ultrafast"})
        stream.width, stream.height, stream.pix_fmt = 256, 192, "yuv420p"
        for grey in np.repeat(greys, 6):
            rgb = np.full((192, 256, 3), grey, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(stream.encode(None))
    return path


@pytest.mark.slow
def test_false_tracks_pass_through_and_are_said(tmp_path: Path) -> None:
    with DETECTORS.added("doubted", f"{__name__}:DETECTOR"):
        video = write_greys(tmp_path / "greys.mp4", (220, 60))
        done = lipdub.detect(video, workspace=tmp_path / "job", threads=1, method="doubted")
        assert [(track["id"], track["first"], track["last"]) for track in done.summary["tracks"]] == [(1, 6, 11)]
        (false,) = done.summary["false_tracks"]
        assert (false["start"], false["end"]) == pytest.approx((0.0, 0.2))
        assert done.summary["faceless"] == [[0.0, pytest.approx(0.2)]]
        (warning,) = done.warnings
        assert "no eyes and mouth in their places" in warning and "passes through" in warning
        seen = lipdub.inspect(video, detector="doubted")
        assert [(track["id"], track["start"]) for track in seen["tracks"]] == [(1, pytest.approx(0.24, abs=0.05))]
        assert seen["false_faces"] == [[0.0, pytest.approx(0.2, abs=0.05)]]
        assert any("no eyes and mouth in their places" in note for note in seen["notes"])
        with pytest.raises(InputError, match=r"no face was found .* no eyes and mouth"):
            lipdub.detect(
                write_greys(tmp_path / "b.mp4", (220,)), workspace=tmp_path / "b", threads=1, method="doubted"
            )


def test_faces_are_checked_when_they_come_and_now_and_then() -> None:
    with ToyDetector() as detector:
        rgb = np.full((192, 256, 3), 100, np.uint8)
        (face,) = detector.detect([rgb], [False])[0]
        checks = FaceChecks(detector, 60, 2)
        for frame in range(60):
            checks.add(rgb, [face] if frame else [face + np.float32([90, 0, 0]), face], is_cut=frame == 0)
    checked = np.isfinite(checks.scores[..., 0])
    assert np.flatnonzero(checked[:, 1]).tolist() == [0]  # the second slot's face moves to the first one
    assert np.flatnonzero(checked[:, 0]).tolist() == list(CHECKED_AGES)


def test_a_track_is_judged_by_the_median_of_its_checks() -> None:
    scores = np.array([FALSE, TRUSTED, TRUSTED], np.float32)
    assert is_face(scores) and not is_face(scores[[0, 0, 1]])
    assert is_face(np.full((4, 6), np.nan, np.float32))
    assert median_scores(scores) == TRUSTED
