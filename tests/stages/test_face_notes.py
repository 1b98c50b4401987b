"""What is true of several faces is told in one sentence."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np

from lipdub.stages.neutralize.stage import _describe_small_faces
from lipdub.stages.sync.units import _describe_weak_talkers


def describe(trusts: dict[int, float], painted: dict[int, int]) -> list[str]:
    plan: Any = SimpleNamespace(track=np.repeat(list(trusts), 10))
    talkers: Any = {
        track: SimpleNamespace(speech_range=SimpleNamespace(trust=trust)) for track, trust in trusts.items()
    }
    return _describe_weak_talkers(plan, talkers, painted)


def test_faces_that_hardly_move_their_mouths() -> None:
    (alone,) = describe({1: 0.0, 2: 1.0}, {1: 10, 2: 0})
    assert alone.startswith("face 1 hardly moves its mouth in this footage")
    (note,) = describe({1: 0.0, 2: 0.0, 4: 0.0, 5: 0.0}, {1: 10, 2: 10, 4: 10, 5: 10})
    assert note.startswith("faces 1, 2, 4 and 5 hardly move their mouths in this footage")


def test_faces_that_are_seldom_seen_open() -> None:
    still, alone = describe({1: 0.0, 2: 1.0}, {1: 10, 2: 10})
    assert still.startswith("face 1 hardly moves")
    assert alone.startswith("face 2 is seldom seen with its mouth as open")
    (note,) = describe({1: 1.0, 2: 1.0, 3: 1.0}, {1: 10, 2: 0, 3: 10})
    assert note.startswith("faces 1 and 3 are seldom seen with their mouths as open")


def test_faces_that_are_too_small() -> None:
    tracks: Any = [{"id": 1, "mouth_px": 7.2}, {"id": 3, "mouth_px": 8.0}]
    assert _describe_small_faces(tracks[:1]) == "face 1 is too small to dub (its mouth is 7 pixels wide)"
    assert _describe_small_faces(tracks) == "faces 1 and 3 are too small to dub (their mouths are 7 and 8 pixels wide)"
