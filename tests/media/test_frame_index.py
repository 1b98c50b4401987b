"""The list of frames is the same whether it is read from packets or by decoding."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lipdub.errors import InputError
from lipdub.media.frame_index import (
    _count_times,
    _index_from_frames,
    read_frame_index,
    read_frame_pts,
    read_frame_times,
)
from lipdub.media.read import read_frames
from tests.media.clips import chirp, make_sound, make_video
from tests.properties import repeatable

if TYPE_CHECKING:
    from pathlib import Path

PTS = [507, 1000, 1400, 3000, 3100, 9000]


@pytest.mark.parametrize("ending", [".mp4", ".mkv"])
def test_packets_and_frames_agree(tmp_path: Path, ending: str) -> None:
    base = Fraction(1, 15360) if ending == ".mp4" else Fraction(1, 1000)
    path = make_video(tmp_path / f"a{ending}", pts=PTS, time_base=base, options={"g": "3", "bf": "2"})
    index, decoded = read_frame_index(path), _index_from_frames(str(path))
    assert index.pts.tolist() == decoded.pts.tolist() == PTS
    assert index.duration.tolist()[:-1] == decoded.duration.tolist()[:-1] == np.diff(PTS).tolist()
    assert index.time_base == decoded.time_base == base
    assert index.keys[0] == PTS[0]
    assert not index.counted
    assert index.missing == 0
    assert read_frame_pts(path).tolist() == PTS
    assert read_frame_times(path) == pytest.approx(np.array(PTS) * float(base))


def test_a_changed_file_is_read_again(tmp_path: Path) -> None:
    path = make_video(tmp_path / "a.mp4", pts=range(4))
    assert len(read_frame_pts(path)) == 4
    make_video(path, pts=range(7))
    assert len(read_frame_pts(path)) == 7


def test_sound_has_no_frames(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no video"):
        read_frame_index(make_sound(tmp_path / "a.wav", chirp(0.1)))


@repeatable
@given(
    count=st.integers(1, 50),
    first=st.integers(-1000, 1000),
    rate=st.fractions(1, 240, max_denominator=1001),
    denominator=st.integers(1, 90000),
)
def test_counted_times_rise_at_the_rate(count: int, first: int, rate: Fraction, denominator: int) -> None:
    pts, base = _count_times(count, first, rate, Fraction(1, denominator))
    assert (np.diff(pts) > 0).all()
    seconds = (pts - pts[0]) * float(base)
    assert np.abs(seconds - np.arange(count) / float(rate)).max() <= float(base)


@pytest.mark.parametrize(
    ("codec", "options"),
    [("libx264", {"bf": "0"}), ("libx264", {"bf": "2"}), ("mpeg4", {"bf": "2"}), ("mjpeg", {}), ("ffv1", {})],
)
def test_the_first_picture_of_an_avi_is_at_zero(tmp_path: Path, codec: str, options: dict[str, str]) -> None:
    pix_fmt = "yuvj420p" if codec == "mjpeg" else "yuv420p"
    path = make_video(tmp_path / "a.avi", codec=codec, pix_fmt=pix_fmt, options=options | {"g": "5"}, pts=range(14))
    assert np.abs(read_frame_times(path) - np.arange(14) / 25).max() < 1e-9
    pictures = [frame.picture.planes[0] for frame in read_frames(path)]
    assert len(pictures) == 14
    for number in (3, 5, 7, 13):  # found by seeking
        (frame,) = read_frames(path, number, number + 1)
        assert frame.time == Fraction(number, 25)
        assert np.array_equal(frame.picture.planes[0], pictures[number])
