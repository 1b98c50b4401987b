"""`lipdub doctor`: checks the installation."""

from __future__ import annotations

import typer

from lipdub.cli.context import ENVIRONMENT, GlobalOptions, command
from lipdub.errors import printable


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("doctor")(doctor)


@command
def doctor(manner: GlobalOptions) -> None:
    """Check the installation: packages, ffmpeg, weights, disk space. Exit code 5 if something is missing."""
    from lipdub.engine.doctor import diagnose

    rows = diagnose()
    is_whole = all(row["ok"] for row in rows if row["needed"])
    manner.result({"ok": is_whole, "checks": rows}, None if manner.json else "\n".join(map(_format_row, rows)))
    if not is_whole:
        raise typer.Exit(ENVIRONMENT)


def _format_row(row: dict[str, object]) -> str:
    hint = f"  -> {printable(row['hint'])}" if row.get("hint") and not row["ok"] else ""
    return f"{'ok  ' if row['ok'] else 'FAIL'}  {printable(row['check']):20}  {printable(row['detail'])}{hint}"
