"""Which faces are dubbed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from lipdub.errors import InputError, UsageError
from lipdub.faces import landmarks, mesh, track_selection

if TYPE_CHECKING:
    from pathlib import Path


def row(i: int, shot: int, x: float, size: float, first: int = 0, last: int = 99) -> dict[str, Any]:
    return {"id": i, "shot": shot, "x": x, "face_px": size, "first": first, "last": last, "frames": last - first + 1}


def test_faces_are_selected_by_size_side_and_id() -> None:
    rows = [row(1, 0, 100, 80), row(2, 0, 400, 120), row(3, 1, 50, 60, 100, 199), row(4, 1, 300, 50, 100, 199)]
    everyone = {1, 2, 3, 4}
    assert track_selection.select_track_ids("largest", rows, everyone) == [2, 3]
    assert track_selection.select_track_ids("left", rows, everyone) == [1, 3]
    assert track_selection.select_track_ids("right", rows, everyone) == [2, 4]
    assert track_selection.select_track_ids((4, 1), rows, everyone) == [4, 1]
    assert track_selection.select_track_ids("largest", rows, {1, 4}) == [1, 4]
    with pytest.raises(UsageError, match="no face track 9"):
        track_selection.select_track_ids((9,), rows, everyone)
    with pytest.raises(InputError, match="large enough"):
        track_selection.select_track_ids((2,), rows, {1})


def test_a_face_that_appears_for_a_moment_is_not_the_largest() -> None:
    rows = [row(1, 0, 100, 100), row(2, 0, 400, 150, 0, 3)]
    assert track_selection.select_track_ids("largest", rows, {1, 2}) == [1]


def test_one_person_who_leaves_and_returns_is_dubbed_both_times() -> None:
    rows = [row(1, 0, 100, 80, 0, 40), row(2, 0, 400, 60, 0, 99), row(3, 0, 110, 80, 60, 99)]
    assert sorted(track_selection.select_track_ids("largest", rows, {1, 2, 3})) == [1, 3]


def test_the_option_is_a_position_ids_or_a_picture(tmp_path: Path) -> None:
    assert track_selection.parse_face("right") == "right"
    assert track_selection.parse_face("2, 5") == (2, 5)
    picture = tmp_path / "person.png"
    picture.touch()
    assert track_selection.parse_face(str(picture)) == picture
    with pytest.raises(UsageError, match="inspect"):
        track_selection.parse_face("middle")


def test_speech_does_not_make_faces_differ() -> None:
    face = landmarks.load_neutral_face()
    talking, other = face.copy(), face.copy()
    talking[[*mesh.LIPS, *mesh.JAW], 1] += 0.3
    other[list(mesh.EYE_LEFT), 0] -= 0.2
    assert track_selection.measure_face_distance(talking, face) == 0
    assert track_selection.measure_face_distance(other, face) > 0
