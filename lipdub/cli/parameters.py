"""Command-line parameters from declared options (`lipdub.options`)."""

from __future__ import annotations

import inspect
from collections.abc import Collection
from typing import Annotated, Any, Optional

import typer

from lipdub.options import Option, options_of


def make_parameters(
    kind: type, *, required: Collection[str] = (), if_given: bool = False, name: str = ""
) -> list[inspect.Parameter]:
    """Make a keyword parameter for each declared option of a dataclass, as Typer reads them.

    Args:
        kind: the dataclass.
        required: options that must be given.
        if_given: the parameter is None unless the option is given; the help still shows the default.
        name: replaces NAME in the text of a default.
    """
    return [
        _make_parameter(item, required=item.name in required, if_given=if_given, name=name) for item in options_of(kind)
    ]


def with_parameters(function: Any, parameters: list[inspect.Parameter]) -> Any:
    """Give a function that ends in `**values` these parameters in their place. It may be called again."""
    names = {parameter.name for parameter in parameters}
    own = [p for p in inspect.signature(function).parameters.values() if p.kind is not inspect.Parameter.VAR_KEYWORD]
    own = [parameter for parameter in own if parameter.name not in names]
    hints = inspect.get_annotations(function, eval_str=True)
    own = [parameter.replace(annotation=hints[parameter.name]) for parameter in own]

    def call(**values: Any) -> None:
        function(**values)

    call.__name__, call.__doc__, call.__module__ = function.__name__, function.__doc__, function.__module__
    call.__signature__ = inspect.Signature([*own, *parameters])  # type: ignore[attr-defined]
    call.__annotations__ = {parameter.name: parameter.annotation for parameter in (*own, *parameters)}
    return call


def _make_parameter(item: Option, *, required: bool, if_given: bool, name: str) -> inspect.Parameter:
    declared = item.declared
    annotation: Any = item.value_type if required else item.annotation
    text = (declared.default_text or "").replace("NAME", name)
    if if_given and not text and item.default is not None:
        text = f"{item.default:.3g}" if isinstance(item.default, float) else str(item.default)
    settings = typer.Option(
        *declared.flags,
        help=declared.help,
        metavar=declared.metavar,
        min=declared.low,
        max=declared.high,
        show_default=text or item.default not in (None, False, ""),
        rich_help_panel=declared.panel,
    )
    default = inspect.Parameter.empty if required else None if if_given else item.default
    if if_given:
        annotation = Optional[annotation]  # noqa: UP045 - built at run time
    return inspect.Parameter(
        item.name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=Annotated[annotation, settings]
    )
