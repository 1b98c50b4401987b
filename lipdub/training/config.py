"""The settings of a training: a TOML file, and single changes on the command line.

A file names the fields of the training's options dataclass. A field that is a dataclass itself is a table. A field that
the file does not name keeps its value:

    steps = 20_000
    learning_rate = 1e-4
    precision = "bf16"
    betas = [0.5, 0.999]     # tuples are arrays

    [size]
    pixels = 192

A change is KEY=VALUE, with dots into tables and the value in TOML; quotes may be left out: `--set learning_rate=3e-4
--set size.pixels=256 --set precision=fp16`. Changes override the file. A field that may be None takes "none". An
integer is valid for a float; nothing else is converted. `format_toml` gives a file of all settings, for reference and
to keep with the trained network.
"""

from __future__ import annotations

import difflib
import json
import tomllib
import types
from dataclasses import field, fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from lipdub.errors import UsageError, printable, wrap_os_error

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

Options = TypeVar("Options")

_FORMER_NAME, _IS_ADDED = "was", "added"  # keys in a field's metadata


def setting(default: Any = None, *, was: str, factory: Callable[[], Any] | None = None) -> Any:
    """Declare a renamed field of an options dataclass.

    Files and changes may use the former name, and `plain_settings` gives it, so that a training begun with lipdub 0.1
    still finds its checkpoints.
    """
    if factory is not None:
        return field(default_factory=factory, metadata={_FORMER_NAME: was})
    return field(default=default, metadata={_FORMER_NAME: was})


def plain_settings(options: Any) -> dict[str, Any]:
    """Give options (a dataclass) as plain values, by the names that fields had when they were introduced.

    A field that was added later is left out while it has its default: `field(default=..., metadata={"added": True})`.
    """
    return {
        item.metadata.get(_FORMER_NAME, item.name): plain_settings(value) if _is_options(value) else value
        for item in fields(options)
        for value in (getattr(options, item.name),)
        if not (item.metadata.get(_IS_ADDED) and value == item.default)
    }


def apply_settings(options: Options, file: Path | None = None, changes: Sequence[str] = ()) -> Options:
    """Apply a file and then changes to options.

    Args:
        options: a dataclass with the values to begin with.
        file: a TOML file.
        changes: "KEY=VALUE" each.

    Returns:
        options of the same class.

    Raises:
        UsageError: an unknown setting, a value of the wrong type or out of range, or a file that is not TOML.
        InputError: there is no such file.
    """
    if file is not None:
        options = _apply_table(options, _read_toml(file), printable(file), "")
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {change!r} is no KEY=VALUE")
        value: Any = _parse_value(text.strip())
        for part in reversed(key.strip().split(".")):
            value = {part: value}
        options = _apply_table(options, value, f"--set {key.strip()}", "")
    return options


def format_toml(options: Any) -> str:
    """Give all settings of options (a dataclass) as a TOML file; those that are None are left out."""
    return "\n".join(_format_lines(options, "")) + "\n"


def _is_options(value: Any) -> bool:
    return is_dataclass(value) and not isinstance(value, type)


def _read_toml(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise wrap_os_error(error, file, "read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{printable(file)} is not TOML: {error}") from error


def _parse_value(text: str) -> Any:
    """Parse a value as TOML; anything else is text."""
    try:
        table = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return table["value"] if set(table) == {"value"} else text


def _apply_table(options: Options, values: Mapping[str, Any], where: str, table: str) -> Options:
    """Give the options with the values of a table. `table` is its name with a dot at the end, for messages."""
    assert is_dataclass(options)
    assert not isinstance(options, type)
    hints = get_type_hints(type(options))
    names = {field.name for field in fields(options)}
    former = {field.metadata[_FORMER_NAME]: field.name for field in fields(options) if _FORMER_NAME in field.metadata}
    changed: dict[str, Any] = {}
    for given_name, value in values.items():
        key, name = f"{table}{given_name}", former.get(given_name, given_name)
        if name not in names:
            raise UsageError(f"{where}: there is no setting {key}", hint=_suggest(given_name, options, table))
        old = getattr(options, name)
        if _is_options(old):
            if not isinstance(value, dict):
                inner = ", ".join(f"{key}.{field.name}" for field in fields(old))
                raise UsageError(f"{where}: {key} is a table", hint=f"Set one of {inner}.")
            changed[name] = _apply_table(old, value, where, f"{key}.")
        else:
            changed[name] = _convert(hints[name], value, where, key)
    try:
        return replace(options, **changed)
    except ValueError as error:  # of the dataclass's own check
        raise UsageError(f"{where}: {error}") from error


def _suggest(name: str, options: Any, table: str) -> str:
    names = [field.name for field in fields(options)]
    near = difflib.get_close_matches(name.replace("-", "_"), names, 1)
    return f"Did you mean {table}{near[0]}?" if near else f"There are: {', '.join(table + n for n in sorted(names))}."


def _convert(kind: Any, value: Any, where: str, key: str) -> Any:
    """Convert a value to a field's type. Raises UsageError."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        return _convert_union(inside, value, where, key)
    if origin is Literal:
        if any(value == choice and type(value) is type(choice) for choice in inside):
            return value
        choices = ", ".join(map(str, inside))
        raise UsageError(f"{where}: {key} is {_format_json(value)}", hint=f"Choose one of: {choices}.")
    if origin is tuple and isinstance(value, list):
        if len(inside) == 2 and inside[1] is Ellipsis:
            return tuple(_convert(inside[0], item, where, key) for item in value)
        if len(value) == len(inside):
            return tuple(_convert(k, item, where, key) for k, item in zip(inside, value, strict=True))
        raise UsageError(f"{where}: {key} needs {len(inside)} values, not {len(value)}")
    if kind in (int, bool, str) and type(value) is kind:
        return value
    if kind in (float, str) and type(value) in (int, float):
        return kind(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}
    wanted = names.get(kind, "an array" if origin is tuple else "nothing that a file can set")
    raise UsageError(f"{where}: {key} is {_format_json(value)}, not {wanted}")


def _convert_union(kinds: tuple[Any, ...], value: Any, where: str, key: str) -> Any:
    """Convert a value to the first type of a union that takes it."""
    if type(None) in kinds and value == "none":
        return None
    *first, last = [kind for kind in kinds if kind is not type(None)]
    for kind in first:
        try:
            return _convert(kind, value, where, key)
        except UsageError:
            continue
    return _convert(last, value, where, key)


def _format_json(value: Any) -> str:
    return json.dumps(value, default=str)


def _format_lines(options: Any, table: str) -> list[str]:
    plain: list[str] = []
    tables: list[str] = []
    for item in fields(options):
        value = getattr(options, item.name)
        if _is_options(value):
            name = f"{table}{item.name}"
            tables += ["", f"[{name}]", *_format_lines(value, f"{name}.")]
        elif value is not None:
            plain.append(f"{item.name} = {_format_value(value)}")
    return plain + tables


def _format_value(value: Any) -> str:
    """Give a plain value in TOML."""
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_format_value, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return json.dumps(str(value)).replace("\x7f", "\\u007f")
