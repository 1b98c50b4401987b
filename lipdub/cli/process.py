"""The process and its surroundings: standard streams that the caller closed, readers that went away, signals."""

from __future__ import annotations

import io
import os
import signal
import sys
import time
from contextlib import suppress
from types import FrameType
from typing import IO, NoReturn

INTERRUPTED = 130
_ONE_PRESS = 0.5  # seconds within which a second signal is the same key press, passed on by another process
_STREAMS = {0: ("stdin", "r"), 1: ("stdout", "w"), 2: ("stderr", "w")}
_STOPPING = ("SIGTERM", "SIGINT", "SIGHUP")  # those of Ctrl-C, of services and of a terminal that is closed
_closed: set[str] = set()  # names of the streams that the caller closed


def open_closed_streams() -> None:
    """Open the null device in place of the standard streams that are closed, as under some services.

    Otherwise the next files that are opened take their numbers, and what is printed ends up in them.
    """
    for number, (name, mode) in _STREAMS.items():
        try:
            os.fstat(number)
        except OSError:
            _point_to_null(number)
            _closed.add(name)
        if getattr(sys, name) is None:
            stream = os.fdopen(number, mode, encoding="utf-8", errors="backslashreplace", closefd=False)
            setattr(sys, name, stream)


def is_output_closed() -> bool:
    """Whether the caller closed standard output, so that what is written there is lost."""
    return "stdout" in _closed


def print_any_text() -> None:
    """Escape what the terminal's encoding cannot show, such as an ellipsis where the locale is C, or an odd name."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def say(line: str, stream: IO[str]) -> None:
    """Print a line for people. If nobody reads any more, as after ``2>&1 | head``, the work goes on in silence."""
    try:
        print(line, file=stream, flush=True)
    except OSError:
        with suppress(OSError, ValueError):
            _point_to_null(stream.fileno())  # what the stream still holds goes there, too


def _point_to_null(number: int) -> None:
    nowhere = os.open(os.devnull, os.O_RDWR)
    if nowhere == number:
        os.set_inheritable(number, True)
        return
    os.dup2(nowhere, number)
    os.close(nowhere)


def handle_signals() -> None:
    """Stop the work at the first Ctrl-C, termination or closing of the terminal, and end the process at the second.

    The work stops in order: temporary files go, the workspace is unlocked. The second signal skips that. No file is
    half-written then either, and the next run removes what was left. A signal that the caller ignores stays ignored.
    """
    for number in _list_signals():
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _stop)


def _list_signals() -> list[signal.Signals]:
    """Return the signals that stop the work, as far as the system has them."""
    return [signal.Signals[name] for name in _STOPPING if name in signal.Signals.__members__]


def _stop(number: int, frame: FrameType | None) -> NoReturn:
    first = time.monotonic()

    def end(number: int, frame: FrameType | None) -> None:
        if time.monotonic() - first > _ONE_PRESS:
            os._exit(INTERRUPTED)

    for each in _list_signals():
        if signal.getsignal(each) is _stop:
            signal.signal(each, end)
    raise KeyboardInterrupt
