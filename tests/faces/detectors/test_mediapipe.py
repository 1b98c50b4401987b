"""MediaPipe's detector: small faces, how often they are looked for, and when its graph starts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import cv2
import numpy as np
import pytest

from lipdub.faces.detectors.mediapipe import RETRY_INTERVAL, MediaPipeDetector, _Graph
from lipdub.faces.detectors.meshes import measure_oval
from lipdub.media.read import read_frames
from tests.sample import TALKER

if TYPE_CHECKING:
    from collections.abc import Sequence

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

    class Counting(MediaPipeDetector):
        def _locate_small_faces(self, rgb: U8) -> list[tuple[float, float, float]]:
            searched.append(int(rgb[0, 0, 0]))
            return super()._locate_small_faces(rgb)

    frames: Sequence[U8] = [np.full((90, 120, 3), i, np.uint8) for i in range(8)]
    with Counting() as detector:
        assert detector.detect(frames, [False] * 8) == [[]] * 8
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
