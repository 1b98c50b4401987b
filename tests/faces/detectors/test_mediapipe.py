"""MediaPipe's detector: small faces, how often they are looked for, and when its graph starts."""

from __future__ import annotations

import subprocess
import sys
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from lipdub.faces import mesh
from lipdub.faces.detectors.mediapipe import (
    RETRY_INTERVAL,
    MediaPipeDetector,
    _Graph,
    _UprightDetector,
)
from lipdub.faces.detectors.meshes import measure_mesh_tilt, measure_oval
from lipdub.media.read import read_frames
from tests.sample import TALKER

if TYPE_CHECKING:
    from lipdub.arrays import U8


@pytest.fixture(scope="module")
def talker() -> U8:
    """A frame of the drawn talker."""
    rgb: U8 = next(iter(read_frames(TALKER, 0, 1))).picture.rgb()
    return rgb


def test_a_small_face_is_found_where_it_is(talker: U8) -> None:
    picture = np.full((720, 1280, 3), 110, np.uint8)
    picture[300:380, 900:980] = cv2.resize(talker, (80, 80), interpolation=cv2.INTER_AREA)
    with MediaPipeDetector(1) as detector:
        found = detector.detect([picture] * 2, [False] * 2)
    assert [len(faces) for faces in found] == [1, 1]
    x, y, size = measure_oval(found[1][0])
    assert (x, y) == pytest.approx((940, 340), abs=6)
    assert 28 < size < 48


def test_empty_frames_are_searched_for_small_faces_now_and_then() -> None:
    searched: list[int] = []

    class Counting(_UprightDetector):
        def _locate_small_faces(self, rgb: U8) -> list[tuple[float, float, float]]:
            searched.append(int(rgb[0, 0, 0]))
            return super()._locate_small_faces(rgb)

    detector = Counting(max_faces=4)
    assert [detector.detect(np.full((90, 120, 3), i, np.uint8)) for i in range(8)] == [[]] * 8
    detector.close()
    assert searched == list(range(0, 8, RETRY_INTERVAL))


def test_a_graph_starts_when_it_is_used_and_resets_before_the_next_picture() -> None:
    calls: list[str] = []

    class Solution:
        def reset(self) -> None:
            calls.append("reset")

        def process(self, rgb: U8) -> str:
            calls.append("process")
            return "result"

        def close(self) -> None:
            calls.append("close")

    def start(solutions: Any) -> Solution:
        calls.append("start")
        return Solution()

    graph = _Graph(start)
    graph.reset()
    graph.close()
    assert calls == []
    rgb = np.zeros((4, 4, 3), np.uint8)
    assert graph.process(rgb) == "result"
    graph.reset()
    graph.reset()
    assert calls == ["start", "process"]
    graph.process(rgb)
    graph.close()
    graph.close()
    assert calls == ["start", "process", "reset", "process", "close"]


def draw_tilted(talker: U8, degrees: float) -> U8:
    """The talker's frame, turned counterclockwise about the middle of a larger grey picture."""
    side = int(np.hypot(*talker.shape[:2])) // 2 * 2
    matrix = cv2.getRotationMatrix2D((talker.shape[1] / 2, talker.shape[0] / 2), degrees, 1.0)
    matrix[:, 2] += side / 2 - np.array(talker.shape[1::-1]) / 2
    picture: U8 = cv2.warpAffine(talker, matrix, (side, side), borderValue=(110, 110, 110))
    return picture


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize("degrees", range(0, 360, 45))
def test_turned_people_are_found_the_way_up_they_are(talker: U8, degrees: int) -> None:
    picture = draw_tilted(talker, degrees)
    with MediaPipeDetector(1) as detector:
        (upright,) = detector.detect([draw_tilted(talker, 0)], [True])[0]
        found = detector.detect([picture] * 3, [True, False, False])
        assert [len(faces) for faces in found] == [1, 1, 1]
        assert detector.check(picture, found[2][0]).is_sure
    back = cv2.getRotationMatrix2D((picture.shape[1] / 2, picture.shape[0] / 2), -degrees, 1.0)
    for (face,) in found:
        points = face[:, :2] @ back[:, :2].T + back[:, 2]
        size = measure_oval(upright)[2]
        assert np.median(np.hypot(*(points - upright[:, :2]).T)) < 0.05 * size
        assert (measure_mesh_tilt(face) + degrees - measure_mesh_tilt(upright) + 180) % 360 - 180 == pytest.approx(
            0, abs=8
        )


def test_a_mesh_on_no_face_is_seen(talker: U8) -> None:
    with MediaPipeDetector(1) as detector:
        (face,) = detector.detect([talker], [True])[0]
        scores = detector.check(talker, face)
        assert scores.is_face and scores.is_sure
        x, y, size = measure_oval(face)
        for wrong in (face + np.float32([0, -0.5 * size, 0]), np.float32([2 * x, 2 * y, 0]) - face * [1, 1, -1]):
            assert not detector.check(talker, wrong.astype(np.float32)).is_face
        assert not detector.check(np.full_like(talker, 120), face).is_face


def test_a_mask_before_the_mouth_is_seen(talker: U8) -> None:
    with MediaPipeDetector(1) as detector:
        (face,) = detector.detect([talker], [True])[0]
        masked = talker.copy()
        nose_and_jaw = np.round(face[[*mesh.JAW, 5], :2]).astype(np.int32)
        cv2.fillPoly(masked, [nose_and_jaw], (150, 190, 210))
        scores = detector.check(masked, face)
        assert not scores.has_mouth and not scores.is_face
        assert detector.check(cv2.GaussianBlur(talker, (0, 0), 3), face).has_mouth
        assert detector.check((talker * 0.25).astype(np.uint8), face).is_face


@pytest.mark.parametrize("shape", [(40_000, 2), (2, 40_000), (1, 1)])
def test_a_picture_too_thin_for_a_face_has_none(shape: tuple[int, int]) -> None:
    with MediaPipeDetector() as detector:
        assert detector.detect([np.full((*shape, 3), 128, np.uint8)], [True]) == [[]]


START = """
import sys
started = []
sys.addaudithook(lambda event, arguments: started.append(event) if event == "subprocess.Popen" else None)
from lipdub.faces.detectors.mediapipe import _load_solutions
_load_solutions().face_mesh.FaceMesh
print(started, sorted({"matplotlib", "sounddevice", "mediapipe.tasks.python.vision"} & set(sys.modules)))
import mediapipe
print(mediapipe.tasks.vision.FaceLandmarker.__name__)
"""


@pytest.mark.slow
def test_mediapipe_loads_without_what_it_is_not_used_for() -> None:
    """Its sound library would start a compiler, and its plotting library takes longer than all of the rest."""
    done = subprocess.run([sys.executable, "-c", START], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["[]", "[]", "FaceLandmarker"]  # the tasks are there when they are asked for
