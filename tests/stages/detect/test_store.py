"""The typed store of the detect stage, and the tracks written to it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.faces.landmarks import load_neutral_face
from lipdub.stages.detect.store import DetectArrays, DetectStore
from lipdub.stages.detect.tracks import find_faceless_spans, link_tracks
from lipdub.workspace.stage_store import StageStore

if TYPE_CHECKING:
    from pathlib import Path

FRAMES = 12
SIZE = (400, 200)
TIMES = 3.0 + 0.04 * np.arange(FRAMES)


@pytest.fixture
def detected(tmp_path: Path) -> DetectStore:
    """A face on the left in all frames but the last two, and one on the right from the fifth on."""
    store = StageStore(tmp_path / "detect", "detect")
    arrays = DetectArrays(store, FRAMES, 2)
    face = (40 * load_neutral_face()).astype(np.float32)
    points = np.full((FRAMES, 2, 478, 3), np.nan, np.float32)
    points[:10, 0] = face + np.array([100, 80, 0])
    points[4:, 1] = face + np.array([300, 80, 0])
    arrays.write(0, np.zeros(FRAMES, np.float32), points, np.full((FRAMES, 2, 6), np.nan, np.float32))
    return DetectStore(store, {"method": "toy", **link_tracks(arrays, TIMES, SIZE)}, lambda: TIMES)


def test_tracks_are_described(detected: DetectStore) -> None:
    assert detected.detector == "toy"
    assert detected.shots == [(0, FRAMES)]
    assert detected.slots == 2
    spans = [(t["id"], t["first"], t["last"], t["frames"]) for t in detected.tracks]
    assert spans == [(1, 0, 9, 10), (2, 4, 11, 8)]
    left, right = detected.tracks
    assert (left["start"], left["end"]) == pytest.approx((0.0, 0.36))
    assert right["x"] - left["x"] == pytest.approx(200, abs=0.1)
    assert left["yaw"] == pytest.approx([0, 0, 0], abs=2)
    assert detected.track(2) == right


def test_arrays_have_names_and_types(detected: DetectStore) -> None:
    assert detected.owners.dtype == np.int16
    assert detected.owners[:, 0].tolist() == [1] * 10 + [0] * 2
    assert detected.owners[:, 1].tolist() == [0] * 4 + [2] * 8
    poses = detected.read_poses()
    assert poses.shape == (FRAMES, 2, 3)
    assert np.isnan(poses[10:, 0]).all()


def test_the_landmarks_of_a_track(detected: DetectStore) -> None:
    landmarks = detected.landmarks(2)
    assert (landmarks.first, landmarks.last) == (4, 11)
    assert detected.interval == pytest.approx(0.04)
    points = landmarks.read(0, FRAMES)
    assert np.isnan(points[:4]).all()
    assert points[4:, :, 0].min() > 200


def test_faceless_spans() -> None:
    owners = np.array([[0, 0], [0, 0], [1, 0], [0, 2], [0, 0]], np.int16)
    assert find_faceless_spans(owners, 5.0 + np.arange(5)) == [[0.0, 1.0], [4.0, 4.0]]
