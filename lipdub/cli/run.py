"""`lipdub run`: the whole chain."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from lipdub.cli import options as opt
from lipdub.cli.context import GlobalOptions, command
from lipdub.cli.parameters import drop_missing, make_parameters
from lipdub.cli.tables import as_table
from lipdub.engine.run_options import run_options

if TYPE_CHECKING:
    import inspect


def _declared_parameters() -> list[inspect.Parameter]:
    options = {name: item.option for name, item in run_options().items()}
    return make_parameters(options, flags={name: option.run_flags for name, option in options.items()})


def add(app: typer.Typer) -> None:
    """Add the command to the application, with the options of the methods that are registered now."""
    app.command("run")(command(_declared_parameters)(run))


def run(
    manner: GlobalOptions,
    video: opt.Video,
    speech: opt.Speech,
    out: opt.Out = None,
    workspace: opt.Workspace = None,
    keep_workspace: Annotated[
        bool, typer.Option("--keep-workspace/--no-keep-workspace", help="Keep the caches for the next run.")
    ] = True,
    recipe: opt.Recipe = "auto",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="List which stages would run and which would be reused. Do nothing.")
    ] = False,
    plan: Annotated[bool, typer.Option("--plan", hidden=True)] = False,
    no_face: opt.NoFace = "keep",
    mix: opt.Mix = None,
    overwrite: opt.Overwrite = False,
    commercial_safe: opt.CommercialSafe = False,
    **options: Any,
) -> None:
    """Make the talker in VIDEO say SPEECH.

    The result has the source's size, frame times, colour and other streams.

    An interrupted run resumes. A run with other options redoes only what they change.
    """
    from lipdub.cli.progress import show_progress
    from lipdub.engine import pipeline
    from lipdub.errors import printable

    job = pipeline.make_job(
        video,
        speech,
        out,
        workspace=workspace,
        mix=mix,
        recipe=recipe,
        device=manner.device,
        threads=manner.threads,
        no_face=no_face,
        overwrite=overwrite,
        commercial_safe=commercial_safe,
        options=drop_missing(options),
    )
    if dry_run or plan:
        planned = [stage.to_json() for stage in pipeline.plan(job)]
        manner.result({"stages": planned}, None if manner.json else as_table(planned))
        return
    with show_progress(manner) as callback:
        result = pipeline.run_job(job, callback, keep_workspace=keep_workspace)
    for note in result.notes:
        manner.note(f"note        {printable(note)}")
    manner.paths(result, result.out)
