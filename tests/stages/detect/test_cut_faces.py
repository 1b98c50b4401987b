"""Mouths at the border of the picture, and under covers that stay, pass through; half a face is no face upside down."""

from __future__ import annotations

from typing import TYPE_CHECKING

import av
import cv2
import numpy as np
import pytest

import lipdub
from lipdub.errors import InputError
from lipdub.faces import mesh
from lipdub.faces.detectors.face_check import TRUSTED, FaceScores, is_surely_turned
from lipdub.faces.detectors.mediapipe import MediaPipeDetector
from lipdub.faces.detectors.meshes import is_forehead_cut, is_mouth_inside
from lipdub.media.read import read_frames
from lipdub.stages.detect.tracks import FaceViews, find_false_frames
from tests.sample import TALKER

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from lipdub.arrays import F32, U8

SIDE, FRAMES = 256, 6


@pytest.fixture(scope="module")
def talker() -> U8:
    """A frame of the drawn talker."""
    rgb: U8 = next(iter(read_frames(TALKER, 0, 1))).picture.rgb_small(SIDE)
    return rgb


@pytest.fixture(scope="module")
def face(talker: U8) -> F32:
    """Its mesh."""
    with MediaPipeDetector(1) as detector:
        return detector.detect([talker], [True])[0][0]


def write(path: Path, draw: Callable[[U8, int], U8], frames: int = FRAMES) -> Path:
    """A short video of the drawn talker, each picture (256, 256, 3) and its number drawn over."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream("libx264", rate=25, options={"crf": "12", "preset": "ultrafast"})
        for i, frame in enumerate(read_frames(TALKER, 0, frames)):
            rgb = np.ascontiguousarray(draw(frame.picture.rgb_small(SIDE).copy(), i))
            if i == 0:
                stream.height, stream.width, stream.pix_fmt = *rgb.shape[:2], "yuv420p"
            out.mux(stream.encode(av.VideoFrame.from_ndarray(rgb, format="rgb24")))
        out.mux(stream.encode(None))
    return path


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("side", "turns"), [("below", 0), ("below", 1), ("left", 0), ("right", 0), ("below", 3), ("left", 1)]
)
def test_a_face_whose_mouth_the_border_cuts_is_refused(tmp_path: Path, face: F32, side: str, turns: int) -> None:
    x, y = face[list(mesh.LIPS_OUTER), :2].mean(0).astype(int) // 2 * 2

    def cut(rgb: U8, _: int) -> U8:
        part = {"below": rgb[:y], "left": rgb[:, x - 16 :], "right": rgb[:, : x + 16]}[side]
        return np.rot90(part, turns)

    with pytest.raises(InputError, match=r"no face was found .* (not wholly in the picture|eyes and mouth)"):
        lipdub.detect(write(tmp_path / "cut.mp4", cut), workspace=tmp_path / "job", threads=1)


def test_frames_whose_mouth_has_left_the_picture_pass_through(tmp_path: Path, face: F32) -> None:
    lips = face[list(mesh.LIPS_OUTER), 1]
    height = int(lips.max() + 40) // 2 * 2

    def scroll(rgb: U8, i: int) -> U8:
        shift = 6 * i
        return np.concatenate([rgb[:1].repeat(shift, 0), rgb])[:height]

    video = write(tmp_path / "falls.mp4", scroll, 16)
    done = lipdub.detect(video, workspace=tmp_path / "job", threads=1)
    (track,) = done.summary["tracks"]
    (cut,) = done.summary["cut_mouths"]
    assert track["first"] == 0 and 2 <= track["last"] <= 8
    assert cut["start"] == pytest.approx((track["last"] + 1) / 25) and cut["end"] == pytest.approx(0.6)
    assert done.summary["faceless"] == [[pytest.approx(cut["start"]), pytest.approx(0.6)]]
    (warning,) = done.warnings
    assert "not wholly in the picture: it passes through there" in warning
    seen = lipdub.inspect(video)
    assert seen["cut_mouths"] == [[pytest.approx(cut["start"], abs=0.05), pytest.approx(0.6, abs=0.05)]]
    assert any("not wholly in the picture" in note for note in seen["notes"])


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize("colour", [(0, 0, 0), (40, 70, 160), (90, 90, 90), (150, 190, 210)])
def test_a_bar_over_the_lower_lip_is_a_cover(talker: U8, face: F32, colour: tuple[int, int, int]) -> None:
    lips = face[list(mesh.LIPS_OUTER), :2]
    (left, top), (right, bottom) = lips.min(0).astype(int), lips.max(0).astype(int)
    middle = int(face[list(mesh.LIPS_INNER), 1].mean())
    barred = talker.copy()
    cv2.rectangle(barred, (left - 10, middle), (right + 10, bottom + (bottom - top)), colour, -1)
    with MediaPipeDetector(1) as detector:
        scores = detector.check(barred, face)
        assert scores.cover >= 1 and not scores.has_mouth and not scores.is_face
        for picture in (talker, (talker * 0.25).astype(np.uint8), talker.mean(2, keepdims=True).repeat(3, 2)):
            assert detector.check(picture.astype(np.uint8), face).cover < 0.8


def test_a_video_with_a_bar_over_the_lips_is_refused(tmp_path: Path, face: F32) -> None:
    lips = face[list(mesh.LIPS_OUTER), :2]
    (left, top), (right, bottom) = lips.min(0).astype(int), lips.max(0).astype(int)
    middle = int(face[list(mesh.LIPS_INNER), 1].mean())

    def cover(rgb: U8, _: int) -> U8:
        cv2.rectangle(rgb, (left - 10, middle), (right + 10, 2 * bottom - top), (0, 0, 0), -1)
        return rgb

    with pytest.raises(InputError, match="or something covers them"):
        lipdub.detect(write(tmp_path / "bar.mp4", cover), workspace=tmp_path / "job", threads=1)


def test_half_a_face_is_no_turned_face(face: F32) -> None:
    shape = SIDE, SIDE, 3
    assert is_surely_turned(TRUSTED, face, shape)
    assert not is_surely_turned(TRUSTED._replace(upright=0.85, turned=0.77), face, shape)
    cut = face - np.float32([0, face[10, 1] + 8, 0])
    assert is_forehead_cut(cut, SIDE, SIDE) and not is_forehead_cut(face, SIDE, SIDE)
    assert is_surely_turned(TRUSTED._replace(upright=0.9, turned=0.7), cut, shape)
    assert not is_surely_turned(TRUSTED._replace(upright=0.86, turned=0.75), cut, shape)
    low = face + np.float32([0, SIDE - face[list(mesh.LIPS_OUTER), 1].max(), 0])
    assert not is_mouth_inside(low, SIDE, SIDE) and not is_surely_turned(TRUSTED, low, shape)


def test_stretches_that_the_border_cuts_are_judged_by_themselves() -> None:
    doubtful = FaceScores(0.8, 0.72, 0.07, 0.1, 0.3, 0.4)
    checks = np.full((12, len(FaceScores._fields)), np.nan, np.float32)
    checks[[0, 2]], checks[[6, 9]] = TRUSTED, doubtful
    ones, zeros = np.ones(12, bool), np.zeros(12, bool)
    late = np.arange(12) >= 6
    assert not find_false_frames(checks, FaceViews(ones, ones, zeros)).any()
    assert find_false_frames(checks, FaceViews(~late, ones, late)).tolist() == late.tolist()
    assert not find_false_frames(checks, FaceViews(~late, ones, zeros)).any()
    assert not find_false_frames(checks, FaceViews(~late, ~late, late)).any()
