"""`lipdub render-talkers`: renders talkers from heads into a dataset to train with."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from lipdub.cli.context import GlobalOptions, command
from lipdub.cli.parameters import collect_options, drop_missing, make_parameters
from lipdub.training.dataset_options import ClipOptions
from lipdub.training.rendered.options import TalkerOptions

_CLIP_FIELDS = ("size", "margin")


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("render-talkers")(render_talkers)


def collect_render_options() -> dict[str, Any]:
    """Return the options of the command by field name: which talkers, and the size of their crops."""
    crops = collect_options(ClipOptions)
    return {**collect_options(TalkerOptions), **{name: crops[name] for name in _CLIP_FIELDS}}


@command(lambda: make_parameters(collect_render_options()))
def render_talkers(
    manner: GlobalOptions,
    heads: Annotated[
        Path, typer.Argument(metavar="HEADS", help="Folder of heads with phone-shape morphs: glTF files (.glb).")
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out", "-o", metavar="DATASET", help="Folder of the dataset; clips are added to one that exists."
        ),
    ],
    videos: Annotated[
        Path | None,
        typer.Option("--videos", metavar="FOLDER", help="Keep the clips as videos with sound in this folder."),
    ] = None,
    **values: Any,
) -> None:
    """Render talkers from heads into a dataset to train with: speech, mouths that fit it, and pairs video never has.

    Run it again to resume it, or with more scenes to add them.
    """
    from lipdub.cli.progress import show_progress
    from lipdub.parallel import count_cores
    from lipdub.training.dataset_folder import summarize_counts
    from lipdub.training.rendered.dataset import render_talkers as run

    given = drop_missing(values)
    talkers = TalkerOptions(**{f.name: given[f.name] for f in fields(TalkerOptions) if f.name in given})
    with show_progress(manner) as callback:
        counts = run(
            heads,
            out,
            talkers=talkers,
            clips={name: given[name] for name in _CLIP_FIELDS if name in given},
            videos=videos,
            jobs=talkers.jobs or manner.threads or count_cores(),
            progress=callback,
        )
    manner.result(counts, None if manner.json else summarize_counts(counts))
