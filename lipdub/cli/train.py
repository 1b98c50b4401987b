"""`lipdub train NAME`: trains the networks of the registry. Commands and options are made from their declarations."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from lipdub.cli.context import GlobalOptions, command
from lipdub.cli.parameters import collect_options, drop_missing, make_parameters
from lipdub.cli.process import say
from lipdub.training.registry import TRAINABLES, make_arguments
from lipdub.training.trainable import Runtime, Trainable
from lipdub.workspace.atomic_files import encode_text, write_atomically

if TYPE_CHECKING:
    import inspect

_HELP = "Train networks. Stop a training at any time; the same command resumes it."
_DEFAULT_THREADS = 2


def build_app() -> typer.Typer:
    """Build the command `train` with a sub-command for each trainable network."""
    train = typer.Typer(help=_HELP, no_args_is_help=True)
    for name, trainable in TRAINABLES.items():
        train.command(name)(_build_command(trainable))
    return train


def make_runtime(manner: GlobalOptions) -> Runtime:
    """Make a training's threads, device and report of progress from the global options."""

    def report(text: str) -> None:
        if manner.json:
            say(json.dumps({"event": "progress", "message": text}), manner.stream)
        else:
            manner.note(text)

    return Runtime(manner.threads or _DEFAULT_THREADS, manner.device, report)


def _build_command(trainable: Trainable) -> Callable[..., None]:
    """Build a command's function, with a parameter for each declared option of the network."""

    def run(manner: GlobalOptions, **values: Any) -> None:
        _train(manner, trainable, values)

    run.__name__ = trainable.name.replace("-", "_")
    run.__doc__ = trainable.summary
    return command(lambda: _declared_parameters(trainable))(run)


def _declared_parameters(trainable: Trainable) -> list[inspect.Parameter]:
    """Make the network's parameters. NAME in the text of a default becomes the network's name."""
    options = collect_options(trainable.arguments)
    for key, option in options.items():
        if option.declared.default_text is not None:
            text = option.declared.default_text.replace("NAME", trainable.name)
            options[key] = replace(option, declared=replace(option.declared, default_text=text))
    return make_parameters(options, required=trainable.required)


def _train(manner: GlobalOptions, trainable: Trainable, values: dict[str, Any]) -> None:
    """Train, write the card next to the weights and publish them; or print the settings."""
    arguments = make_arguments(trainable, drop_missing(values))
    settings = trainable.settings(arguments)
    if getattr(arguments, "show_config", False):
        from lipdub.training.config import format_toml

        print(format_toml(settings), end="")
        return
    out = arguments.out or Path(f"{trainable.name}.safetensors")
    written = trainable.train(out, arguments, settings, make_runtime(manner))
    card = trainable.render_card(written, shlex.join(["lipdub", *sys.argv[1:]]))
    path = written.with_suffix(".md")
    write_atomically(path, encode_text(card))
    trainable.publish(written, card, arguments)
    manner.result({"weights": str(written), "card": str(path)}, str(written))


app = build_app()
