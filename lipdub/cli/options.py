"""Command-line parameters that several commands share, as annotated types."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lipdub.engine.recipes import RECIPES

_TALKER = "Who and when"
_FILE = "Result file"


Video = Annotated[Path, typer.Argument(metavar="VIDEO", help="The source: a video or a still image.")]
Speech = Annotated[Path, typer.Argument(metavar="SPEECH", help="The speech that the lips follow.")]
Out = Annotated[
    Path | None,
    typer.Option("--out", "-o", metavar="FILE", help="The result. Default: VIDEO with .dubbed in its name."),
]
Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        metavar="FOLDER",
        help="Folder of the caches. Default: the result's name with .lipdub.",
    ),
]
Recipe = Annotated[
    str,
    typer.Option("--recipe", metavar="NAME", help=f"One method for each stage: auto, {', '.join(RECIPES.names())}."),
]
NoFace = Annotated[
    Literal["keep", "error"],
    typer.Option(
        "--no-face", help="Frames without a face: pass them through, or stop with an error.", rich_help_panel=_TALKER
    ),
]
Mix = Annotated[
    Path | None,
    typer.Option("--mix", metavar="FILE", help="Audio of the result, instead of the speech.", rich_help_panel=_FILE),
]
CommercialSafe = Annotated[
    bool,
    typer.Option(
        "--commercial-safe",
        help="Refuse published weights that are not known to allow commercial use.",
        show_default=False,
    ),
]
Overwrite = Annotated[
    bool,
    typer.Option(
        "--overwrite", help="Replace a file that lipdub did not make.", show_default=False, rich_help_panel=_FILE
    ),
]
