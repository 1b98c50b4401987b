"""The application: its commands, and what happens to arguments that make no sense."""

from __future__ import annotations

import gc
import os
import sys
from contextlib import suppress
from importlib import import_module
from typing import Any, NoReturn

import typer
import typer.core
import typer.main

from lipdub.cli.context import USAGE, report_error
from lipdub.cli.process import handle_signals, open_closed_streams, print_any_text

#: Each command in the order of the help: the module that adds it, and one line.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("lipdub.cli.run", "Make the talker in VIDEO say SPEECH."),
    "detect": ("lipdub.cli.stage", "Find shots and faces, and follow each face over time."),
    "neutralize": ("lipdub.cli.stage", "Measure each talker's mouth, and draw references without the speech's motion."),
    "sync": ("lipdub.cli.stage", "Make mouths that follow the speech."),
    "enhance": ("lipdub.cli.stage", "Restore the generated mouths."),
    "paste-back": ("lipdub.cli.stage", "Blend the mouths into the frames, encode, and add the audio."),
    "score": ("lipdub.cli.score", "Measure a result: mouth against speech, picture quality, likeness."),
    "lips": ("lipdub.cli.lips", "Export what the lips do in a speech: curves, mouth shapes, landmarks, a plot."),
    "inspect": ("lipdub.cli.inspection", "Forecast a run: frame times, shots, faces, gaps, time and memory."),
    "doctor": ("lipdub.cli.doctor", "Check the installation: packages, ffmpeg, weights, disk space."),
    "clean": ("lipdub.cli.clean", "Remove the caches of finished jobs."),
    "prepare": ("lipdub.cli.prepare", "Turn talking clips into a dataset for training."),
    "render-talkers": ("lipdub.cli.render_talkers", "Render talkers from heads into a dataset for training."),
    "adapt": ("lipdub.cli.adapt", "Fine-tune the talking-face model on the person in a video."),
    "train": ("lipdub.cli.train", "Train networks."),
    "weights": ("lipdub.cli.weights", "Manage network weights: list, fetch, add, verify."),
    "manual": ("lipdub.cli.manual", "Show the manual: a list of its pages, or one page."),
}


class LazyGroup(typer.core.TyperGroup):
    """The commands of `COMMANDS`, each imported when it is called. The help of the group imports none of them."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: typer.core.TyperCommand(name, help=summary) for name, (_, summary) in COMMANDS.items()}
        self._is_listing = False

    def format_help(self, ctx: Any, formatter: Any) -> None:
        """Print the help from the summaries alone."""
        self._is_listing = True
        super().format_help(ctx, formatter)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        """Return the command with its parameters; None where there is no such command."""
        if self._is_listing or cmd_name not in COMMANDS:
            return self.commands.get(cmd_name)
        module = import_module(COMMANDS[cmd_name][0])
        if hasattr(module, "app"):
            command = typer.main.get_command(module.app)
            command.name = cmd_name
            return command
        alone = typer.Typer(add_completion=False, pretty_exceptions_enable=False, context_settings=_CONTEXT)
        module.add(alone)
        return typer.main.get_group(alone).commands[cmd_name]


_CONTEXT = {"help_option_names": ["-h", "--help"]}

app = typer.Typer(
    name="lipdub",
    cls=LazyGroup,
    help="Makes the talker in a video say another speech track.",
    epilog="Exit codes: 0 done, 2 usage, 3 input, 4 weights, 5 environment, 6 below a threshold, 130 interrupted.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings=_CONTEXT,
)


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
    open_closed_streams()
    print_any_text()
    handle_signals()
    _tune()
    try:
        code = app(standalone_mode=False)
    except SystemExit:
        # The parser saw that the reader of our output went away (`| head`): it has what it wanted.
        code = 0
    except Exception as error:
        if not hasattr(error, "format_message"):  # not from the parser: a fault of ours
            raise
        code = _report_misuse(error)
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
    Freed memory is wanted again a frame later, so it is not handed back to the system each time. And few objects refer
    to one another in circles, so they are rarely looked for.
    """
    gc.set_threshold(20_000, 20, 50)
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    os.environ.setdefault("OPENCV_FOR_THREADS_NUM", "1")
    if sys.platform == "linux":
        import ctypes

        with suppress(OSError, AttributeError):
            libc = ctypes.CDLL(None)
            libc.mallopt(_M_MMAP_THRESHOLD, 32 << 20)  # the most glibc takes; it stops adapting once one is set
            libc.mallopt(_M_TRIM_THRESHOLD, 256 << 20)


_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3  # <malloc.h>


def _report_misuse(error: Exception) -> int:
    """Says what is wrong with the arguments; the parser's messages may end in a full stop or not."""
    message = error.format_message().rstrip(".").replace("Value error, ", "")  # type: ignore[attr-defined]
    if not message:  # bare `lipdub`: the help was printed
        return USAGE
    context = getattr(error, "ctx", None)
    command = context.command_path if context is not None else "lipdub"
    hint = f"See {command} --help."
    if message.startswith("No such option"):
        hint += " A file whose name begins with - is given as ./NAME."
    report_error(message, hint=hint, code=USAGE, as_json="--json" in sys.argv)
    return USAGE
