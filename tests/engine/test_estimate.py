"""What a run takes grows with the frames, their size, the speech and the face."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from lipdub.engine.estimate import estimate_cost, measure_megapixels
from lipdub.media.probe import probe
from tests.sample import TALKER

if TYPE_CHECKING:
    from lipdub.media.probe import VideoFacts


@pytest.fixture
def video() -> VideoFacts:
    """Facts of the drawn sample."""
    facts = probe(TALKER).video
    assert facts is not None
    return facts


def test_larger_frames_take_more_of_all(video: VideoFacts) -> None:
    small = estimate_cost(video, 0.0, 0.0)
    large = estimate_cost(replace(video, width=2 * video.width, height=2 * video.height), 0.0, 0.0)
    assert measure_megapixels(video) == pytest.approx(video.width * video.height / 1e6)
    assert all(large[name] > small[name] > 0 for name in ("seconds", "disk_mb", "memory_mb"))


def test_a_longer_speech_takes_longer(video: VideoFacts) -> None:
    short = estimate_cost(video, 1.0, 0.0)
    assert short == estimate_cost(video, 0.0, 0.0)  # the picture is longer
    long = estimate_cost(video, 60.0, 0.0)
    assert long["seconds"] > 5 * short["seconds"]
    assert long["memory_mb"] == short["memory_mb"]


def test_a_larger_face_takes_more_space(video: VideoFacts) -> None:
    none, large = estimate_cost(video, 0.0, 0.0), estimate_cost(video, 0.0, 300.0**2)
    assert large["disk_mb"] > none["disk_mb"]
    assert large["seconds"] == none["seconds"]
