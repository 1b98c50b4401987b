"""The application: its commands, and what happens to arguments that make no sense."""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import Any, NoReturn

import typer

from lipdub.cli import adapt, clean, doctor, inspection, lips, prepare, run, score, stage, train, weights
from lipdub.cli.context import USAGE, report_error

app = typer.Typer(
    name="lipdub",
    help="Makes the talker in a video say another speech track.",
    epilog="Exit codes: 0 done, 2 usage, 3 input, 4 weights, 5 environment, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
run.add(app)
stage.add(app)
score.add(app)
lips.add(app)
inspection.add(app)
doctor.add(app)
clean.add(app)
prepare.add(app)
adapt.add(app)
app.add_typer(train.app, name="train")
app.add_typer(weights.app, name="weights")


@app.callback(invoke_without_command=True)
def _root(
    version: bool = typer.Option(False, "--version", help="Print the version and end."),
) -> None:
    if version:
        from lipdub._version import __version__

        typer.echo(f"lipdub {__version__}")
        raise typer.Exit


def main() -> NoReturn:
    """Runs the command line and exits the process."""
    signal.signal(signal.SIGTERM, _terminated)
    _tune()
    try:
        code = app(standalone_mode=False)
    except BrokenPipeError:
        # The reader of our output went away (`| head`): nothing to say, nobody to say it to.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except Exception as error:
        if not hasattr(error, "format_message"):  # not from the parser: a fault of ours
            raise
        code = _misused(error)
    sys.exit(code if isinstance(code, int) else 0)


def program() -> NoReturn:
    """The installed command: `main`, and then the process ends at once.

    Taking down an interpreter that has loaded MediaPipe and the codecs takes longer than `lipdub --help`, to no use.
    """
    code: Any = 0
    try:
        main()
    except SystemExit as end:
        code = end.code
    if not isinstance(code, int):
        sys.exit(code)
    with suppress(OSError, ValueError):  # nobody reads any more
        sys.stdout.flush()
        sys.stderr.flush()
    os._exit(code)


def _tune() -> None:
    """Settings of this process that must be made before NumPy and OpenCV are loaded; what the user set stays.

    Frames are worked on in threads of lipdub's own: threads within each small operation only wait for one another.
    And freed memory is wanted again a frame later, so it is not handed back to the system each time.
    """
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None)
            libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the most glibc takes; it stops adapting once one is set
            libc.mallopt(_M_TRIM_THRESHOLD, 256 << 20)


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>


def _misused(error: Exception) -> int:
    """Says what is wrong with the arguments; the parser's messages may end in a full stop or not."""
    message = error.format_message().rstrip(".")  # type: ignore[attr-defined]
    if not message:  # bare `lipdub`: the help was printed
        return USAGE
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "lipdub"
    report_error(message, hint=f"See {command} --help.", code=USAGE, as_json="--json" in sys.argv)
    return USAGE


def _terminated(number: int, frame: FrameType | None) -> None:
    raise KeyboardInterrupt
