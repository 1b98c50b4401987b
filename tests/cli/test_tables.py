from __future__ import annotations

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
