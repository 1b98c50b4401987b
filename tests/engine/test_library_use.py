"""lipdub used as a library by a process of its own: it writes to no stream, and its memory does not grow."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
import pytest

from lipdub.media.audio import load_audio
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from lipdub.media.write import VideoCodec, write_segment
from tests.sample import SPEECH, TALKER
from tests.sounds import RATE, write_wav

if TYPE_CHECKING:
    from pathlib import Path

FPS = 25
PICTURES = 50  # of the sample, shown forwards and backwards
SHORT, LONG = 60, 240  # frames
# Measured: 10 to 25 MB. Kept whole, the 180 more frames would add 142 MB as RGB and 71 MB as they
# are decoded.
MAX_GROWTH_MB = 45
# With these the allocator gives memory back at once (glibc), so that the peak is that of what is in use.
ALLOCATOR = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "100000", "MALLOC_TRIM_THRESHOLD_": "100000"}

DUB = """
import resource, sys
import lipdub
video, speech, out, report = sys.argv[1:]
result = lipdub.dub(video, speech, out, recipe="builtin", threads=2, preset="ultrafast", length="shortest")
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
with open(report, "w") as file:
    file.write(f"{peak} {result.stages[2].summary['frames']}")
"""


class Run(NamedTuple):
    """A dub by a process of its own."""

    printed: bytes
    peak_mb: float
    frames: int


def dub(folder: Path, frames: int) -> Run:
    """Dubs a video of so many frames with a speech of its length."""
    facts = probe(TALKER).video
    assert facts is not None
    pictures = [frame.picture for frame in read_frames(TALKER, 0, PICTURES)]
    pictures += pictures[::-1]
    step = int(1 / FPS / facts.time_base)
    video, report = folder / "video.nut", folder / "report.txt"
    shown = ((pictures[i % len(pictures)], i * step) for i in range(frames))
    write_segment(video, shown, facts, VideoCodec(crf=16, preset="ultrafast"))
    sound = load_audio(SPEECH, RATE)
    speech = write_wav(folder / "speech.wav", np.resize(sound, frames * RATE // FPS))
    command = [sys.executable, "-c", DUB, str(video), str(speech), str(folder / "out.mp4"), str(report)]
    environment = os.environ | ALLOCATOR
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode()
    peak, count = report.read_text().split()
    return Run(done.stdout, int(peak) / (1 << 20 if sys.platform == "darwin" else 1 << 10), int(count))


@pytest.mark.slow
def test_a_dub_writes_to_no_stream(tmp_path: Path) -> None:
    assert dub(tmp_path, 25).printed == b""


@pytest.mark.slow
def test_memory_does_not_grow_with_the_length(tmp_path_factory: pytest.TempPathFactory) -> None:
    short, long = (dub(tmp_path_factory.mktemp("dub"), frames) for frames in (SHORT, LONG))
    assert (short.frames, long.frames) == (SHORT, LONG)
    assert long.peak_mb - short.peak_mb < MAX_GROWTH_MB, f"{short.peak_mb:.0f} MB, then {long.peak_mb:.0f} MB"
