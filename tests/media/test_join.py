"""Segments are joined in time, without a change of their packets."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.errors import InputError, UsageError
from lipdub.media.containers import container_for
from lipdub.media.demux import open_media
from lipdub.media.frame_index import read_frame_index
from lipdub.media.join import join_segments, read_segment_note
from lipdub.media.mux import mux
from lipdub.media.mux_plan import PictureInput, SourceInput
from lipdub.media.probe import MediaFacts, probe
from lipdub.media.read import read_frames
from lipdub.media.video_encoder import VideoCodec
from lipdub.media.write import write_segment
from tests.media.clips import make_video

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

BASE = Fraction(1, 15360)
PTS = [507 + 512 * number for number in range(12)]


def write_segments(folder: Path, source: Path, facts: MediaFacts, bounds: Sequence[int], codec: str) -> list[Path]:
    assert facts.video is not None
    frames = list(read_frames(source))
    paths = []
    for first, last in zip(bounds, [*bounds[1:], len(frames)], strict=True):
        paths.append(folder / f"{first}.seg")
        pictures = [(frame.picture, frame.pts) for frame in frames[first:last]]
        write_segment(paths[-1], pictures, facts.video, VideoCodec(codec, container=".mkv"))
    return paths


@pytest.mark.parametrize("codec", ["h264", "prores", "ffv1"])
def test_joined_times(tmp_path: Path, codec: str) -> None:
    source = make_video(tmp_path / "a.mp4", pts=PTS, time_base=BASE, rotation=90, last=700, options={"bf": "0"})
    facts = probe(source)
    segments = write_segments(tmp_path, source, facts, [0, 5, 6], codec)
    joined = join_segments(segments, tmp_path, container_for(".mkv"), facts, None)
    index = read_frame_index(joined.path)
    ticks = index.pts * index.time_base / BASE
    assert ticks.tolist() == [512 * number for number in range(12)]
    last = read_frame_index(source).duration[-1]
    assert last != 512
    assert (joined.first, joined.shift, joined.end) == (507, 0, PTS[-1] + last)
    assert (joined.first_time, joined.shift_time) == (Fraction(507, 15360), 0)
    assert joined.size == (64, 48)
    assert joined.note.rotation == 90
    if codec != "ffv1":  # NUT has no display matrix
        assert probe(joined.path).video.rotation == 90  # type: ignore[union-attr]
    assert join_segments(segments, tmp_path, container_for(".mkv"), facts, 99).end == PTS[-1] + 99


def test_containers_without_start_times_begin_at_zero(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", pts=PTS, time_base=BASE)
    facts = probe(source)
    segments = write_segments(tmp_path, source, facts, [0], "h264")
    joined = join_segments(segments, tmp_path, container_for(".avi"), facts, None)
    assert (joined.first, joined.shift) == (0, 507)


@pytest.mark.parametrize(
    ("pts", "rate", "error"),
    [
        ([0, 512, 1024, 2560, 3072, 3584], 30, 0),  # dropped frames
        ([0, 500, 1031, 1510, 2060, 2555], 120, 1 / 240),
        ([0, 60, 165, 226, 345, 415], 256, 1 / 512),
    ],
)
def test_avi_shows_uneven_frames_in_time(tmp_path: Path, pts: list[int], rate: int, error: float) -> None:
    """AVI has places for frames, not times. A dub of an AVI with dropped frames is one, too, and so is its dub."""
    source = make_video(tmp_path / "a.mp4", pts=pts, time_base=BASE)
    for number, name in enumerate(("once.avi", "twice.avi")):
        facts = probe(source)
        out = tmp_path / name
        segments = write_segments(tmp_path, source, facts, [0], "h264")
        notes = mux(PictureInput(segments), None, SourceInput(source, facts), out)
        assert any("no frame times" in note for note in notes) == (error > 0 and number == 0)
        index = read_frame_index(out)
        times = index.pts * float(index.time_base)
        assert times == pytest.approx(np.array(pts) * float(BASE), abs=error + 1e-9)
        assert number or float(1 / index.time_base) == pytest.approx(rate, rel=1e-3)
        source = out


def test_sources_without_a_zero_begin_at_zero(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.ts", codec="mpeg2video", pts=range(100, 120))
    facts = probe(source)
    assert facts.video is not None
    assert facts.video.start_time > 1
    joined = join_segments(
        write_segments(tmp_path, source, facts, [0], "h264"), tmp_path, container_for(".mp4"), facts, None
    )
    assert joined.first_time < Fraction(1, 10)


def test_what_cannot_be_joined(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", pts=PTS, time_base=BASE)
    facts = probe(source)
    (tmp_path / "other").mkdir()
    first, second = write_segments(tmp_path, source, facts, [0, 5], "h264")
    other = write_segments(tmp_path / "other", source, facts, [0, 5], "ffv1")[1]
    container = container_for(".mkv")
    with pytest.raises(InputError, match="overlap"):
        join_segments([first, first], tmp_path, container, facts, None)
    with pytest.raises(InputError, match="different ways"):
        join_segments([first, other], tmp_path, container, facts, None)
    with pytest.raises(UsageError, match="WebM does not hold h264"):
        join_segments([first, second], tmp_path, container_for(".webm"), facts, None)
    with pytest.raises(InputError, match="not a segment"):
        join_segments([source], tmp_path, container, facts, None)
    with pytest.raises(ValueError, match="no segments"):
        join_segments([], tmp_path, container, facts, None)


def test_notes_of_segments(tmp_path: Path) -> None:
    source = make_video(tmp_path / "a.mp4", pts=PTS, time_base=BASE, aspect=Fraction(4, 3), colour=(1, 1, 1, 1))
    facts = probe(source)
    segment = write_segments(tmp_path, source, facts, [0, 5], "h264")[1]
    with open_media(segment) as container:
        note = read_segment_note(segment, container)
    assert (note.first, note.time_base, note.codec, note.aspect) == (PTS[5], BASE, "h264", Fraction(4, 3))
    assert not note.is_rotated
    assert note.colour["matrix_raw"] == 1
