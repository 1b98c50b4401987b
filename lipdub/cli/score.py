"""`lipdub score`: how good a result is."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from lipdub.cli.context import GlobalOptions, command
from lipdub.cli.parameters import collect_options, drop_missing, make_parameters
from lipdub.cli.tables import as_table
from lipdub.errors import printable

if TYPE_CHECKING:
    import inspect

    from lipdub.progress import Callback
    from lipdub.scoring.options import ScoreOptions
    from lipdub.scoring.report import ReportEntry
    from lipdub.scoring.rows import Score


def add(app: typer.Typer) -> None:
    """Add the command to the application."""
    app.command("score")(score)


def _declared_parameters() -> list[inspect.Parameter]:
    from lipdub.scoring.options import ScoreOptions

    return make_parameters(collect_options(ScoreOptions))


@command(_declared_parameters)
def score(
    manner: GlobalOptions,
    results: Annotated[
        list[Path],
        typer.Argument(
            metavar="RESULT...",
            help="A dubbed video, made by lipdub or by another tool. With --compare also a score.json.",
        ),
    ],
    compare: Annotated[
        bool, typer.Option("--compare", help="Write one table and one report for all RESULTs, instead of one each.")
    ] = False,
    fail_under: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-under", metavar="NAME=NUMBER", help="End with exit code 6 if the row is less than this number."
        ),
    ] = None,
    fail_over: Annotated[
        list[str] | None,
        typer.Option(
            "--fail-over", metavar="NAME=NUMBER", help="End with exit code 6 if the row is greater than this number."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", "-o", metavar="FOLDER", help="Folder for score.json and report.html. Default: RESULT.score."
        ),
    ] = None,
    files: Annotated[bool, typer.Option("--files/--no-files", help="Write score.json and report.html.")] = True,
    **values: Any,
) -> None:
    """Measure how good RESULT is.

    It scores lip sync, the pictures alone and against the source, and likeness to a ground truth.

    The command prints a table, and writes score.json and a report of the weakest moments.

    Rows have a 95 % interval over windows of 5 s where possible.

    The column "real" shows the same number of the source with its own sound.
    """
    from lipdub.cli.progress import show_progress
    from lipdub.errors import BelowThresholdError
    from lipdub.scoring.options import ScoreOptions
    from lipdub.scoring.rows import find_failures, find_old_ids, parse_thresholds

    under, over = parse_thresholds(fail_under or ()), parse_thresholds(fail_over or ())
    options = ScoreOptions(**drop_missing(values))
    if len(results) > 1:
        _refuse_options_of_one(options, out, compare)
    for old, new in find_old_ids([*(fail_under or ()), *(fail_over or ())]).items():
        manner.note(f"the row {old} is now called {new}; the old name is deprecated")
    entries, written, missed = [], [], []
    with show_progress(manner) as callback:
        for result in results:
            is_score = compare and result.suffix == ".json"
            entry = _load(result) if is_score else _measure(result, options, files, callback)
            entries.append(entry)
            missed += [f"{result.name}: {line}" for line in find_failures(entry.score, under, over)]
    groups = [entries] if compare else [[entry] for entry in entries]
    for group in groups if files else ():
        written += _write(out or _default_folder(group), group)
    scores = [entry.score for entry in entries]
    plain = [s.to_json() for s in scores]
    manner.result(
        plain[0] if len(plain) == 1 else {"scores": plain}, None if manner.json else _format_scores(scores, compare)
    )
    for path in written:
        manner.note(f"written     {printable(path)}")
    if missed:
        raise BelowThresholdError("; ".join(missed))


def _refuse_options_of_one(options: ScoreOptions, out: Path | None, compare: bool) -> None:
    """Refuse options that make no sense for several results. Raises UsageError."""
    from lipdub.errors import UsageError

    if options.workspace is not None:
        raise UsageError(
            "--workspace is for one RESULT", hint="Without it, the workspaces beside the RESULTs are used."
        )
    if out is not None and not compare:
        raise UsageError("--out is for one RESULT, or for --compare")


def _default_folder(entries: list[ReportEntry]) -> Path:
    return Path("lipdub-scores") if len(entries) > 1 else Path(f"{entries[0].score.result}.score")


def _measure(result: Path, options: ScoreOptions, pictures: bool, callback: Callback) -> ReportEntry:
    from dataclasses import replace

    from lipdub.errors import EMPTY_NAME_HINT, InputError
    from lipdub.scoring.score import score_with_report
    from lipdub.stages.job import default_workspace, has_name
    from lipdub.workspace import Workspace

    if not has_name(result):
        raise InputError(f"{result} is a folder, not a media file", hint=EMPTY_NAME_HINT)
    beside = default_workspace(result)
    if options.workspace is None and Workspace.is_workspace(beside):
        options = replace(options, workspace=beside)
    return score_with_report(result, options, callback, pictures=pictures)


def _load(path: Path) -> ReportEntry:
    """Read a score.json, of this version or of one before.

    Raises:
        InputError: it is no score of a known schema.
    """
    import json

    import numpy as np

    from lipdub.errors import InputError
    from lipdub.scoring.report import ReportEntry
    from lipdub.scoring.rows import Score

    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        return ReportEntry(Score.from_json(content), np.zeros(0), 1)
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{path} is not the score.json of one result") from error


def _write(folder: Path, entries: list[ReportEntry]) -> list[Path]:
    """Write score.json and report.html into a folder, which is made if absent.

    Raises:
        EnvironmentFailure: the folder cannot be written.
    """
    import json

    from lipdub._version import __version__
    from lipdub.errors import wrap_os_error
    from lipdub.scoring.report import render_page
    from lipdub.workspace.atomic_files import encode_text, write_atomically

    scores = [entry.score.to_json() for entry in entries]
    content = scores[0] if len(scores) == 1 else {"schema": scores[0]["schema"], "scores": scores}
    paths = folder / "score.json", folder / "report.html"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(paths[0], encode_text(json.dumps(content, ensure_ascii=False, indent=1)))
        write_atomically(paths[1], encode_text(render_page(entries, f"Measured by lipdub {__version__}.")))
    except OSError as error:
        raise wrap_os_error(error, folder) from error
    return list(paths)


def _format_scores(scores: list[Score], compare: bool) -> str:
    from lipdub.scoring.report import align_rows, format_number

    if not compare:
        return "\n\n".join(_format_score(score) for score in scores)
    names = [printable(Path(score.result).name) for score in scores]
    rows = []
    for line in align_rows(scores):
        cells = {name: format_number(c.value if c else None) for name, c in zip(names, line.cells, strict=True)}
        rows.append({"name": line.row.id, **cells, "unit": line.row.unit, "good": line.row.better})
    return as_table(rows, names=True)


def _format_score(score: Score) -> str:
    from lipdub.scoring.report import format_number

    rows = [
        {
            "name": row.id,
            "value": format_number(row.value),
            "interval": f"{format_number(row.low)} … {format_number(row.high)}" if row.low is not None else "",
            "real": format_number(row.real_value) if row.real_value is not None else "",
            "unit": row.unit,
            "good": row.better,
            "what": row.title + (f" ({row.note})" if row.note else ""),
        }
        for row in score.rows
    ]
    lines = [printable(score.result), as_table(rows)]
    lines += [
        f"weak at {moment.time:.2f} s: {moment.text} ({moment.severity:.1f} times the limit)"
        for moment in score.moments
        if moment.severity >= 1
    ]
    return "\n".join([*lines, *score.notes])
