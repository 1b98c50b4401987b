"""`lipdub adapt`: fine-tunes a model on the person in one video."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lipdub.cli.context import GlobalOptions, command
from lipdub.cli.parameters import collect_options, drop_missing, make_parameters
from lipdub.cli.train import make_runtime
from lipdub.training.adapted_model import AdaptArguments, make_adapted_model


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("adapt")(adapt)


@command(lambda: make_parameters(collect_options(AdaptArguments)))
def adapt(
    manner: GlobalOptions,
    video: Annotated[
        Path, typer.Argument(metavar="VIDEO", help="Video in which the person talks; a few seconds are enough.")
    ],
    **values: Any,
) -> None:
    """Fine-tune a model on the person in VIDEO, for use with the same --recipe.

    The model is kept in the weights store, and the recipe uses it whenever it dubs this video.
    """
    made = make_adapted_model(video, AdaptArguments(**drop_missing(values)), make_runtime(manner))
    manner.result({"weights": str(made.path), "notes": made.notes}, str(made.path))
