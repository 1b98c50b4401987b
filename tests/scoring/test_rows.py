"""Thresholds, weak moments, and numbers as they are written."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest

from lipdub.errors import InputError, UsageError
from lipdub.metrics.metric import Moment
from lipdub.metrics.registry import METRICS
from lipdub.scoring.rows import OLD_IDS, Row, Score, find_failures, find_old_ids, parse_thresholds

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


# -- schema 2

OLD = {
    "schema": 2,
    "result": "old.mp4",
    "frames": 2,
    "duration": 0.08,
    "rows": [
        {
            "id": "followed",
            "name": "opening as asked for",
            "on": "mouth",
            "value": 0.9,
            "unit": "correlation",
            "better": "higher",
            "low": None,
            "high": None,
            "anchor": 1.0,
            "note": "",
        }
    ],
    "windows": [{"start": 0.0, "end": 0.08, "av_sync": 0.5}],
    "moments": [{"time": 0.04, "row": "silence_leak", "times": 1.5, "words": "open in a pause"}],
    "series": {"time": [0.0, 0.04], "opening": [0.1, 0.2], "width": [1.0, 1.0], "wanted": [0.1, 0.3]},
    "seconds": {"all": 1.0},
    "notes": ["a note"],
}


def test_a_file_of_schema_2_is_read_under_the_present_names() -> None:
    score = Score.from_json(OLD)
    row = score.row("opening_target_corr")
    assert (row.value, row.title, row.region, row.real_value) == (0.9, "opening as asked for", "mouth", 1.0)
    assert score.moments == (Moment(0.04, "silence_motion_ratio", 1.5, "open in a pause"),)
    assert score.series["target"] == [0.1, 0.3]
    assert "wanted" not in score.series
    assert (score.windows[0]["av_sync"], score.notes, score.seconds) == (0.5, ("a note",), {"all": 1.0})


def test_what_is_written_is_read_again() -> None:
    score = replace(Score.from_json(OLD), not_measured={"psnr": "a ground truth: give --ground-truth"})
    plain = json.loads(json.dumps(score.to_json(), allow_nan=False))
    assert plain["schema"] == 3
    assert Score.from_json(plain) == score


@pytest.mark.parametrize("schema", [1, 4, None])
def test_other_schemas_are_refused(schema: int | None) -> None:
    with pytest.raises(InputError, match="cannot be read"):
        Score.from_json({**OLD, "schema": schema})


def test_every_old_id_names_a_row_of_today() -> None:
    assert set(OLD_IDS.values()) <= set(METRICS.names())
    assert not set(OLD_IDS) & set(METRICS.names())
    assert parse_thresholds(["followed=0.5"]) == {"opening_target_corr": 0.5}
    assert find_old_ids(["followed=0.5", "seam=1"]) == {"followed": "opening_target_corr"}
    with pytest.warns(DeprecationWarning, match="opening_target_corr"):
        assert Score.from_json(OLD).row("followed").value == 0.9


def test_a_row_that_was_not_measured_says_what_it_needs() -> None:
    score = replace(SCORE, not_measured={"psnr": "a ground truth: give --ground-truth"})
    with pytest.raises(UsageError, match="psnr was not measured: it needs a ground truth: give --ground-truth"):
        find_failures(score, {"psnr": 30}, {})
