"""Boxes are added to the picture's sample description; everything else of the file stays readable."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np
import pytest

from lipdub.media.frame_index import read_frame_index
from lipdub.media.mov_boxes import add_sample_entry_boxes, make_box
from lipdub.media.read import read_frames
from tests.media.clips import make_video

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(("codec", "pix_fmt"), [("libx264", "yuv420p"), ("prores_ks", "yuv422p10le")])
@pytest.mark.parametrize("ending", [".mp4", ".mov"])
def test_the_file_stays_readable(tmp_path: Path, codec: str, pix_fmt: str, ending: str) -> None:
    if (codec, ending) == ("prores_ks", ".mp4"):
        pytest.skip("MP4 does not hold ProRes")
    path = make_video(tmp_path / f"a{ending}", codec=codec, pix_fmt=pix_fmt, time_base=Fraction(1, 15360), rotation=90)
    size, times = path.stat().st_size, read_frame_index(path).pts.tolist()
    pictures = [frame.picture.planes[0] for frame in read_frames(path)]
    box = make_box(b"free", b"1234")
    add_sample_entry_boxes(path, box)
    assert path.stat().st_size == size + len(box)
    data = path.read_bytes()
    assert data.index(b"stsd") < data.index(box) < data.index(b"stts")
    assert read_frame_index(path).pts.tolist() == times
    for picture, frame in zip(pictures, read_frames(path), strict=True):
        assert np.array_equal(picture, frame.picture.planes[0])


def test_other_files_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(make_box(b"ftyp", b"isom"))
    with pytest.raises(ValueError, match="no index"):
        add_sample_entry_boxes(path, b"")
    path.write_bytes(make_box(b"moov", make_box(b"trak", b"")) + make_box(b"free", b""))
    with pytest.raises(ValueError, match="does not end with its index"):
        add_sample_entry_boxes(path, b"")
    path.write_bytes(make_box(b"moov", make_box(b"trak", make_box(b"free", b""))))
    with pytest.raises(ValueError, match="no box mdia"):
        add_sample_entry_boxes(path, b"")
