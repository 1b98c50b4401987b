"""The beginning of the sample, for tests that a few frames are enough for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from lipdub.media.video_encoder import VideoCodec
from lipdub.media.write import write_segment
from tests.sample import TALKER

if TYPE_CHECKING:
    from pathlib import Path


def write_short(path: Path, frames: int) -> Path:
    """Writes the first frames of the sample, without its sound.

    Args:
        path: A file whose name ends in ``.nut``.
        frames: Number of frames, 25 a second.

    Returns:
        The path.
    """
    facts = probe(TALKER).video
    assert facts is not None
    shown = ((frame.picture, frame.pts) for frame in read_frames(TALKER, 0, frames))
    write_segment(path, shown, facts, VideoCodec(crf=16, preset="ultrafast"))
    return path
