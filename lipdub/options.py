"""Options, each declared once.

A group of options is a frozen dataclass. Each field carries its flag, range, choices and help as metadata, given by
:func:`option`; its type and default are the field's own. The command line, the validation, the Python signature of
:func:`lipdub.dub` and the tables of the manual are made from these declarations.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Callable, Sequence
from dataclasses import MISSING, dataclass, field, fields, replace
from typing import Any, Literal, Union, get_args, get_origin, get_type_hints

from lipdub.errors import UsageError

_KEY = "lipdub.option"

Choices = Sequence[str] | Callable[[], Sequence[str]]
Parser = Callable[[str], Any]


@dataclass(frozen=True)
class Declaration:
    """What is declared of an option beside its type and default.

    Attributes:
        flags: On the command line: ``("--feather",)``; a switch that can be turned off is ``("--x/--no-x",)``.
        help: One or two sentences.
        low: Least value allowed.
        high: Largest value allowed.
        choices: The values allowed, or a function that returns them.
        metavar: What stands for the value in the help.
        panel: Heading of the help under which the option stands.
        parse: Turns the text of the command line into the value. Raises ValueError with a reason.
        aliases: Older flags, still accepted and not shown.
        run_name: The option's name in a whole run, where it differs from the field's: ``enhance_region``.
        run_flags: Its flags in a whole run, where they differ from ``flags``; empty for an option a run does not have.
        old_names: Former names of the field, understood in Python calls and in records of earlier versions.
        default_text: What the help shows as default, where the default itself says too little.
    """

    flags: tuple[str, ...]
    help: str
    low: float | None = None
    high: float | None = None
    choices: Choices | None = None
    metavar: str | None = None
    panel: str | None = None
    parse: Parser | None = None
    aliases: tuple[str, ...] = ()
    run_name: str | None = None
    run_flags: tuple[str, ...] | None = None
    old_names: tuple[str, ...] = ()
    default_text: str | None = None


def option(default: Any, *flags: str, help: str, **declared: Any) -> Any:
    """Declare a field of an options dataclass.

    Args:
        default: The field's default.
        *flags: Flags on the command line. A field without flags is set from Python only.
        help: One or two sentences for the command line and the manual.
        **declared: The other attributes of :class:`Declaration`.
    """
    return field(default=default, metadata={_KEY: Declaration(tuple(flags), help, **declared)})


def redeclare(kind: type, name: str, **declared: Any) -> Any:
    """Declare an inherited field again, in other words. It keeps its place, type, default and parser.

    Args:
        kind: The base class that declares the field.
        name: The field's name.
        **declared: Attributes of :class:`Declaration` that differ.
    """
    (item,) = [item for item in fields(kind) if item.name == name]
    return field(default=item.default, metadata={_KEY: replace(item.metadata[_KEY], **declared)})


@dataclass(frozen=True)
class OptionGroup:
    """Base of options dataclasses. A new object checks its values (`validate`)."""

    def __post_init__(self) -> None:
        validate(self)


@dataclass(frozen=True)
class Option:
    """One option as declared.

    Attributes:
        name: The field's name.
        annotation: The field's type: ``float | None``, ``Literal["a", "b"]``.
        default: The field's default.
        declared: Its :class:`Declaration`.
    """

    name: str
    annotation: Any
    default: Any
    declared: Declaration

    @property
    def run_name(self) -> str:
        """The option's name in a whole run."""
        return self.declared.run_name or self.name

    @property
    def run_flags(self) -> tuple[str, ...]:
        """The option's flags in a whole run; empty where a run does not have it."""
        return self.declared.flags if self.declared.run_flags is None else self.declared.run_flags

    @property
    def choices(self) -> tuple[str, ...]:
        """The values allowed; empty where any value of the type is."""
        declared = self.declared.choices
        if declared is not None:
            return tuple(declared() if callable(declared) else declared)
        for part in (self.annotation, *get_args(self.annotation)):
            if get_origin(part) is Literal:
                return get_args(part)
        return ()

    @property
    def range_text(self) -> str:
        """The range of the values as shown to a person: ``0 to 1``, ``at least 0``; empty for none."""
        return _range_text(self.declared.low, self.declared.high)

    @property
    def value_annotation(self) -> Any:
        """The annotation of a given value: ``list[str]`` for ``list[str] | None``."""
        if get_origin(self.annotation) in (Union, types.UnionType):
            return next(part for part in get_args(self.annotation) if part is not type(None))
        return self.annotation

    @property
    def value_type(self) -> type:
        """The type of a given value: ``float`` for ``float | None``."""
        return _value_type(self.annotation)

    @property
    def default_text(self) -> str:
        """The default as shown to a person; empty for none."""
        if self.declared.default_text is not None:
            return self.declared.default_text
        if self.default is None or self.default is False:
            return ""
        return f"{self.default:g}" if isinstance(self.default, float) else str(self.default)


def options_of(kind: type) -> tuple[Option, ...]:
    """Return the declared options of an options dataclass, in order. Fields without a declaration are left out."""
    hints = get_type_hints(kind)
    return tuple(
        Option(item.name, hints[item.name], None if item.default is MISSING else item.default, item.metadata[_KEY])
        for item in fields(kind)
        if _KEY in item.metadata
    )


def validate(values: Any) -> None:
    """Check the declared fields of an options object against their types, choices and ranges.

    Called from ``__post_init__``. Integers given for floats become floats, paths given for strings strings.

    Raises:
        UsageError: A value is of the wrong type, not among the choices or out of range.
    """
    for item in options_of(type(values)):
        value = _coerce(item, getattr(values, item.name))
        object.__setattr__(values, item.name, value)
        if value is None:
            continue
        shown = item.declared.flags[0].split("/")[0] if item.declared.flags else item.name
        if item.choices and value not in item.choices:
            raise UsageError(f"{shown} {value!r} is unknown", hint=f"It takes {', '.join(map(str, item.choices))}.")
        low, high = item.declared.low, item.declared.high
        if (low is not None and not value >= low) or (high is not None and not value <= high):
            raise UsageError(f"{shown} must be {item.range_text}, not {value:g}")


def _coerce(item: Option, value: Any) -> Any:
    kind = item.value_type
    if value is None and type(None) in get_args(item.annotation):
        return None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is str and not isinstance(value, str) and hasattr(value, "__fspath__"):
        return str(value)
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        shown = item.declared.flags[0].split("/")[0] if item.declared.flags else item.name
        raise UsageError(f"{shown} takes {_TYPE_NAMES.get(kind, kind.__name__)}, not {value!r}")
    return value


_TYPE_NAMES = {float: "a number", int: "a whole number", bool: "true or false", str: "text"}


def _range_text(low: float | None, high: float | None) -> str:
    if low is not None and high is not None:
        return f"{low:g} to {high:g}"
    if low is not None:
        return f"at least {low:g}"
    return f"at most {high:g}" if high is not None else ""


def _value_type(annotation: Any) -> type:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _value_type(next(part for part in get_args(annotation) if part is not type(None)))
    if origin is Literal:
        return type(get_args(annotation)[0])
    if origin is typing.Annotated:
        return _value_type(get_args(annotation)[0])
    return origin or annotation  # type: ignore[no-any-return]
