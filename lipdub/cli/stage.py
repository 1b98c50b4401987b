"""`lipdub detect`, `neutralize`, `sync`, `enhance`, `paste-back`: each stage of the chain alone."""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Any

import typer

from lipdub import stages
from lipdub.cli import options as opt
from lipdub.cli.context import GlobalOptions, command
from lipdub.cli.parameters import collect_options, drop_missing, make_parameters
from lipdub.cli.tables import as_lines
from lipdub.engine.resolve import stages_up_to
from lipdub.stages.method import option_classes

if TYPE_CHECKING:
    from collections.abc import Callable

_JOB_FIELDS = ("workspace", "mix", "recipe", "no_face", "overwrite", "commercial_safe")


def add(app: typer.Typer) -> None:
    """Add the commands to the application."""
    for name in stages.STAGES:
        app.command(name)(make_command(name))


def make_command(name: str) -> Callable[..., None]:
    """Make the command of one stage, with the files it needs and all options of the stage and its methods."""
    spec = stages.load(name)
    needs_speech = any("speech" in stages.load(stage).inputs for stage in stages_up_to(name))

    def parameters() -> list[inspect.Parameter]:
        files: dict[str, Any] = {"video": (opt.Video, inspect.Parameter.empty)}
        if needs_speech:
            files["speech"] = (opt.Speech, inspect.Parameter.empty)
        if spec.writes_output:
            files |= {"out": (opt.Out, None), "mix": (opt.Mix, None), "overwrite": (opt.Overwrite, False)}
        files |= {"workspace": (opt.Workspace, None), "recipe": (opt.Recipe, "auto")}
        files |= {"no_face": (opt.NoFace, "keep"), "commercial_safe": (opt.CommercialSafe, False)}
        own = [
            inspect.Parameter(key, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
            for key, (kind, default) in files.items()
        ]
        return [*own, *make_parameters(collect_options(*option_classes(spec)))]

    @command(parameters)
    def run(manner: GlobalOptions, **values: Any) -> None:
        from lipdub.cli.progress import show_progress
        from lipdub.engine import pipeline

        paths = [values.pop(key, None) for key in ("video", "speech", "out")]
        fields_of_job = {key: values.pop(key) for key in _JOB_FIELDS if key in values}
        job = pipeline.make_job(
            *paths,
            stage=name,
            device=manner.device,
            threads=manner.threads,
            options=drop_missing(values),
            **fields_of_job,
        )
        with show_progress(manner) as callback:
            result = pipeline.run_stage(name, job, callback)
        manner.result(result, None if manner.json else as_lines(result.summary))

    run.__name__, run.__doc__ = name.replace("-", "_"), spec.summary
    return run
