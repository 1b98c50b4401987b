"""lipdub used as a library by a process of its own: it writes to no stream, and its memory does not grow."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.media.audio import load_audio
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from lipdub.media.video_encoder import VideoCodec
from lipdub.media.write import write_segment
from tests.sample import SPEECH, TALKER
from tests.sounds import RATE, write_wav

if TYPE_CHECKING:
    from pathlib import Path

FPS = 25
PICTURES = 50  # of the sample, shown forwards and backwards
SHORT, LONG = 64, 160  # frames
# Measured: 16 to 23 MB. Kept whole, the 96 more frames would add 75 MB as RGB and 37 MB as they are decoded.
MAX_GROWTH_MB = 35
# With these the allocator gives memory back at once (glibc), so that the peak is that of what is in use.
ALLOCATOR = {"MALLOC_ARENA_MAX": "1", "MALLOC_MMAP_THRESHOLD_": "100000", "MALLOC_TRIM_THRESHOLD_": "100000"}

DUB = """
import pathlib, resource, sys
import lipdub

def read_peak():
    # On Linux, the usual figure counts the process that started this one, too, and that is often larger.
    status = pathlib.Path("/proc/self/status")
    if not status.exists():
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return next(int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM"))

report, *videos = sys.argv[1:]
for video in videos:
    result = lipdub.dub(
        video, video + ".wav", video + ".mp4", recipe="builtin", threads=2, preset="ultrafast", length="shortest"
    )
    with open(report, "a") as file:
        file.write(f"{read_peak()} {result.stages[2].summary['frames']}\\n")
"""


def make_inputs(folder: Path, frames: int) -> Path:
    """Makes a video of so many frames, and beside it a speech of its length."""
    facts = probe(TALKER).video
    assert facts is not None
    pictures = [frame.picture for frame in read_frames(TALKER, 0, PICTURES)]
    pictures += pictures[::-1]
    step = int(1 / FPS / facts.time_base)
    video = folder / f"{frames}.nut"
    shown = ((pictures[i % len(pictures)], i * step) for i in range(frames))
    write_segment(video, shown, facts, VideoCodec(crf=16, preset="ultrafast"))
    sound = load_audio(SPEECH, RATE)
    write_wav(folder / f"{frames}.nut.wav", np.resize(sound, frames * RATE // FPS))
    return video


@pytest.mark.slow
def test_a_dub_writes_to_no_stream_and_memory_does_not_grow_with_the_length(tmp_path: Path) -> None:
    """One process dubs a short and then a long video."""
    videos = [make_inputs(tmp_path, frames) for frames in (SHORT, LONG)]
    report = tmp_path / "report.txt"
    command = [sys.executable, "-c", DUB, str(report), *map(str, videos)]
    environment = os.environ | ALLOCATOR
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    assert (done.returncode, done.stdout) == (0, b"")
    (short, frames), (long, more) = (map(int, line.split()) for line in report.read_text().splitlines())
    assert (frames, more) == (SHORT, LONG)
    megabyte = 1 << 20 if sys.platform == "darwin" else 1 << 10
    assert (long - short) / megabyte < MAX_GROWTH_MB, f"{short / megabyte:.0f} MB, then {long / megabyte:.0f} MB"
