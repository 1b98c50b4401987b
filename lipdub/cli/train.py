"""`lipdub train`: trains the networks this project ships."""

from __future__ import annotations

import typer

app = typer.Typer(help="Train the networks lipdub ships.", no_args_is_help=True)
