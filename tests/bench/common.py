"""What the benchmarks share: running lipdub as a person does, clips, contact sheets."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.media.pixels import to_eight_bits

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "tests" / "sample"
LIPDUB = (sys.executable, "-c", "from lipdub.cli import program; program()")


@dataclass(frozen=True)
class Done:
    """A finished process: exit code, wall seconds, processor seconds, peak resident memory in bytes, its outputs."""

    code: int
    wall: float
    cpu: float
    peak: int
    out: str
    err: str


def timed(command: Sequence[str | Path], folder: Path | None = None) -> Done:
    """Runs a command to its end and measures the whole process, with the processes it waited for."""
    start = time.monotonic()
    process = subprocess.Popen(
        [str(part) for part in command],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        cwd=folder or ROOT,
        text=True,
    )
    out, err = _drain(process)
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.monotonic() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    scale = 1 if sys.platform == "darwin" else 1024
    return Done(process.returncode, wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * scale, out, err)


def _drain(process: subprocess.Popen[str]) -> tuple[str, str]:
    """Both outputs, read together so that neither pipe fills up, without reaping the process."""
    import threading

    parts: dict[str, str] = {}

    def read(name: str, stream: Any) -> None:
        parts[name] = stream.read()
        stream.close()

    readers = [threading.Thread(target=read, args=(n, s)) for n, s in (("o", process.stdout), ("e", process.stderr))]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    return parts["o"], parts["e"]


def dub(video: Path, speech: Path, out: Path, workspace: Path, *options: str) -> tuple[Done, dict[str, Any]]:
    """`lipdub run` in a process of its own, and the result object it prints ({} when it failed)."""
    command = [
        *LIPDUB,
        "run",
        video,
        speech,
        "-o",
        out,
        "-w",
        workspace,
        "--recipe",
        "builtin",
        "--json",
        "--overwrite",
    ]
    done = timed([*command, *options])
    try:
        result = json.loads(done.out) if done.code == 0 else {}
    except ValueError:
        result = {}
    return done, result


def shared() -> Path | None:
    """The folder of development data, if there is one: LIPDUB_SHARED, else beside the checkout."""
    named = os.environ.get("LIPDUB_SHARED")
    folder = Path(named) if named else ROOT.parent / "shared"
    return folder if (folder / "clips").is_dir() else None


def ffmpeg(*arguments: str | Path) -> None:
    from lipdub.media.ffmpeg import find_ffmpeg

    subprocess.run([find_ffmpeg(), "-v", "error", "-y", *map(str, arguments)], check=True)


def frames_digest(path: Path) -> str:
    """Digest of all decoded samples, frame times and sound of a video."""
    from lipdub.media.audio import load_audio
    from lipdub.media.read import read_frames

    digest = hashlib.sha256()
    for frame in read_frames(path):
        digest.update(frame.time.__str__().encode())
        for plane in frame.picture.planes:
            digest.update(np.ascontiguousarray(plane).tobytes())
    digest.update(load_audio(path).tobytes())
    return digest.hexdigest()


# -- contact sheets


def fit(picture: np.ndarray, height: int) -> np.ndarray:
    """RGB scaled to a height."""
    import cv2

    width = max(1, round(picture.shape[1] * height / picture.shape[0]))
    way = cv2.INTER_AREA if picture.shape[0] > height else cv2.INTER_CUBIC
    return cv2.resize(picture, (width, height), interpolation=way)


def label(picture: np.ndarray, text: str) -> np.ndarray:
    """The picture with a line of text over its upper left corner."""
    import cv2

    out = np.ascontiguousarray(picture).copy()
    for colour, thick in (((0, 0, 0), 3), ((255, 255, 255), 1)):
        cv2.putText(out, text, (5, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.42, colour, thick, cv2.LINE_AA)
    return out


def line(text: str, width: int) -> np.ndarray:
    import cv2

    strip = np.full((24, width, 3), 24, np.uint8)
    plain = text.encode("ascii", "replace").decode()
    cv2.putText(strip, plain, (6, 17), cv2.FONT_HERSHEY_SIMPLEX, 0.45, (230, 230, 230), 1, cv2.LINE_AA)
    return strip


def stack(rows: list[np.ndarray]) -> np.ndarray:
    """Rows of different widths above one another."""
    width = max(row.shape[1] for row in rows)
    return np.concatenate([np.pad(r, ((0, 3), (0, width - r.shape[1]), (0, 0)), constant_values=24) for r in rows])


def save(path: Path, picture: np.ndarray) -> None:
    import cv2

    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), picture[..., ::-1])


def picked(path: Path, numbers: Sequence[int]) -> Iterator[np.ndarray]:
    """8 bit RGB of the frames of these rising numbers, one at a time, read in one pass."""
    from lipdub.media.read import read_frames

    wanted = sorted(set(numbers))
    if not wanted:
        return
    for frame in read_frames(path, wanted[0], wanted[-1] + 1):
        if frame.index == wanted[0]:
            yield to_eight_bits(frame.picture.rgb())
            wanted.pop(0)
            if not wanted:
                return
