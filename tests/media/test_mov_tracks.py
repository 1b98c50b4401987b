"""What the boxes of a MOV or MP4 file say of its tracks."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

import pytest

from lipdub.media.mov_tracks import MovTrack, read_mov_tracks
from tests.media.clips import add_data_track, chirp, make_video

if TYPE_CHECKING:
    from pathlib import Path


def test_tags_and_chapters(tmp_path: Path) -> None:
    plain = make_video(tmp_path / "a.mp4", sound=chirp(0.4), chapters=[(0, 0.2, "One"), (0.2, 0.4, "Two")])
    assert read_mov_tracks(plain) == [
        MovTrack(1, "avc1", [3]),
        MovTrack(2, "mp4a", [3]),
        MovTrack(3, "text", []),
    ]
    assert read_mov_tracks(add_data_track(plain, tmp_path / "b.mov", "mebx"))[2] == MovTrack(3, "mebx", [])


def test_damaged_and_other_files_have_no_tracks(tmp_path: Path) -> None:
    whole = make_video(tmp_path / "a.mp4", time_base=Fraction(1, 12800), pts=range(0, 2048, 512)).read_bytes()
    place = whole.index(b"moov")
    path = tmp_path / "b.mp4"
    for content in (
        b"",
        b"moov",
        whole[: place - 4],
        whole[: place + 4],
        whole[: place - 4] + b"\xff\xff\xff\xff" + whole[place:],
        whole.replace(b"trak", b"xxxx"),
        whole.replace(b"stsd", b"xxxx"),
        whole[:place] + bytes(len(whole) - place),
    ):
        path.write_bytes(content)
        assert all(track.tag == "" for track in read_mov_tracks(path))
    assert read_mov_tracks(tmp_path / "missing.mp4") == []


@pytest.mark.parametrize("size", [0, 1])
def test_sizes_with_a_meaning_of_their_own(tmp_path: Path, size: int) -> None:
    """A box may reach to the end of the file, or have a size of 64 bits."""
    whole = make_video(tmp_path / "a.mp4", time_base=Fraction(1, 12800), pts=range(0, 2048, 512)).read_bytes()
    place = whole.index(b"moov") - 4
    length = int.from_bytes(whole[place : place + 4], "big")
    large = (length + 8).to_bytes(8, "big") if size else b""
    path = tmp_path / "b.mp4"
    path.write_bytes(whole[:place] + size.to_bytes(4, "big") + b"moov" + large + whole[place + 8 :])
    assert [track.tag for track in read_mov_tracks(path)] == ["avc1"]
