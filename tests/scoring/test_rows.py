"""Thresholds, weak moments, and numbers as they are written."""

from __future__ import annotations

import json
import math

import pytest

from lipdub.errors import UsageError
from lipdub.scoring.rows import Row, Score, find_failures, parse_thresholds

SCORE = Score(
    "a.mp4",
    100,
    4.0,
    (Row("one", "first", "mouth", 0.5), Row("none", "second", "crop", None, note="no weights")),
    windows=({"start": 0.0, "end": 4.0, "av_sync": None},),
    series={"time": [0.0, 1.0, 2.0], "opening": [0.1, None, 0.3], "target": [0.1, 0.2, 0.3]},
)


def test_limits() -> None:
    assert parse_thresholds(["a=1", " b = -2e-1"]) == {"a": 1.0, "b": -0.2}
    for word in ("a", "a=", "=", "a=b"):
        with pytest.raises(UsageError):
            parse_thresholds([word])


def test_failures() -> None:
    assert find_failures(SCORE, {"one": 0.5}, {"one": 0.5}) == []
    assert find_failures(SCORE, {"one": 0.6}, {}) == ["one is 0.5, under 0.6"]
    assert find_failures(SCORE, {}, {"one": 0.4}) == ["one is 0.5, over 0.4"]
    assert find_failures(SCORE, {"none": 0}, {}) == ["none is not available: no weights"]
    with pytest.raises(UsageError, match="one, none"):
        find_failures(SCORE, {"two": 0}, {})


def test_plain_values_have_no_nan() -> None:
    score = Score("a", 1, math.nan, (Row("x", "", "", math.inf),), series={"time": [math.nan]})
    plain = score.to_json()
    json.dumps(plain, allow_nan=False)
    assert plain["duration"] is None and plain["rows"][0]["value"] is None and plain["series"]["time"] == [None]
