"""How far a face is dubbed: not in profile, fading in time where dubbing begins or ends inside a shot."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from lipdub.faces.talker_tables import MotionTable
from lipdub.stages import visibility
from lipdub.stages.sync.options import SyncOptions

FPS = 25
FRAMES = 60


def motion(yaw: float = 0.0) -> MotionTable:
    """Rows of a track that is seen all the time, its head turned by ``yaw`` degrees."""
    rows = np.zeros((FRAMES, 6))
    rows[:, 2] = yaw
    return MotionTable(rows)


def track(first: int) -> dict[str, Any]:
    """Detect's row of a track of `FRAMES` frames in the first shot."""
    return {"id": 1, "shot": 0, "first": first, "last": first + FRAMES - 1}


@pytest.mark.parametrize(
    ("yaw", "weight"), [(0, 1.0), (39, 1.0), (-39, 1.0), (46, 0.5), (-46, 0.5), (49, 0.25), (52, 0.0), (-80, 0.0)]
)
def test_a_face_in_profile_is_left_as_it_is(yaw: float, weight: float) -> None:
    found = visibility.visibility_weights(motion(yaw), track(0), [[0, FRAMES]], 1 / FPS)
    np.testing.assert_allclose(found, weight, atol=1e-9)


def test_a_track_inside_a_shot_fades_over_0_16_s() -> None:
    found = visibility.visibility_weights(motion(), track(20), [[0, 200]], 1 / FPS)
    np.testing.assert_allclose(found[:5], [0.25, 0.5, 0.75, 1, 1], atol=1e-9)
    np.testing.assert_allclose(found[-5:], [1, 1, 0.75, 0.5, 0.25], atol=1e-9)
    np.testing.assert_allclose(found[4:-4], 1, atol=1e-9)


def test_at_a_cut_nothing_fades() -> None:
    found = visibility.visibility_weights(motion(), track(0), [[0, FRAMES]], 1 / FPS)
    np.testing.assert_allclose(found, 1, atol=1e-9)


def test_the_range_asked_for_fades_over_0_16_s_inside_its_ends() -> None:
    moments = np.array([0.9, 1.0, 1.04, 1.08, 1.16, 1.5, 1.84, 1.92, 1.96, 2.0, 2.1])
    found = visibility.range_weights(moments, SyncOptions(start=1.0, end=2.0))
    np.testing.assert_allclose(found, [0, 0, 0.25, 0.5, 1, 1, 1, 0.5, 0.25, 0, 0], atol=1e-9)


def test_without_a_range_all_is_dubbed() -> None:
    moments = np.arange(FRAMES) / FPS
    assert (visibility.range_weights(moments, SyncOptions()) == 1).all()
    assert visibility.range_weights(moments, SyncOptions(start=0.0, end=3.0))[0] == 1
