"""Thresholds, weak moments, and numbers as they are written."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from lipdub.errors import UsageError
from lipdub.metrics.metric import Moment
from lipdub.metrics.opening_target import find_misses
from lipdub.metrics.silence_motion import find_restless
from lipdub.metrics.sync import compare_motion, find_out_of_sync
from lipdub.scoring import moments
from lipdub.scoring.report import ReportEntry, align_rows, draw_curves, format_number
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


def test_the_worst_moments_stand_apart() -> None:
    found = [Moment(t, "seam", times, "") for t, times in ((1.0, 2.0), (1.5, 3.0), (2.5, 1.0), (4.0, 0.5), (5.0, -1.0))]
    assert [m.time for m in moments.select_weakest(found)] == [1.5, 2.5, 4.0]
    assert [m.time for m in moments.select_weakest(found, count=1)] == [1.5]


def test_a_second_out_of_sync_is_the_weakest() -> None:
    heard = np.arange(0, 12, 0.01)
    rng = np.random.default_rng(0)
    lips = np.stack([np.convolve(rng.normal(size=len(heard) + 15), np.hanning(16), "valid") for _ in range(2)], 1)
    times = np.arange(0, 12, 0.04)
    mouth = np.stack([np.interp(times, heard, c) for c in lips.T], 1) * 0.05
    wrong = (times >= 6) & (times < 7)
    mouth[wrong] = mouth[::-1][wrong]
    worst = moments.select_weakest(find_out_of_sync(compare_motion(times, mouth, heard, lips, (0, 12))))
    assert worst[0].time == pytest.approx(6.5, abs=0.3) and worst[0].severity > 1
    assert all(m.severity < 0.5 for m in worst[1:])


def test_a_mouth_that_opens_in_a_pause_and_one_that_misses() -> None:
    times = np.arange(0, 4, 0.04)
    opening = np.where((times > 2) & (times < 2.2), 0.2, 0.02)
    worst = moments.select_weakest(find_restless(times, opening, [(1.0, 3.0)]))
    assert worst[0].time == pytest.approx(2.1, abs=0.15) and worst[0].severity > 2
    assert not find_restless(times, opening, [])
    wanted = np.where((times > 2) & (times < 2.2), np.nan, 0.02)
    wanted[(times > 3) & (times < 3.25)] = 0.3
    found = moments.select_weakest(find_misses(times, wanted, opening))
    assert found[0].time == pytest.approx(3.1, abs=0.15) and found[0].severity > 2


def test_curves_break_where_nothing_is_known() -> None:
    drawn = draw_curves(ReportEntry(SCORE, np.zeros(0), 50))
    seen = drawn.split('class="seen" d="')[1].split('"')[0]
    asked = drawn.split('class="asked" d="')[1].split('"')[0]
    assert seen.count("M") == 2 and asked.count("M") == 1 and asked.count("L") == 2


def test_a_table_of_several_has_all_lines() -> None:
    other = Score("b.mp4", 1, 1.0, (Row("two", "third", "mouth", 2.0), Row("one", "first", "mouth", 0.7)))
    lines = align_rows([SCORE, other])
    assert [line.row.id for line in lines] == ["one", "none", "two"]
    assert [cell and cell.value for cell in lines[0].cells] == [0.5, 0.7]
    assert lines[2].cells[0] is None


@pytest.mark.parametrize(
    ("value", "text"), [(None, "–"), (0.0, "0"), (0.12345, "0.123"), (1234.5, "1234"), (40.0, "40"), (0.0001, "0.0001")]
)
def test_numbers(value: float | None, text: str) -> None:
    assert format_number(value) == text
