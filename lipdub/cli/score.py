"""`lipdub score`: how good a result is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from lipdub.cli.manner import Manner, command
from lipdub.cli.tables import as_table


def add(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("score")(score)


@command
def score(
    manner: Manner,
    result: Annotated[Path, typer.Argument(metavar="RESULT", help="A dubbed video.")],
    workspace: Annotated[
        Optional[Path],
        typer.Option(
            "--workspace",
            "-w",
            metavar="FOLDER",
            help="The caches it was made with. Default: those beside it, if any.",
        ),
    ] = None,
    truth: Annotated[
        Optional[Path], typer.Option("--truth", metavar="VIDEO", help="What it should look like, if known.")
    ] = None,
    source: Annotated[
        Optional[Path], typer.Option("--source", metavar="VIDEO", help="The video it was made from.")
    ] = None,
    speech: Annotated[
        Optional[Path], typer.Option("--speech", metavar="FILE", help="The speech it follows.")
    ] = None,
) -> None:
    """Measure a result: pixels outside the mask, mouth against speech, likeness to a ground truth."""
    from lipdub.cli.progress import showing
    from lipdub.job import default_workspace
    from lipdub.stages.score import score as measure
    from lipdub.workspace import Workspace

    beside = default_workspace(result)
    if workspace is None and Workspace.is_workspace(beside):
        workspace = beside
    with showing(manner) as callback:
        scores = measure(
            result, workspace=workspace, truth=truth, source=source, speech=speech, progress=callback
        )
    manner.result(scores, None if manner.json else as_table(scores["rows"]))
