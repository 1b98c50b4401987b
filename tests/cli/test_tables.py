from __future__ import annotations

from lipdub.cli.options import parse_time
from lipdub.cli.tables import as_lines, as_table


def test_table_aligns_numbers_right() -> None:
    assert as_table([{"id": 1, "name": "a"}, {"id": 10, "name": None, "x_y": True}]).splitlines() == [
        "id  name  x y",
        "--  ----  ---",
        " 1  a     -",
        "10  -     yes",
    ]
    assert as_table([]) == ""


def test_lines_of_nested_values() -> None:
    shown = as_lines({"frames": 3, "gaps": [[0.5, 1]], "video": {"rate": 25.0}, "tracks": [{"id": 1}], "none": []})
    assert shown.splitlines() == [
        "frames  3",
        "gaps    0.5-1",
        "video",
        "  rate  25",
        "tracks",
        "  id",
        "  --",
        "   1",
        "none    none",
    ]


def test_control_characters_are_escaped() -> None:
    assert as_lines({"a": "x\ny\x1b"}) == "a  x\\ny\\x1b"


def test_times() -> None:
    assert [parse_time(text) for text in ("83.5", "1:23.5", "0:01:23.500", ".5", "2", "1:00:00")] == [
        83.5,
        83.5,
        83.5,
        0.5,
        2.0,
        3600.0,
    ]
