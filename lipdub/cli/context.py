"""What all commands share: how much they say and in which form, and how they end.

:func:`command` adds the flags of :class:`GlobalOptions` to a command's own, and turns errors into one line and an
exit code.
"""

from __future__ import annotations

import inspect
import json
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Annotated, Any, Literal, TypeAlias, get_type_hints, overload

import typer

from lipdub.cli.process import INTERRUPTED, say
from lipdub.errors import printable

USAGE = 2
ENVIRONMENT = 5
_PANEL = "Global options"
_Command: TypeAlias = Callable[..., None]


@dataclass
class GlobalOptions:
    """The global flags of a command.

    Attributes:
        quiet: Print nothing but errors.
        verbose: Print more.
        json: Print JSON instead of text.
        debug: Print tracebacks, decisions inside stages, and what libraries print.
        device: Where networks compute.
        threads: Processor threads; 0 means all cores.
        stream: Where messages go.
    """

    quiet: bool = False
    verbose: bool = False
    json: bool = False
    debug: bool = False
    device: str = "auto"
    threads: int = 0
    stream: IO[str] = field(default_factory=lambda: sys.stderr)

    def result(self, value: Any, text: str | None = None) -> None:
        """The command's result on standard output: as one JSON object, or as ``text`` unless quiet."""
        if self.json:
            from lipdub.workspace.json_values import to_plain

            print(json.dumps(to_plain(value), ensure_ascii=True), flush=True)
        elif text is not None and not self.quiet:
            print(text, flush=True)

    def paths(self, value: Any, *paths: Path) -> None:
        """The files that a command wrote: ``value`` as one JSON object, or a path a line unless quiet.

        Scripts get names as they are. On a terminal, unprintable characters are escaped.
        """
        if self.json or sys.stdout is None or sys.stdout.isatty():
            self.result(value, "\n".join(printable(path) for path in paths))
        elif not self.quiet:
            sys.stdout.flush()
            sys.stdout.buffer.write(b"".join(os.fsencode(path) + b"\n" for path in paths))
            sys.stdout.flush()

    def note(self, text: str) -> None:
        """A line for people on standard error."""
        if not self.quiet and not self.json:
            say(text, self.stream)


_FLAGS: dict[str, tuple[Any, Any]] = {
    "quiet": (
        Annotated[bool, typer.Option("--quiet", "-q", help="Print nothing but errors.", rich_help_panel=_PANEL)],
        False,
    ),
    "verbose": (
        Annotated[bool, typer.Option("--verbose", "-v", help="Print more.", rich_help_panel=_PANEL)],
        False,
    ),
    "json_": (
        Annotated[
            bool,
            typer.Option(
                "--json",
                help="Print one JSON object per line on standard error, and only the result on standard output.",
                rich_help_panel=_PANEL,
            ),
        ],
        False,
    ),
    "debug": (
        Annotated[
            bool,
            typer.Option(
                "--debug",
                help="Print tracebacks, decisions inside stages, and what libraries print.",
                rich_help_panel=_PANEL,
            ),
        ],
        False,
    ),
    "device": (
        Annotated[
            Literal["auto", "cpu", "cuda", "mps"],
            typer.Option("--device", help="Where networks compute.", rich_help_panel=_PANEL),
        ],
        "auto",
    ),
    "threads": (
        Annotated[
            int, typer.Option("--threads", min=0, help="Processor threads. 0 means all cores.", rich_help_panel=_PANEL)
        ],
        0,
    ),
}


@overload
def command(extra: Callable[[], list[inspect.Parameter]]) -> Callable[[_Command], _Command]: ...
@overload
def command(extra: _Command) -> _Command: ...
def command(extra: Callable[..., Any]) -> Any:
    """Give ``function(manner, ...)`` the global flags, and end the process as its errors ask.

    Used as ``@command``, or as ``@command(parameters)`` for a function that also takes ``**values``: the parameters
    that ``parameters()`` returns are added to its own. The wrapper's signature, which Typer reads, is that of
    ``function`` without ``manner`` and with the flags.
    """
    if "manner" in inspect.signature(extra).parameters:
        return _with_flags(extra, [])
    return lambda function: _with_flags(function, extra())


