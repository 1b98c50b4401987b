"""`lipdub doctor`: whether this installation is whole."""

from __future__ import annotations

import typer

from lipdub.cli.context import ENVIRONMENT, GlobalOptions, command
from lipdub.errors import printable


def add(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("doctor")(doctor)


@command
def doctor(manner: GlobalOptions) -> None:
    """Check the installation: packages, ffmpeg, weights, space. Exit code 5 when something is missing."""
    from lipdub.engine.doctor import diagnose

    rows = diagnose()
    whole = all(row["ok"] for row in rows if row["needed"])
    manner.result({"ok": whole, "checks": rows}, None if manner.json else "\n".join(map(_line, rows)))
    if not whole:
        raise typer.Exit(ENVIRONMENT)


def _line(row: dict[str, object]) -> str:
    hint = f"  -> {printable(row['hint'])}" if row.get("hint") and not row["ok"] else ""
    return f"{'ok  ' if row['ok'] else 'FAIL'}  {printable(row['check']):20}  {printable(row['detail'])}{hint}"
