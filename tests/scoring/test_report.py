"""The report: curves, table, numbers."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.scoring.report import ReportEntry, align_rows, draw_curves, format_number
from lipdub.scoring.rows import Row, Score

if TYPE_CHECKING:
    from pathlib import Path

SCORE = Score(
    "a.mp4",
    100,
    4.0,
    (Row("one", "first", "mouth", 0.5), Row("none", "second", "crop", None, note="no weights")),
    windows=({"start": 0.0, "end": 4.0, "av_sync": None},),
    series={"time": [0.0, 1.0, 2.0], "opening": [0.1, None, 0.3], "target": [0.1, 0.2, 0.3]},
)


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


def test_a_result_of_any_name_is_reported(tmp_path: Path) -> None:
    """Bytes of a name that are not UTF-8 are escaped."""
    from lipdub.cli.score import _write

    entry = ReportEntry(replace(SCORE, result="caf\udce9.mp4"), np.zeros(0), 50)
    numbers, page = _write(tmp_path, [entry])
    assert json.loads(numbers.read_text(encoding="utf-8"))["result"] == "caf\udce9.mp4"
    assert r"caf\udce9.mp4" in page.read_text(encoding="utf-8")
