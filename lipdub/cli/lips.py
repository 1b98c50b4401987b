"""`lipdub lips`: what the lips do in a speech, as a file, a picture or landmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from lipdub.cli.context import GlobalOptions, command
from lipdub.cli.parameters import collect_options, drop_missing, make_parameters
from lipdub.cli.process import is_output_closed
from lipdub.cli.tables import as_lines
from lipdub.engine.lip_options import LipOptions

_HIDDEN_FACTS = ("landmarks", "written", "rows")  # not shown to people


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("lips")(lips)


@command(lambda: make_parameters(collect_options(LipOptions)))
def lips(
    manner: GlobalOptions,
    speech: Annotated[Path, typer.Argument(metavar="SPEECH", help="Speech: any file that holds sound.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            "-o",
            metavar="FILE",
            help="Result file: .json, .csv, .npz, .srt, .tsv or .xml. - is standard output.",
            rich_help_panel="Result file",
        ),
    ] = None,
    **options: Any,
) -> None:
    """Export what the lips do in SPEECH: their motion, mouth shapes by time, landmarks, a picture.

    Without -o and --plot the command prints a summary of what was recognized.
    """
    from lipdub.cli.progress import show_progress
    from lipdub.engine.lip_export import lips as export_lips
    from lipdub.errors import UsageError

    values = drop_missing(options)
    has_landmarks = values.get("landmarks") is not None
    to_pipe = out is not None and str(out) == "-"
    if to_pipe and manner.json:
        raise UsageError("-o - and --json both want standard output", hint="Name a file with -o.")
    if to_pipe and is_output_closed():
        raise UsageError("standard output is closed", hint="Name a file with -o.")
    if to_pipe and has_landmarks:
        raise UsageError("landmarks need a file", hint="Give -o a name that ends in .npz.")
    if has_landmarks and out is None:
        raise UsageError("--landmarks needs a file", hint="Give -o a name that ends in .npz.")
    with show_progress(manner) as callback:
        result = export_lips(speech, None if to_pipe else out, threads=manner.threads, progress=callback, **values)
    if to_pipe:
        _print_trajectory(result.trajectory, values.get("format"))
    elif manner.json:
        manner.result(result)
    elif result.written:
        manner.paths(None, *result.written)
    else:
        summary = {name: value for name, value in result.to_json().items() if name not in _HIDDEN_FACTS}
        manner.result(None, as_lines(summary))


def _print_trajectory(trajectory: Any, format: str | None) -> None:
    import sys

    from lipdub.speech.lip_trajectory import FORMATS, resolve_format

    sys.stdout.buffer.write(FORMATS[resolve_format(None, format)](trajectory))
    sys.stdout.buffer.flush()
