"""Lists of names in sentences for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

_MOST_NAMES = 8  # names of a list that a sentence spells out


def join_names(names: Sequence[str]) -> str:
    """Return names with "and" before the last, and a count for what is too long to read."""
    listed = list(names[:_MOST_NAMES])
    if len(names) > _MOST_NAMES:
        listed.append(f"{len(names) - _MOST_NAMES} more")
    return listed[0] if len(listed) == 1 else f"{', '.join(listed[:-1])} and {listed[-1]}"


def name_faces(numbers: Sequence[int]) -> str:
    """Return the faces of tracks: "face 1", "faces 1, 2 and 4"."""
    names = [str(number) for number in numbers]
    return f"face{'s' if len(names) > 1 else ''} {join_names(names)}"
