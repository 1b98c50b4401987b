"""`lipdub prepare`: makes talking clips into a dataset to train with."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from lipdub.cli.context import GlobalOptions, command
from lipdub.cli.parameters import collect_options, drop_missing, make_parameters
from lipdub.training.dataset_options import ClipOptions, SourceOptions, SplitOptions


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("prepare")(prepare)


@command(lambda: make_parameters(collect_options(ClipOptions, SplitOptions, SourceOptions)))
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
    **values: Any,
) -> None:
    """Make talking clips into a dataset to train with: aligned faces, sound, landmarks, masks.

    Run it again to resume it, or with other videos to add them.
    """
    from lipdub.cli.progress import show_progress
    from lipdub.parallel import count_cores
    from lipdub.training.dataset_folder import summarize_counts
    from lipdub.training.prepare import prepare as run

    given = drop_missing(values)
    source = SourceOptions(**_values_of(SourceOptions, given))
    with show_progress(manner) as callback:
        counts = run(
            videos,
            out,
            clips=_values_of(ClipOptions, given),
            split=_values_of(SplitOptions, given),
            speaker=source.speaker,
            licence=source.licence,
            shut_dubs=source.shut_dubs,
            jobs=source.jobs or manner.threads or count_cores(),
            strict=source.strict,
            progress=callback,
        )
    manner.result(counts, None if manner.json else summarize_counts(counts))


def _values_of(kind: type, values: dict[str, Any]) -> dict[str, Any]:
    return {field.name: values[field.name] for field in fields(kind) if field.name in values}
