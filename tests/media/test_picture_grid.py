"""Still pictures in tiles, as phones write HEIC, are joined."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, Any

import av
import numpy as np
import pytest

from lipdub.errors import InputError
from lipdub.media.demux import decode_first_frame, open_media, select_video_stream
from lipdub.media.orientation import read_frame_orientation, read_orientation
from lipdub.media.picture_grid import PictureGrid, has_endless_grid, join_tiles, read_picture_grid
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from tests.media.clips import planes_of
from tests.media.heif import SIDE, make_heic

if TYPE_CHECKING:
    from pathlib import Path


def decode_whole(path: Path) -> av.VideoFrame:
    with open_media(path) as container:
        frame = decode_first_frame(container, select_video_stream(container))
    assert frame is not None
    return frame


def join_frames(path: Path, columns: int, rows: int) -> list[np.ndarray]:
    """The planes of the first frames of a video, side by side."""
    with av.open(str(path)) as container:
        planes = [planes_of(frame) for frame in container.decode(video=0)]
    lines = [[planes[row * columns + column] for column in range(columns)] for row in range(rows)]
    return [np.concatenate([np.concatenate([t[n] for t in line], 1) for line in lines]) for n in range(len(planes[0]))]


@pytest.mark.parametrize(
    ("columns", "rows", "size", "more"),
    [
        (3, 2, None, {}),
        (3, 2, (170, 102), {}),
        (2, 3, (101, 157), {}),
        (2, 1, None, {"is_large": True}),
        (1, 2, None, {"in_meta": False}),
        (2, 2, (120, 120), {"has_thumbnail": True}),
        (2, 2, (120, 120), {"pix_fmt": "yuv420p10le"}),
        (2, 2, (121, 120), {"pix_fmt": "yuv422p"}),
        (8, 6, (500, 380), {}),
        (3, 2, (170, 101), {"codec": "av1"}),
    ],
)
def test_every_pixel_is_in_its_place(
    tmp_path: Path, columns: int, rows: int, size: tuple[int, int] | None, more: dict[str, Any]
) -> None:
    path = make_heic(tmp_path / f"a.{more.get('codec', 'heic')}", columns=columns, rows=rows, size=size, **more)
    width, height = size or (columns * SIDE, rows * SIDE)
    frame = decode_whole(path)
    assert (frame.width, frame.height) == (width, height)
    for plane, expected in zip(planes_of(frame), join_frames(path.with_suffix(".mp4"), columns, rows), strict=True):
        assert np.array_equal(plane, expected[: plane.shape[0], : plane.shape[1]])
    video = probe(path).video
    assert video is not None
    assert (video.width, video.height, video.is_image, video.frames) == (width, height, True, 1)
    (still,) = read_frames(path)
    assert still.picture.rgb().shape == (height, width, 3)


@pytest.mark.parametrize("mirror", [None, 0, 1])
@pytest.mark.parametrize("turns", [0, 1, 2, 3])
def test_tiles_are_turned_as_whole_pictures_are(tmp_path: Path, turns: int, mirror: int | None) -> None:
    whole = make_heic(tmp_path / "whole.heic", turns=turns, mirror=mirror)
    tiled = make_heic(tmp_path / "tiled.heic", columns=2, turns=turns, mirror=mirror)
    expected = read_frame_orientation(decode_whole(whole), "hevc")
    assert read_orientation(tiled, decode_whole(tiled), "hevc", is_still=True) == expected
    (frame,), (plain,) = read_frames(tiled), read_frames(make_heic(tmp_path / "plain.heic", columns=2))
    upright = np.rot90(plain.picture.rgb(), expected.turns)
    upright = upright[:, ::-1] if expected.mirrored else upright
    assert frame.picture.rgb().shape == upright.shape
    assert np.abs(frame.picture.rgb().astype(int) - upright).mean() < 2


def test_the_colour_of_the_whole_picture_counts(tmp_path: Path) -> None:
    video = probe(make_heic(tmp_path / "a.heic", columns=2, colour=(12, 13, 6, 1))).video
    assert video is not None
    colour = video.colour
    assert (colour.primaries_raw, colour.transfer_raw, colour.matrix_raw, colour.full_range) == (12, 13, 6, True)


def test_tiles_that_do_not_fill_the_picture_are_refused(tmp_path: Path) -> None:
    for path in (
        make_heic(tmp_path / "lost.heic", columns=2, rows=2, missing=[2]),
        make_heic(tmp_path / "small.heic", columns=2, size=(2 * SIDE + 1, SIDE)),
    ):
        with pytest.raises(InputError, match=f"the tiles of the picture .*{path.name} cannot be joined"):
            probe(path)
    path = make_heic(tmp_path / "a.heic", columns=2)
    path.write_bytes(path.read_bytes().replace(b"idat\0\0\0\1", b"idat\0\0\7\1"))  # eight rows
    with pytest.raises(InputError):
        probe(path)


@pytest.mark.parametrize("damage", [(SIDE, 0), (0, SIDE), None])
def test_tiles_without_a_size_are_refused(tmp_path: Path, damage: tuple[int, int] | None) -> None:
    """FFmpeg would not come back."""
    path = make_heic(tmp_path / "a.heic", columns=2)
    size = b"ispe" + bytes(4) + struct.pack(">II", SIDE, SIDE)
    new = b"free" + size[4:] if damage is None else size[:8] + struct.pack(">II", *damage)
    assert path.read_bytes().count(size) == 1 and not has_endless_grid(path)
    path.write_bytes(path.read_bytes().replace(size, new))
    with pytest.raises(InputError, match="its tiles are damaged"):
        probe(path)


def test_unlike_tiles_are_not_joined() -> None:
    grid = PictureGrid(2, 1, 64, 32, (1, 2))
    good, other = av.VideoFrame(32, 32, "yuv420p"), av.VideoFrame(32, 32, "yuv444p")
    assert join_tiles(grid, {1: good, 2: good}).width == 64
    for tiles in ({1: good, 2: other}, {1: good}, {1: av.VideoFrame(32, 32, "rgb24"), 2: good}):
        with pytest.raises(ValueError, match="do not fill"):
            join_tiles(grid, tiles)


def test_other_files_have_no_grid(tmp_path: Path) -> None:
    whole = make_heic(tmp_path / "a.heic")
    (tmp_path / "b.heic").write_bytes(whole.read_bytes()[:100])
    for path in (whole, whole.with_suffix(".mp4"), tmp_path / "b.heic"):
        assert read_picture_grid(path) is None
