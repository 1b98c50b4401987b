"""Command-line parameters made from declared options (`lipdub.options`).

An option that a person does not give is not passed on. So its default lives in its declaration alone.
"""

from __future__ import annotations

import inspect
from typing import TYPE_CHECKING, Annotated, Any, Literal, Optional

import typer

from lipdub.options import options_of

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable, Mapping

    from lipdub.options import Option

_FORMER = "__former"  # ends the name of the parameter of an option's former flags


def collect_options(*kinds: type) -> dict[str, Option]:
    """Return the options of options dataclasses that have flags, by field name. The first of a name counts."""
    found: dict[str, Option] = {}
    for kind in kinds:
        for option in options_of(kind):
            if option.declared.flags:
                found.setdefault(option.name, option)
    return found


def make_parameters(
    options: Mapping[str, Option], *, required: Collection[str] = (), flags: Mapping[str, tuple[str, ...]] | None = None
) -> list[inspect.Parameter]:
    """Make the parameters of a command, as Typer reads them. Former flags are accepted and not shown.

    Args:
        options: Name of the parameter to option.
        required: Names of the options that must be given.
        flags: Name to flags, where they differ from the declared ones.
    """
    parameters = []
    for name, option in options.items():
        current = option.declared.flags if flags is None else flags[name]
        parameters.append(make_parameter(name, option, current, is_required=name in required))
        former = [flag for flag in option.declared.aliases if flag not in current]
        if former:
            parameters.append(make_parameter(name + _FORMER, option, former, is_hidden=True))
    return parameters


def make_parameter(
    name: str, option: Option, flags: Iterable[str], *, is_required: bool = False, is_hidden: bool = False
) -> inspect.Parameter:
    """Make one keyword parameter, which is None unless the option is given.

    The help shows the declared default and range. The options dataclass checks the range, so the message is lipdub's.
    """
    declared = option.declared
    settings = typer.Option(
        *flags,
        help=declared.help,
        metavar=", ".join(text for text in (declared.metavar, option.range_text) if text) or None,
        parser=_wrap_parser(declared.parse) if declared.parse is not None else None,
        show_default=option.default_text if option.default_text and option.value_type is not bool else False,
        rich_help_panel=declared.panel,
        hidden=is_hidden,
    )
    kind: Any = _find_type(option) if is_required else Optional[_find_type(option)]  # noqa: UP045 - built at run time
    return inspect.Parameter(
        name,
        inspect.Parameter.KEYWORD_ONLY,
        default=inspect.Parameter.empty if is_required else None,
        annotation=Annotated[kind, settings],
    )


def drop_missing(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return the values that were given, those of former flags under the name of the option.

    Raises:
        typer.BadParameter: Both the flag and its former form were given.
    """
    given = {name: value for name, value in values.items() if value is not None and not name.endswith(_FORMER)}
    for key, value in values.items():
        if value is None or not key.endswith(_FORMER):
            continue
        name = key.removesuffix(_FORMER)
        if name in given:
            raise typer.BadParameter(f"--{name.replace('_', '-')} is given twice")
        given[name] = value
    return given


def _find_type(option: Option) -> Any:
    """Return the type of a given value, as Typer reads it."""
    kind = option.value_type
    if option.choices and kind is str:
        return Literal[option.choices]
    return option.value_annotation if kind is list else kind


def _wrap_parser(parse: Callable[[str], Any]) -> Callable[[str], Any]:
    """Turn a ValueError of a parser into an error of the command line."""

    def parse_parameter(text: str) -> Any:
        try:
            return parse(text)
        except ValueError as error:
            raise typer.BadParameter(str(error)) from error

    return parse_parameter
