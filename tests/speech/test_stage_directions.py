"""Stage directions: nested, crossing and unclosed brackets, and how the work grows."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.speech.stage_directions import remove_stage_directions

if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType

INNERMOST = re.compile(r"\[[^\[\]]*\]|\([^()]*\)|（[^（）]*）|［[^［］]*］|【[^【】]*】|〔[^〔〕]*〕")


def remove_by_passes(text: str) -> str:
    """Remove innermost pieces from the whole text, until none is left."""
    before = None
    while before != text:
        before, text = text, INNERMOST.sub(" ", text)
    return text


def count_lines(function: Callable[[str], object], text: str) -> int:
    """Count the lines of Python that a call executes."""
    count = 0

    def trace(_: FrameType, event: str, __: Any) -> Any:
        nonlocal count
        count += event == "line"
        return trace

    previous = sys.gettrace()
    sys.settrace(trace)
    try:
        function(text)
    finally:
        sys.settrace(previous)
    return count


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a (b [c] d) e", "a   e"),
        ("a [b] (c", "a   (c"),
        ("((a))", " "),
        ("(a) b)", "  b)"),
        ("([()))]", "( "),
        ("", ""),
    ],
)
def test_brackets_are_removed_from_the_inside_out(text: str, expected: str) -> None:
    assert remove_stage_directions(text) == expected


@given(st.text(alphabet="()[]（】【ab", max_size=60))
def test_any_brackets_go_as_in_passes_over_the_text(text: str) -> None:
    assert remove_stage_directions(text) == remove_by_passes(text)


@pytest.mark.parametrize(
    ("opening", "closing"), [("(", ")"), ("([", "])"), ("(", ""), ("", ")"), ("(a)(", ")"), ("([", ")]"), ("((", ")")]
)
def test_work_grows_with_the_length_of_the_text(opening: str, closing: str) -> None:
    short, long = (count_lines(remove_stage_directions, opening * n + closing * n) for n in (300, 1200))
    assert long < 4.5 * short
