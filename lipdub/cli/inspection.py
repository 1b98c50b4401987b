"""The command `lipdub inspect`: tell what a run would meet in a video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lipdub.cli import options as opt
from lipdub.cli.context import GlobalOptions, command
from lipdub.cli.tables import as_lines
from lipdub.faces.detectors import DEFAULT_DETECTOR, DETECTORS


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("inspect")(inspect)


@command
def inspect(
    manner: GlobalOptions,
    video: opt.Video,
    speech: Annotated[
        Path | None,
        typer.Option("--speech", metavar="FILE", help="The speech of the run, for its length."),
    ] = None,
    sheet: Annotated[
        Path | None,
        typer.Option("--contact-sheet", metavar="PICTURE", help="Write a contact sheet of the faces to this file."),
    ] = None,
    old_sheet: Annotated[Path | None, typer.Option("--sheet", hidden=True)] = None,  # --contact-sheet of lipdub 0.1
    detector: Annotated[
        str,
        typer.Option("--detector", metavar="NAME", help=f"What finds the faces: {', '.join(DETECTORS)}."),
    ] = DEFAULT_DETECTOR,
) -> None:
    """Tell in seconds what a run would meet: frame times, shots, faces, gaps, time and memory."""
    from lipdub.cli.progress import show_progress
    from lipdub.engine.inspection import inspect as look

    with show_progress(manner) as callback:
        facts = look(video, speech=speech, sheet=sheet or old_sheet, detector=detector, progress=callback)
    manner.result(facts, None if manner.json else as_lines(facts))
