"""Estimate what a first run of the built-in recipe takes: time, disk and memory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from lipdub.media.probe import VideoFacts

# Measured by tests/bench on `_MEASURED_CORES` cores.
START_SECONDS = 2.5  # of a run
FRAME_SECONDS = 0.018  # of a frame
MEGAPIXEL_SECONDS = 0.030  # of a frame's megapixel
MEMORY_BASE = 470_000_000  # bytes of a process
MEMORY_PER_MEGAPIXEL = 290_000_000  # bytes of a frame's megapixel
DISK_PER_FRAME = 8_000  # bytes of workspace of a frame
DISK_PER_FACE_PIXEL = 5.5  # bytes of workspace of a pixel of the square about a frame's face
RESULT_PER_MEGAPIXEL = 20_000  # bytes of the result of a frame's megapixel
_MEASURED_CORES = 2
_MAX_USEFUL_CORES = 8


def measure_megapixels(video: VideoFacts) -> float:
    """Return the size of a frame in millions of pixels."""
    return video.width * video.height / 1e6


def estimate_cost(video: VideoFacts, speech_seconds: float, face_share: float) -> dict[str, Any]:
    """Estimate time, disk and memory of a first run of the built-in recipe.

    Args:
        video: facts of the source.
        speech_seconds: duration of the speech; 0 if it is unknown.
        face_share: mean pixels of the square about a frame's face, 0 if no face is seen.

    Returns:
        recipe, seconds, disk_mb and memory_mb.
    """
    frames = max(video.frames, round(speech_seconds * float(video.average_rate)))
    megapixels = measure_megapixels(video)
    cores = max(_MEASURED_CORES, min(_MAX_USEFUL_CORES, os.cpu_count() or _MEASURED_CORES))
    seconds = frames * (FRAME_SECONDS + MEGAPIXEL_SECONDS * megapixels) * _MEASURED_CORES / cores
    disk = frames * (DISK_PER_FRAME + DISK_PER_FACE_PIXEL * face_share + RESULT_PER_MEGAPIXEL * megapixels)
    return {
        "recipe": "builtin",
        "seconds": round(START_SECONDS + seconds, 1),
        "disk_mb": round(disk / 1e6, 1),
        "memory_mb": round((MEMORY_BASE + MEMORY_PER_MEGAPIXEL * megapixels) / 1e6),
    }
