"""Plain values as text: a list of rows as a table, a mapping as lines."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lipdub.errors import printable

_MOST_ITEMS = 12  # of a list shown on one line


def as_table(rows: Sequence[Mapping[str, Any]], *, names: bool = False) -> str:
    """Format rows as a table with a heading, numbers to the right.

    Args:
        rows: one mapping a row. The columns are their keys, in order of first use.
        names: the keys are names, which the heading leaves as they are.
    """
    if not rows:
        return ""
    columns = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_cell(row.get(name)) for name in columns] for row in rows]
    numeric = [all(_is_number(row.get(name)) for row in rows) for name in columns]
    widths = [max(len(name), *(len(line[i]) for line in cells)) for i, name in enumerate(columns)]
    lines = [[name if names else name.replace("_", " ") for name in columns], ["-" * width for width in widths], *cells]
    return "\n".join(
        "  ".join(
            text.rjust(width) if right else text.ljust(width)
            for text, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    )


def as_lines(values: Mapping[str, Any], indent: str = "") -> str:
    """Format a mapping as lines: ``name  value`` for each entry.

    A list of mappings becomes a table, an inner mapping an indented block.

    Args:
        values: to format.
        indent: before each line.
    """
    lines: list[str] = []
    width = max((len(name) for name, value in values.items() if not _is_block(value)), default=0)
    for name, value in values.items():
        label = name.replace("_", " ")
        if isinstance(value, Mapping) and value:
            lines += [f"{indent}{label}", as_lines(value, indent + "  ")]
        elif _is_rows(value):
            lines += [f"{indent}{label}", *(f"{indent}  {line}" for line in as_table(value).splitlines())]
        else:
            lines.append(f"{indent}{label:{width}}  {_cell(value)}")
    return "\n".join(lines)


def _is_rows(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and bool(value) and all(isinstance(row, Mapping) for row in value)


def _is_block(value: Any) -> bool:
    return (isinstance(value, Mapping) and bool(value)) or _is_rows(value)


def _is_number(value: Any) -> bool:
    return value is None or (isinstance(value, (int, float)) and not isinstance(value, bool))


def _cell(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1000 else f"{value:.1f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{printable(name)} {_cell(item)}" for name, item in value.items())
    if isinstance(value, (list, tuple)):
        if not value:
            return "none"
        items = ["-".join(_cell(part) for part in item) if _is_range(item) else _cell(item) for item in value]
        more = f", and {len(items) - _MOST_ITEMS} more" if len(items) > _MOST_ITEMS else ""
        return ", ".join(items[:_MOST_ITEMS]) + more
    return printable(value)


def _is_range(value: Any) -> bool:
    return isinstance(value, (list, tuple)) and len(value) == 2 and all(_is_number(part) for part in value)
