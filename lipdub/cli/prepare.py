"""`lipdub prepare`: talking clips made into a dataset to train with."""

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
    """Adds the command to the application."""
    app.command("prepare")(prepare)


@command
def prepare(
    manner: GlobalOptions,
    videos: Annotated[
        list[Path], typer.Argument(metavar="VIDEOS...", help="Videos of people talking, and folders of them.")
    ],
    out: Annotated[Path, typer.Option("--out", "-o", metavar="DATASET", help="The folder to make, or to add to.")],
    size: Annotated[
        int | None,
        typer.Option("--size", help="Pixels of a face's square.", show_default="96", rich_help_panel=_CLIPS),
    ] = None,
    margin: Annotated[
        float | None,
        typer.Option(
            "--margin",
            help="How much larger the stored crops are, to shift and turn in.",
            show_default="1.33",
            rich_help_panel=_CLIPS,
        ),
    ] = None,
    shortest: Annotated[
        float | None,
        typer.Option(
            "--shortest",
            metavar="SECONDS",
            help="Leave out shorter clips.",
            show_default="1",
            rich_help_panel=_CLIPS,
        ),
    ] = None,
    longest: Annotated[
        float | None,
        typer.Option(
            "--longest",
            metavar="SECONDS",
            help="Cut longer ones.",
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
            help="one: leave out moments in which another face is seen.",
            show_default="one",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    min_sync: Annotated[
        float | None,
        typer.Option(
            "--min-sync",
            help="Least agreement of mouth and sound: 1 at most, 0.3 is chance's, 0 does not ask.",
            show_default="0.3",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    max_offset: Annotated[
        float | None,
        typer.Option(
            "--max-offset",
            metavar="SECONDS",
            help="Leave out clips whose picture and sound are farther apart.",
            show_default="0.12",
            rich_help_panel=_FILTERS,
        ),
    ] = None,
    split: Annotated[
        Literal["clip", "speaker"] | None,
        typer.Option(
            "--split",
            help="What is kept out of training: videos, or speakers.",
            show_default="clip",
            rich_help_panel=_SPLIT,
        ),
    ] = None,
    held_out: Annotated[
        float | None,
        typer.Option(
            "--held-out",
            metavar="SHARE",
            help="How many of them, about.",
            show_default="0.05",
            rich_help_panel=_SPLIT,
        ),
    ] = None,
    speaker: Annotated[
        str | None,
        typer.Option(
            "--speaker",
            metavar="NAME",
            help="Who talks in these videos.",
            show_default="the name of each one's folder",
            rich_help_panel=_SPLIT,
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option("--licence", metavar="TEXT", help="Of these videos: noted with each clip.")
    ] = "",
    jobs: Annotated[
        int, typer.Option("--jobs", "-j", min=0, help="Videos worked on at once; 0 is one a processor.")
    ] = 0,
    strict: Annotated[
        bool, typer.Option("--strict", help="End at a video that cannot be read, instead of passing it over.")
    ] = False,
) -> None:
    """Make talking clips into a dataset to train with: aligned faces, sound, landmarks, masks.

    Called again it goes on where it was stopped; other videos are added.
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
