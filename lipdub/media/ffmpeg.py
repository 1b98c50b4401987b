"""Finding and running the ffmpeg program."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.errors import EnvironmentFailure, InputError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

DEVELOPMENT_VERSION = 99  # stands for a build of the development branch, which has no release number
BROKEN_VERSION = -1  # stands for a program that does not run
_VERSION_TIMEOUT = 30  # seconds
_INSTALL_HINT = "Install ffmpeg, or the Python package imageio-ffmpeg."
_QUOTED_LINES = 3  # how many of ffmpeg's last lines an error quotes


def find_ffmpeg(minimum: int = 0) -> str:
    """Return the path of an ffmpeg program: the first of :func:`iter_ffmpegs`.

    Args:
        minimum: Preferred major version.

    Raises:
        EnvironmentFailure: There is no ffmpeg that runs.
    """
    return next(iter_ffmpegs(minimum))


def iter_ffmpegs(minimum: int = 0) -> Iterator[str]:
    """Yield the paths of all ffmpeg programs that run: those in PATH, then the one in the imageio-ffmpeg wheel.

    A program is only looked for when all before it have been taken.

    Args:
        minimum: Preferred major version. Older programs come last; callers that need the version check
            :func:`read_ffmpeg_version`.

    Raises:
        EnvironmentFailure: There is no ffmpeg that runs.
    """
    new: list[str] = []
    old: list[str] = []
    broken: list[str] = []
    for path in _iter_programs():
        version = read_ffmpeg_version(path)
        (broken if version == BROKEN_VERSION else new if version >= minimum else old).append(path)
        if version >= minimum:
            yield path
    yield from old
    if broken and not new and not old:
        raise EnvironmentFailure(f"the ffmpeg program {broken[0]} does not run", hint=_INSTALL_HINT)
    if not new and not old:
        raise EnvironmentFailure("no ffmpeg program was found", hint=_INSTALL_HINT)


def _iter_programs() -> Iterator[str]:
    yield from _find_programs("ffmpeg")
    wheel = _find_wheel_ffmpeg()
    if wheel:
        yield wheel


def _find_programs(name: str) -> list[str]:
    """Return the programs of this name in all folders of PATH, each once."""
    found: dict[str, str] = {}
    for folder in os.get_exec_path():
        program = shutil.which(name, path=folder)
        if program is not None:
            found.setdefault(os.path.realpath(program), program)
    return list(found.values())


def _find_wheel_ffmpeg() -> str | None:
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


@lru_cache(maxsize=8)
def read_ffmpeg_version(executable: str) -> int:
    """Return the major version of an ffmpeg program.

    Returns:
        The version, :data:`DEVELOPMENT_VERSION` or :data:`BROKEN_VERSION`.
    """
    try:
        output = subprocess.run([executable, "-version"], capture_output=True, timeout=_VERSION_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return BROKEN_VERSION
    number = re.match(rb"ffmpeg version n?(\d+)\.", output.stdout)
    if number:
        return int(number.group(1))
    return DEVELOPMENT_VERSION if output.returncode == 0 else BROKEN_VERSION


def run_ffmpeg(
    output: Any,
    executable: str,
    *,
    global_options: Sequence[str] = (),
    output_options: Sequence[str] = (),
    metadata: Path | None = None,
) -> None:
    """Run an ffmpeg-python output node.

    Args:
        output: The node. Its files are :class:`pathlib.Path` objects: ffmpeg-python cannot hash names as text that
            are not UTF-8.
        executable: Path of the ffmpeg program.
        global_options: Options of the whole command.
        output_options: More options of the output. ffmpeg-python takes each option once only, but an output
            may have many ``-metadata``.
        metadata: An FFMETADATA file with the result's chapters.

    Raises:
        EnvironmentFailure: The disk is full or the program cannot be run.
        FfmpegError: ffmpeg fails for another reason.
    """
    import ffmpeg

    arguments = ffmpeg.compile(output, cmd=executable)
    command = [_encode(word) for word in _build_command(arguments, global_options, output_options, metadata)]
    try:
        process = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except (OSError, ValueError) as error:
        raise EnvironmentFailure(f"the ffmpeg program {executable} cannot be run: {error}") from error
    if process.returncode != 0:
        text = process.stderr.decode("utf-8", "replace").strip()
        if os.strerror(errno.ENOSPC) in text:
            raise EnvironmentFailure("no space left on the disk for the result", hint="Free some space.")
        raise FfmpegError(text or f"it ended with code {process.returncode}")


def _encode(word: str | Path) -> bytes:
    """Return a word of a command as the system passes it: names as they are on the disk, text as UTF-8."""
    return os.fsencode(word) if isinstance(word, Path) else word.encode("utf-8", "surrogateescape")


def _build_command(
    arguments: list[str | Path], global_options: Sequence[str], output_options: Sequence[str], metadata: Path | None
) -> list[str | Path]:
    """Insert options into the command ffmpeg-python compiled: program, inputs, maps and options, output."""
    executable, *inputs_and_output, output = arguments
    split = inputs_and_output.index("-map")
    inputs, options = inputs_and_output[:split], inputs_and_output[split:]
    chapters: list[str | Path] = []
    if metadata is not None:
        chapters = ["-f", "ffmetadata", "-i", metadata, "-map_chapters", str(inputs.count("-i"))]
    quiet = ["-nostdin", "-hide_banner", "-loglevel", "error", "-y"]
    return [executable, *quiet, *global_options, *inputs, *chapters, *options, *output_options, output]


class FfmpegError(InputError):
    """ffmpeg failed.

    Attributes:
        stderr: What ffmpeg wrote.
        reason: Its first line, without the name of the part that wrote it.
    """

    def __init__(self, stderr: str) -> None:
        lines = [line.strip() for line in stderr.splitlines() if line.strip()]
        super().__init__("ffmpeg failed: " + ("; ".join(lines[-_QUOTED_LINES:]) or "no message"))
        self.stderr = stderr
        self.reason = re.sub(r"^\[[^]]*\] *", "", lines[0]) if lines else "no message"
