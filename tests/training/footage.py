"""Small talking videos for the tests of datasets, cut from the drawn sample."""

from __future__ import annotations

import subprocess
from pathlib import Path

from lipdub.media.ffmpeg import find_ffmpeg

TALKER = Path(__file__).resolve().parent.parent / "sample" / "talker.mp4"


def cut(path: Path, start: float = 0.0, seconds: float = 2.0, *more: str, filters: str = "scale=256:256") -> Path:
    """A part of the sample, in small."""
    path.parent.mkdir(parents=True, exist_ok=True)
    source = ["-ss", str(start), "-t", str(seconds), "-i", str(TALKER)]
    _ffmpeg(
        *source, "-vf", filters, "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac", *more, str(path.absolute())
    )
    return path


def blank(path: Path, seconds: float = 2.0) -> Path:
    """Nothing but grey and a tone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sources = ["-f", "lavfi", "-i", f"color=gray:s=128x128:r=25:d={seconds}"]
    sources += ["-f", "lavfi", "-i", f"sine=f=200:d={seconds}"]
    _ffmpeg(*sources, "-c:v", "libx264", "-c:a", "aac", str(path.absolute()))
    return path


def late(path: Path, seconds: float = 0.3) -> Path:
    """Two seconds and a half of the sample's picture, with its sound later."""
    path.parent.mkdir(parents=True, exist_ok=True)
    sources = ["-i", str(TALKER), "-itsoffset", str(seconds), "-i", str(TALKER), "-map", "0:v", "-map", "1:a"]
    _ffmpeg(*sources, "-vf", "scale=256:256", "-t", "2.5", "-c:v", "libx264", "-c:a", "aac", str(path.absolute()))
    return path


def _ffmpeg(*arguments: str) -> None:
    subprocess.run([find_ffmpeg(), "-v", "error", "-y", *arguments], check=True)
