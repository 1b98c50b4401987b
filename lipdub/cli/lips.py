"""`lipdub lips`: what the lips do in a speech, as a file, a picture or landmarks."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from lipdub.cli import options as opt
from lipdub.cli.context import GlobalOptions, command
from lipdub.cli.tables import as_lines

_FILE = "Result file"
_PART = "Which part"
_FACE = "Landmarks"


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("lips")(lips)


@command
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
            rich_help_panel=_FILE,
        ),
    ] = None,
    format: Annotated[
        Literal["json", "csv", "npz", "srt", "srt-words", "rhubarb-tsv", "rhubarb-xml", "rhubarb-json"] | None,
        typer.Option(
            "--format", help="Format of the result file. By default its ending decides.", rich_help_panel=_FILE
        ),
    ] = None,
    fps: Annotated[
        float | None,
        typer.Option("--fps", metavar="RATE", help="Rows per second.", show_default="100", rich_help_panel=_FILE),
    ] = None,
    plot: Annotated[
        Path | None,
        typer.Option(
            "--plot", metavar="PNG", help="Draw the speech and its lips into this PNG file.", rich_help_panel=_FILE
        ),
    ] = None,
    overwrite: Annotated[
        bool,
        typer.Option("--overwrite", help="Replace existing files.", show_default=False, rich_help_panel=_FILE),
    ] = False,
    start: Annotated[
        float | None,
        typer.Option(
            "--from",
            parser=opt.parse_time,
            metavar="TIME",
            help="Start at this time of the speech.",
            rich_help_panel=_PART,
        ),
    ] = None,
    end: Annotated[
        float | None,
        typer.Option(
            "--to",
            parser=opt.parse_time,
            metavar="TIME",
            help="Stop at this time of the speech.",
            rich_help_panel=_PART,
        ),
    ] = None,
    text: opt.Text = None,
    language: opt.Language = None,
    landmarks: Annotated[
        Literal["68", "478"] | None,
        typer.Option(
            "--landmarks",
            help="Write lip landmarks instead: the 68 points of iBUG, or the 478 of MediaPipe's mesh.",
            rich_help_panel=_FACE,
        ),
    ] = None,
    video: Annotated[
        Path | None,
        typer.Option(
            "--video",
            metavar="PATH",
            help="Video, or the workspace of one, whose face the landmarks show. By default a neutral face.",
            rich_help_panel=_FACE,
        ),
    ] = None,
    talker: Annotated[Path | None, typer.Option("--talker", hidden=True)] = None,
    face: Annotated[
        str | None,
        typer.Option(
            "--face",
            metavar="WHO",
            help="Which face of the video: a track number, largest, left or right.",
            show_default="largest",
            rich_help_panel=_FACE,
        ),
    ] = None,
) -> None:
    """Export what the lips do in SPEECH: their motion, mouth shapes by time, landmarks, a picture.

    Without -o and --plot the command prints a summary of what was recognized.
    """
    from lipdub.cli.progress import show_progress
    from lipdub.engine.lip_export import lips as follow
    from lipdub.errors import UsageError, printable

    to_pipe = out is not None and str(out) == "-"
    if to_pipe and manner.json:
        raise UsageError("-o - and --json both want standard output", hint="Name a file with -o.")
    if to_pipe and landmarks is not None:
        raise UsageError("landmarks need a file", hint="Give -o a name that ends in .npz.")
    if landmarks is not None and out is None:
        raise UsageError("--landmarks needs a file", hint="Give -o a name that ends in .npz.")
    with show_progress(manner) as callback:
        result = follow(
            speech,
            None if to_pipe else out,
            format=format,
            plot=plot,
            overwrite=overwrite,
            landmarks=int(landmarks) if landmarks is not None else None,
            video=video or talker,
            threads=manner.threads,
            progress=callback,
            **opt.drop_missing(fps=fps, start=start, end=end, text=text, language=language, face=face),
        )
    if to_pipe:
        _print(result.trajectory, format)
    elif manner.json:
        manner.result(result)
    elif result.written:
        manner.result(None, "\n".join(printable(path) for path in result.written))
    else:
        facts = result.to_json()
        manner.result(None, as_lines({k: v for k, v in facts.items() if k not in ("landmarks", "written", "rows")}))


def _print(track: object, format: str | None) -> None:
    import sys

    from lipdub.speech.export import FORMATS, resolve_format

    sys.stdout.buffer.write(FORMATS[resolve_format(None, format)](track))  # type: ignore[arg-type]
    sys.stdout.buffer.flush()
