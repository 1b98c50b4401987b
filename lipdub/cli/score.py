"""`lipdub score`: how good a result is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from lipdub.cli.context import GlobalOptions, command
from lipdub.cli.tables import as_table

if TYPE_CHECKING:
    from lipdub.progress import Callback
    from lipdub.scoring.report import ReportEntry
    from lipdub.scoring.rows import Score


def add(app: typer.Typer) -> None:
    """Adds the command to the application."""
    app.command("score")(score)


@command
def score(
    manner: GlobalOptions,
    results: Annotated[
        list[Path], typer.Argument(metavar="RESULT...", help="A dubbed video, of lipdub or of another tool.")
    ],
    speech: Annotated[
        Path | None,
        typer.Option(
            "--speech", metavar="FILE", help="The speech it follows. Default: its own sound.", show_default=False
        ),
    ] = None,
    offset: Annotated[
        float | None,
        typer.Option(
            "--offset", metavar="SECONDS", help="When that speech begins after the first frame.", show_default="0"
        ),
    ] = None,
    truth: Annotated[
        Path | None, typer.Option("--truth", metavar="VIDEO", help="What it should look like, if known.")
    ] = None,
    source: Annotated[
        Path | None, typer.Option("--source", metavar="VIDEO", help="The video it was made from.")
    ] = None,
    workspace: Annotated[
        Path | None,
        typer.Option(
            "--workspace",
            "-w",
            metavar="FOLDER",
            help="The caches it was made with. Default: those beside it, if any.",
        ),
    ] = None,
    detector: Annotated[
        str | None,
        typer.Option(
            "--detector", metavar="NAME", help="What finds the faces. Default: as in the run.", show_default=False
        ),
    ] = None,
    compare: Annotated[
        bool, typer.Option("--compare", help="One table and one page for all RESULTs, instead of one each.")
    ] = False,
    fail_under: Annotated[
        list[str] | None,
        typer.Option("--fail-under", metavar="NAME=NUMBER", help="End with exit code 6 if a number is less."),
    ] = None,
    fail_over: Annotated[
        list[str] | None,
        typer.Option("--fail-over", metavar="NAME=NUMBER", help="End with exit code 6 if a number is more."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Where score.json and report.html go. Default: RESULT.score."
        ),
    ] = None,
    files: Annotated[bool, typer.Option("--files/--no-files", help="Write score.json and report.html.")] = True,
) -> None:
    """Measure RESULT: mouth against speech, pictures alone and against the source, likeness to a truth.

    It prints a table, and writes score.json and a page of what is weak, and where. A number has its 95 % interval over
    windows of 5 s where it can have one; "real" is the same number of the source with its own sound.
    """
    from lipdub.cli.progress import show_progress
    from lipdub.errors import BelowThresholdError, UsageError
    from lipdub.scoring.rows import find_failures, parse_thresholds

    under, over = parse_thresholds(fail_under or ()), parse_thresholds(fail_over or ())
    if workspace is not None and len(results) > 1:
        raise UsageError("--workspace is for one result", hint="Without it, the caches beside each are taken.")
    if out is not None and len(results) > 1 and not compare:
        raise UsageError("--out is for one result, or for --compare")
    entries, written, missed = [], [], []
    with show_progress(manner) as callback:
        for result in results:
            entry = _judged(result, speech, offset, truth, source, workspace, detector, files, callback)
            entries.append(entry)
            missed += [f"{result.name}: {line}" for line in find_failures(entry.score, under, over)]
    if files:
        groups = [entries] if compare else [[entry] for entry in entries]
        for group in groups:
            folder = out or (Path("lipdub-scores") if len(group) > 1 else Path(f"{group[0].score.result}.score"))
            written += _write(folder, group)
    scores = [entry.score for entry in entries]
    found = [s.to_json() for s in scores]
    manner.result(
        found[0] if len(found) == 1 else {"scores": found}, None if manner.json else _as_text(scores, compare)
    )
    for path in written:
        manner.note(f"written     {path}")
    if missed:
        raise BelowThresholdError("; ".join(missed))


def _judged(
    result: Path,
    speech: Path | None,
    offset: float | None,
    truth: Path | None,
    source: Path | None,
    workspace: Path | None,
    detector: str | None,
    pictures: bool,
    callback: Callback,
) -> ReportEntry:
    from lipdub.engine.job import default_workspace
    from lipdub.scoring.score import ScoreOptions, score_with_report
    from lipdub.workspace import Workspace

    beside = default_workspace(result)
    if workspace is None and Workspace.is_workspace(beside):
        workspace = beside
    options = ScoreOptions(workspace, truth, source, speech, offset, detector)
    return score_with_report(result, options, callback, pictures=pictures)


def _write(folder: Path, entries: list[ReportEntry]) -> list[Path]:
    """score.json and report.html in a folder that is made. Raises EnvironmentFailure."""
    import json

    from lipdub import __version__
    from lipdub.errors import wrap_os_error
    from lipdub.scoring.report import render_page
    from lipdub.workspace.atomic_files import write_atomically

    scores = [entry.score.to_json() for entry in entries]
    content = scores[0] if len(scores) == 1 else {"schema": scores[0]["schema"], "scores": scores}
    paths = folder / "score.json", folder / "report.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(paths[0], json.dumps(content, ensure_ascii=False, indent=1).encode())
        write_atomically(paths[1], render_page(entries, f"Measured by lipdub {__version__}.").encode())
    except OSError as error:
        raise wrap_os_error(error, folder) from error
    return list(paths)


def _as_text(scores: list[Score], compare: bool) -> str:
    from lipdub.scoring.report import align_rows, format_number

    if compare:
        rows = []
        for line in align_rows(scores):
            found = zip(scores, line["cells"], strict=True)  # type: ignore[call-overload]
            cells = {Path(s.result).name: format_number(c.value if c else None) for s, c in found}
            rows.append({"name": line["row"].id, **cells, "unit": line["row"].unit, "good": line["row"].better})  # type: ignore[attr-defined]
        return as_table(rows, names=True)
    return "\n\n".join(_one(score) for score in scores)


def _one(score: Score) -> str:
    from lipdub.scoring.report import format_number

    rows = [
        {
            "name": row.id,
            "value": format_number(row.value),
            "interval": f"{format_number(row.low)} … {format_number(row.high)}" if row.low is not None else "",
            "real": format_number(row.anchor) if row.anchor is not None else "",
            "unit": row.unit,
            "good": row.better,
            "what": row.name + (f" ({row.note})" if row.note else ""),
        }
        for row in score.rows
    ]
    lines = [score.result, as_table(rows)]
    lines += [
        f"weak at {m.time:.2f} s: {m.words} ({m.times:.1f} times the limit)" for m in score.moments if m.times >= 1
    ]
    return "\n".join([*lines, *score.notes])
