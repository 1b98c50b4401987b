"""`lipdub clean`: removes workspaces."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from lipdub.cli.context import GlobalOptions, command


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("clean")(clean)


@command
def clean(
    manner: GlobalOptions,
    places: Annotated[
        list[Path],
        typer.Argument(metavar="PLACE...", help="Workspaces, or results with their workspace in the same folder."),
    ],
) -> None:
    """Remove the caches of finished jobs. Results and their provenance files stay."""
    from lipdub.errors import UsageError, printable
    from lipdub.media.demux import absolute_path
    from lipdub.stages.job import default_workspace
    from lipdub.workspace import Workspace

    folders = []
    for place in places:
        path = absolute_path(place)  # so that . and .. have names
        folder = path if Workspace.is_workspace(path) or not path.name else default_workspace(path)
        if not Workspace.is_workspace(folder):
            raise UsageError(
                f"{place} is not a workspace and has none in its folder", hint="Name a folder that ends in .lipdub."
            )
        folders.append(folder)
    removed = []
    for folder in folders:
        size = Workspace(folder).clean()
        removed.append({"workspace": str(folder), "bytes": size})
        manner.note(f"removed {printable(folder)}  {size / 1e6:.1f} MB")
    manner.result({"removed": removed})
