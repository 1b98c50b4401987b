"""The settings of a training: a TOML file, and changes to single ones on the command line.

A file names the fields of the training's options dataclass; fields that are dataclasses themselves are tables. What is
not named stays as the training has it:

    steps = 20_000
    rate = 1e-4
    precision = "bf16"
    betas = [0.5, 0.999]     # tuples are arrays

    [size]
    pixels = 192

A change is KEY=VALUE, with dots into tables and the value written as in TOML, where quotes may be left out:
`--set rate=3e-4 --set size.pixels=256 --set precision=fp16`. Changes hold over the file. A field that may be None takes
"none". Whole numbers do for fractional ones; nothing else is converted. `as_toml` gives a file of all settings that there
are, for reference and to be kept with what was trained.
"""

from __future__ import annotations

import difflib
import json
import tomllib
import types
from dataclasses import fields, is_dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from lipdub.errors import UsageError, printable, wrap_os_error

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Options = TypeVar("Options")


def apply_settings(options: Options, file: Path | None = None, changes: Sequence[str] = ()) -> Options:
    """Options (a dataclass) as a file and then changes, "KEY=VALUE" each, have them.

    Raises UsageError for unknown settings, values of the wrong kind or out of range, and a file that is not TOML; InputError
    where there is no such file.
    """
    if file is not None:
        options = _taken(options, _read(file), printable(file), "")
    for change in changes:
        key, equals, text = change.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {change!r} is no KEY=VALUE")
        value: Any = _value(text.strip())
        for part in reversed(key.strip().split(".")):
            value = {part: value}
        options = _taken(options, value, f"--set {key.strip()}", "")
    return options


def format_toml(options: Any) -> str:
    """All settings of options (a dataclass) as a TOML file; those that are None are left out."""
    return "\n".join(_lines(options, "")) + "\n"


def _read(file: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise wrap_os_error(error, file, "read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UsageError(f"{printable(file)} is not TOML: {error}") from error


def _value(text: str) -> Any:
    """A value as TOML reads it; what is no TOML is text."""
    try:
        found = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return found["value"] if set(found) == {"value"} else text


def _taken(options: Options, given: Mapping[str, Any], where: str, table: str) -> Options:
    """The options with what was given of them."""
    assert is_dataclass(options) and not isinstance(options, type)
    hints = get_type_hints(type(options))
    changed: dict[str, Any] = {}
    for name, value in given.items():
        key = f"{table}{name}"
        if name not in {field.name for field in fields(options)}:
            raise UsageError(f"{where}: there is no setting {key}", hint=_alike(name, options, table))
        old = getattr(options, name)
        if is_dataclass(old) and not isinstance(old, type):
            if not isinstance(value, dict):
                inner = ", ".join(f"{key}.{field.name}" for field in fields(old))
                raise UsageError(f"{where}: {key} is a table", hint=f"Set one of {inner}.")
            changed[name] = _taken(old, value, where, f"{key}.")
        else:
            changed[name] = _fitting(hints[name], value, where, key)
    try:
        return replace(options, **changed)
    except ValueError as error:  # of the dataclass's own check
        raise UsageError(f"{where}: {error}") from error


def _alike(name: str, options: Any, table: str) -> str:
    names = [field.name for field in fields(options)]
    near = difflib.get_close_matches(name.replace("-", "_"), names, 1)
    return f"Did you mean {table}{near[0]}?" if near else f"There are: {', '.join(table + n for n in sorted(names))}."


def _fitting(kind: Any, value: Any, where: str, key: str) -> Any:
    """A value as the field's type has it. Raises UsageError."""
    origin, inside = get_origin(kind), get_args(kind)
    if origin in (Union, types.UnionType):
        if type(None) in inside and value == "none":
            return None
        kinds = [k for k in inside if k is not type(None)]
        for k in kinds[:-1]:
            try:
                return _fitting(k, value, where, key)
            except UsageError:
                pass
        return _fitting(kinds[-1], value, where, key)
    if origin is Literal:
        if any(value == choice and type(value) is type(choice) for choice in inside):
            return value
        raise UsageError(f"{where}: {key} is {_told(value)}", hint=f"Choose one of: {', '.join(map(str, inside))}.")
    if origin is tuple and isinstance(value, list):
        if len(inside) == 2 and inside[1] is Ellipsis:
            return tuple(_fitting(inside[0], item, where, key) for item in value)
        if len(value) == len(inside):
            return tuple(_fitting(k, item, where, key) for k, item in zip(inside, value, strict=True))
        raise UsageError(f"{where}: {key} needs {len(inside)} values, not {len(value)}")
    if kind is float and type(value) in (int, float):
        return float(value)
    if kind is Path and isinstance(value, str):
        return Path(value)
    if kind in (int, bool, str) and type(value) is kind:
        return value
    if kind is str and type(value) in (int, float):
        return str(value)
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text", Path: "a path"}
    wanted = names.get(kind, "an array" if origin is tuple else "nothing that a file can set")
    raise UsageError(f"{where}: {key} is {_told(value)}, not {wanted}")


def _told(value: Any) -> str:
    return json.dumps(value, default=str)


def _lines(options: Any, table: str) -> list[str]:
    plain: list[str] = []
    tables: list[str] = []
    for field in fields(options):
        value = getattr(options, field.name)
        if is_dataclass(value) and not isinstance(value, type):
            name = f"{table}{field.name}"
            tables += ["", f"[{name}]", *_lines(value, f"{name}.")]
        elif value is not None:
            plain.append(f"{field.name} = {_written(value)}")
    return plain + tables


def _written(value: Any) -> str:
    """A plain value in TOML."""
    if isinstance(value, (tuple, list)):
        return f"[{', '.join(map(_written, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, float)):
        return repr(value)
    return json.dumps(str(value)).replace("\x7f", "\\u007f")
