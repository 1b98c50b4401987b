"""Values become what JSON knows, and equal values have one text."""

from __future__ import annotations

import json
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.workspace.json_values import to_canonical_json, to_plain
from tests.properties import repeatable


@dataclass
class Pair:
    """A dataclass to convert."""

    first: Any
    second: Any


class WithJson:
    """An object with its own form."""

    def to_json(self) -> tuple[int, int]:
        return (1, 2)


@pytest.mark.parametrize(
    ("value", "plain"),
    [
        ((1, "a", None, True), [1, "a", None, True]),
        ({3, 1, 2}, [1, 2, 3]),
        ({1: (2,)}, {"1": [2]}),
        (float("nan"), None),
        (float("-inf"), None),
        (np.float32(0.5), 0.5),
        (np.array([[1.0, np.nan]]), [[1.0, None]]),
        (np.int64(7), 7),
        (np.bool_(True), True),
        (Path("a") / "b", str(Path("a") / "b")),
        (Fraction(30000, 1001), "30000/1001"),
        (Pair(Path("x"), (1,)), {"first": "x", "second": [1]}),
        (WithJson(), [1, 2]),
    ],
)
def test_values_become_plain(value: object, plain: object) -> None:
    assert to_plain(value) == plain
    assert json.loads(json.dumps(to_plain(value))) == plain


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)


@repeatable
@given(PLAIN)
def test_plain_values_come_back_from_their_text(value: Any) -> None:
    assert to_plain(value) == value
    text = to_canonical_json(value)
    assert json.loads(text) == value
    assert to_canonical_json(json.loads(text)) == text


@pytest.mark.slow
@repeatable
@given(st.dictionaries(st.text(max_size=5), PLAIN, max_size=5))
def test_the_order_of_keys_does_not_matter(value: dict[str, Any]) -> None:
    turned = dict(reversed(value.items()))
    assert to_canonical_json(turned) == to_canonical_json(value)