def _with_flags(function: Callable[..., None], extra: list[inspect.Parameter]) -> Callable[..., None]:
    hints = get_type_hints(function, include_extras=True)
    own = [
        parameter.replace(annotation=hints[name], kind=inspect.Parameter.KEYWORD_ONLY)
        for name, parameter in inspect.signature(function).parameters.items()
        if name != "manner" and parameter.kind is not inspect.Parameter.VAR_KEYWORD
    ]
    flags = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=default, annotation=kind)
        for name, (kind, default) in _FLAGS.items()
    ]
    parameters = [*own, *extra, *flags]

    def wrapper(**values: Any) -> None:
        given = {name.rstrip("_"): values.pop(name) for name in _FLAGS}
        manner = GlobalOptions(**given)
        try:
            with _mute_libraries(manner), _debug_log(manner):
                function(manner=manner, **values)
        except KeyboardInterrupt:
            _report_interrupt(manner)
            raise typer.Exit(INTERRUPTED) from None
        except (typer.Exit, typer.Abort, typer.BadParameter, BrokenPipeError):
            raise
        except Exception as error:
            raise typer.Exit(_report_failure(manner, error)) from None

    wrapper.__name__ = function.__name__
    wrapper.__doc__ = function.__doc__
    wrapper.__module__ = function.__module__
    wrapper.__signature__ = inspect.Signature(parameters)  # type: ignore[attr-defined]
    wrapper.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}
    return wrapper


def report_error(what: str, *, hint: str = "", code: int, as_json: bool = False, stream: IO[str] | None = None) -> None:
    """One line (or one JSON object) on standard error that says what is wrong."""
    from lipdub.errors import LipdubError

    error = LipdubError(what, hint=hint)
    if as_json:
        content = {"event": "error", "exit_code": code, "message": error.what, "hint": error.hint}
        line = json.dumps(content)
    else:
        line = f"error: {error}"
    say(line, stream or sys.stderr)


def _report_failure(manner: GlobalOptions, error: Exception) -> int:
    from lipdub.errors import LipdubError, wrap_os_error

    if manner.debug:
        import traceback

        traceback.print_exception(error, file=manner.stream)
    if isinstance(error, OSError):
        error = wrap_os_error(error, doing="use")
    if isinstance(error, LipdubError):
        what, hint, code = error.what, error.hint, error.exit_code
    elif isinstance(error, MemoryError):
        what, hint, code = "out of memory", "Close other programs and run again.", ENVIRONMENT
    elif isinstance(error, ModuleNotFoundError):
        what, hint = f"the Python package {error.name} is missing", _find_package_hint(error.name)
        code = ENVIRONMENT
    else:
        what, hint = (
            f"a fault in lipdub: {type(error).__name__}: {error}",
            "Run again with --debug and report it.",
        )
        code = 1
    report_error(what, hint=hint, code=code, as_json=manner.json, stream=manner.stream)
    return code


def _find_package_hint(name: str | None) -> str:
    from lipdub.engine.doctor import list_extras

    extras = [extra for extra, packages in list_extras().items() if name in packages]
    return f"pip install 'lipdub[{extras[0]}]'" if extras else "See lipdub doctor."


def _report_interrupt(manner: GlobalOptions) -> None:
    if manner.json:
        say(json.dumps({"event": "interrupted"}), manner.stream)
    else:
        line = "interrupted: finished work is kept, the same command goes on from there."
        say(line, manner.stream)


class _JsonFormatter(logging.Formatter):
    """Formats a record of the log as one JSON object, an event like those of the progress."""

    def format(self, record: logging.LogRecord) -> str:
        return json.dumps({"event": "debug", "logger": record.name, "message": record.getMessage()})


@contextmanager
def _debug_log(manner: GlobalOptions) -> Iterator[None]:
    """Show the log of lipdub on standard error while a command runs with ``--debug``."""
    if not manner.debug:
        yield
        return
    log, handler = logging.getLogger("lipdub"), logging.StreamHandler(manner.stream)
    handler.setFormatter(_JsonFormatter() if manner.json else logging.Formatter("debug: %(name)s: %(message)s"))
    level = log.level
    log.setLevel(logging.DEBUG)
    log.addHandler(handler)
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(level)


@contextmanager
def _mute_libraries(manner: GlobalOptions) -> Iterator[None]:
    """Drop what libraries write to standard error. Messages of lipdub go on through a copy of the descriptor.

    Foreign lines would stand between those of ``--json`` and run through the progress bars. `faces.detectors` diverts
    MediaPipe's log by itself, for the library's sake. This catches the rest: OpenCV's remarks on damaged training
    clips, MediaPipe as `training.grid` uses it, and warnings of PyTorch. The copy also makes sure that a last message
    arrives while another thread diverts the descriptor.
    """
    try:
        number = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # closed, or not a file
        number = -1
    if manner.debug or number < 0:
        yield
        return
    sys.stderr.flush()
    copy = os.dup(number)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, number)
    os.close(nowhere)
    with os.fdopen(copy, "w", encoding=sys.stderr.encoding, errors="backslashreplace") as stream:
        manner.stream = stream
        try:
            yield
        finally:
            sys.stderr.flush()
            manner.stream.flush()
            os.dup2(copy, number)
            manner.stream = sys.stderr
