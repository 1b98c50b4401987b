"""Lists of names in sentences."""

from __future__ import annotations

import pytest

from lipdub.words import join_names, name_faces


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a"], "a"),
        (["a", "b"], "a and b"),
        (["a", "b", "c"], "a, b and c"),
        (list("abcdefghij"), "a, b, c, d, e, f, g, h and 2 more"),
    ],
)
def test_names_are_joined(names: list[str], text: str) -> None:
    assert join_names(names) == text


def test_faces_are_named() -> None:
    assert name_faces([3]) == "face 3"
    assert name_faces([1, 2, 4, 5]) == "faces 1, 2, 4 and 5"
