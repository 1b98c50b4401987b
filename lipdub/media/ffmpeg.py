"""Finding and running the ffmpeg program."""

from __future__ import annotations

import errno
import os
import re
import shutil
import subprocess
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from lipdub.errors import EnvironmentFailure, InputError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


def find_ffmpeg(minimum: int = 0) -> str:
    """Path of an ffmpeg program: the system's, else the one in the imageio-ffmpeg wheel.

    ``minimum`` is a major version. If neither is that new the system's (or the wheel's) is returned all the
    same: callers that need the newer one check :func:`ffmpeg_version`. Raises :class:`EnvironmentFailure` when
    there is none at all.
    """
    found = [path for path in (shutil.which("ffmpeg"), _wheel_ffmpeg()) if path]
    if not found:
        raise EnvironmentFailure(
            "no ffmpeg program was found", hint="Install ffmpeg, or the Python package imageio-ffmpeg."
        )
    for path in found:
        if minimum == 0 or read_ffmpeg_version(path) >= minimum:
            return path
    return found[0]


def _wheel_ffmpeg() -> str | None:
    try:
        import imageio_ffmpeg

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError):
        return None


@lru_cache(maxsize=8)
def read_ffmpeg_version(executable: str) -> int:
    """Major version of an ffmpeg program; a build without a release number counts as 99 (built from the
    development branch), one that does not run as -1.
    """
    try:
        shown = subprocess.run([executable, "-version"], capture_output=True, timeout=30, check=False)
    except (OSError, subprocess.TimeoutExpired):
        return -1
    number = re.match(rb"ffmpeg version n?(\d+)\.", shown.stdout)
    if number:
        return int(number.group(1))
    return 99 if shown.returncode == 0 else -1


def run_ffmpeg(
    output: Any,
    executable: str,
    *,
    first: Sequence[str] = (),
    repeated: Sequence[str] = (),
    metadata: Path | None = None,
) -> None:
    """Run an ffmpeg-python output node; a failure raises with the last lines ffmpeg wrote.

    ``first`` are options for the whole command. ``repeated`` go with the output: ffmpeg-python itself takes each
    option once only, but an output may have many ``-metadata``. ``metadata`` is an FFMETADATA file whose
    chapters the result gets. :class:`EnvironmentFailure` when the disk is
    full or the program cannot run, else :class:`FfmpegError`.
    """
    import ffmpeg

    arguments = ffmpeg.compile(output, cmd=executable)
    inputs = arguments.index("-map")
    chapters: list[str] = []
    if metadata is not None:
        count = arguments[:inputs].count("-i")
        chapters = ["-f", "ffmetadata", "-i", str(metadata), "-map_chapters", str(count)]
    command = [
        arguments[0],
        "-nostdin",
        "-hide_banner",
        "-loglevel",
        "error",
        "-y",
        *first,
        *arguments[1:inputs],
        *chapters,
        *arguments[inputs:-1],
        *repeated,
        arguments[-1],
    ]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    except (OSError, ValueError) as error:
        raise EnvironmentFailure(f"the ffmpeg program {executable} cannot be run: {error}") from error
    if done.returncode != 0:
        text = done.stderr.decode("utf-8", "replace").strip()
        if os.strerror(errno.ENOSPC) in text:
            raise EnvironmentFailure("no space left on the disk for the result", hint="Free some space.")
        raise FfmpegError(text or f"it ended with code {done.returncode}")


class FfmpegError(InputError):
    """ffmpeg ended with a fault; ``stderr`` is what it wrote."""

    def __init__(self, stderr: str) -> None:
        lines = [line.strip() for line in stderr.splitlines() if line.strip()]
        super().__init__("ffmpeg failed: " + ("; ".join(lines[-3:]) or "no message"))
        self.stderr = stderr
        self.reason = re.sub(r"^\[[^]]*\] *", "", lines[0]) if lines else "no message"
