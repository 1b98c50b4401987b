"""What all detectors share: the size of a face, and which meshes are of the same one."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.faces.detectors.meshes import MIN_FACE_PX, drop_duplicates, measure_oval
from lipdub.faces.landmarks import load_neutral_face

if TYPE_CHECKING:
    from lipdub.arrays import F32


def place(x: float, y: float, size: float) -> F32:
    """The neutral face with the middle and the larger side of its oval as given."""
    face = load_neutral_face()
    left, top, side = measure_oval(face.astype(np.float32))
    return ((face - [left, top, 0]) * size / side + [x, y, 0]).astype(np.float32)


def test_the_oval_of_a_face() -> None:
    assert measure_oval(place(120, 80, 50)) == pytest.approx((120, 80, 50), abs=1e-3)


def test_the_first_of_two_meshes_of_a_face_stays() -> None:
    first, again, other = place(100, 100, 60), place(110, 95, 70), place(190, 100, 60)
    assert [face is first or face is other for face in drop_duplicates([first, again, other])] == [True, True]


def test_specks_are_dropped() -> None:
    assert drop_duplicates([place(50, 50, MIN_FACE_PX - 1)]) == []
    assert len(drop_duplicates([place(50, 50, MIN_FACE_PX + 1)])) == 1
