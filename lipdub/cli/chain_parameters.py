"""Command-line parameters made from the declarations of options.

An option that a person does not give is not passed on. So its default lives in its declaration alone.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from lipdub.options import Option

ALIAS = "__alias"


def make_parameters(
    options: Mapping[str, Option], flags_of: Callable[[Option], tuple[str, ...]]
) -> list[inspect.Parameter]:
    """Make the parameters of a command from declared options, their former flags among them, hidden.

    Args:
        options: Name of the parameter to option.
        flags_of: Returns the flags an option has in this command.
    """
    parameters = []
    for name, option in options.items():
        flags = flags_of(option)
        parameters.append(_parameter(name, option, flags, hidden=False))
        former = tuple(flag for flag in option.declared.aliases if flag not in flags)
        if former:
            parameters.append(_parameter(name + ALIAS, option, former, hidden=True))
    return parameters


def merge_aliases(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that were given, those of former flags under the name of the option.

    Raises:
        typer.BadParameter: Both the flag and its former form were given.
    """
    given = {name: value for name, value in values.items() if value is not None and not name.endswith(ALIAS)}
    for key, value in values.items():
        if value is None or not key.endswith(ALIAS):
            continue
        name = key.removesuffix(ALIAS)
        if name in given:
            raise typer.BadParameter(f"--{name.replace('_', '-')} is given twice")
        given[name] = value
    return given


def _parameter(name: str, option: Option, flags: Iterable[str], *, hidden: bool) -> inspect.Parameter:
    declared = option.declared
    kind: Any = option.value_type
    if option.choices and kind is str:
        kind = Literal[option.choices]
    settings: dict[str, Any] = {
        "help": declared.help,
        "metavar": None if option.choices and declared.metavar is None else declared.metavar,
        "rich_help_panel": declared.panel,
        "show_default": option.default_text or False,
        "hidden": hidden,
    }
    if declared.parse is not None:
        settings["parser"] = _parser(declared.parse)
    if kind is bool:
        settings["show_default"] = False
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=None,
        annotation=Annotated[kind | None, typer.Option(*flags, **settings)],
    )


def _parser(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Turn a ValueError of a parser into an error of the command line."""

    def parse_parameter(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    return parse_parameter
