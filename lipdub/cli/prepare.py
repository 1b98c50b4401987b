"""`lipdub prepare`: makes talking clips into a dataset to train with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lipdub.cli import options as opt
from lipdub.cli.context import GlobalOptions, command

_CLIPS = "Clips"
_FILTERS = "Filters"
_SPLIT = "Split"


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("prepare")(prepare)


@command
def prepare(
    manner: GlobalOptions,
    videos: Annotated[
        list[Path], typer.Argument(metavar="VIDEOS...", help="Videos of people talking, and folders of them.")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="DATASET", help="Folder of the dataset; videos are added to one that exists."
        ),
    ],
    size: Annotated[
        int | None,
        typer.Option("--size", help="Side of a face's square in pixels.", show_default="96", rich_help_panel=_CLIPS),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            help="Factor by which the stored crops are larger than the square, for augmentation.",
            show_default="1.33",
            rich_help_panel=_CLIPS,
        ),
    ] = None,
    shortest: Annotated[
        float | None,
        typer.Option(
            "--shortest",
            metavar="SECONDS",
            help="Leave out clips that are shorter.",
            show_default="1",
            rich_help_panel=_CLIPS,
        ),
    ] = None,
    longest: Annotated[
        float | None,
        typer.Option(
            "--longest",
            metavar="SECONDS",
            help="Cut clips that are longer.",
            show_default="10",
            rich_help_panel=_CLIPS,
        ),
    ] = None,
    min_face: Annotated[
        float | None,
        typer.Option(
            "--min-face",
            metavar="PIXELS",
            help="Leave out faces whose square is smaller in the video.",
            show_default="64",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    faces: Annotated[
        Literal["one", "any"] | None,
        typer.Option(
            "--faces",
            help="one: leave out moments in which another face is visible.",
            show_default="one",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    min_sync: Annotated[
        float | None,
        typer.Option(
            "--min-sync",
            help="Minimum audio-visual sync score (0 to 1; 0.3 is chance; 0 disables the filter).",
            show_default="0.3",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    max_offset: Annotated[
        float | None,
        typer.Option(
            "--max-offset",
            metavar="SECONDS",
            help="Leave out clips with a larger offset between picture and sound.",
            show_default="0.12",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    split: Annotated[
        Literal["clip", "speaker"] | None,
        typer.Option(
            "--split",
            help="What is held out of training: single videos (clip) or whole speakers.",
            show_default="clip",
            rich_help_panel=_SPLIT,
        ),
    ] = None,
    held_out: Annotated[
        float | None,
        typer.Option(
            "--held-out",
            metavar="SHARE",
            help="Approximate share that is held out.",
            show_default="0.05",
            rich_help_panel=_SPLIT,
        ),
    ] = None,
    speaker: Annotated[
        str | None,
        typer.Option(
            "--speaker",
            metavar="NAME",
            help="Name of the person who talks in these videos.",
            show_default="the name of each one's folder",
            rich_help_panel=_SPLIT,
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option("--licence", metavar="TEXT", help="Licence of these videos, stored with each clip.")
    ] = "",
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Videos processed in parallel; 0: one per processor.")
    ] = 0,
    strict: Annotated[
        bool, typer.Option("--strict", help="Stop at a video that cannot be read, instead of skipping it.")
    ] = False,
) -> None:
    """Make talking clips into a dataset to train with: aligned faces, sound, landmarks, masks.

    Run it again to resume it, or with other videos to add them.
    """
    from lipdub.cli.progress import show_progress
    from lipdub.parallel import count_cores
    from lipdub.training.prepare import prepare as make
    from lipdub.training.prepare import summarize_counts

    with show_progress(manner) as callback:
        counts = make(
            videos,
            out,
            clips=opt.drop_missing(
                size=size,
                margin=margin,
                shortest=shortest,
                longest=longest,
                min_face=min_face,
                faces=faces,
                min_sync=min_sync,
                max_offset=max_offset,
            ),
            split=opt.drop_missing(by=split, held_out=held_out),
            speaker=speaker,
            licence=licence,
            jobs=jobs or manner.threads or count_cores(),
            strict=strict,
            progress=callback,
        )
    manner.result(counts, None if manner.json else summarize_counts(counts))
