"""Pictures are read upright, whatever EXIF or a display matrix says."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image, features

from lipdub.media.frame_index import IMAGE_RATE
from lipdub.media.orientation import read_exif_orientation
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from tests.media.heif import make_heic

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import U8

ORIENTATION = 0x0112  # EXIF tag
# How a camera that writes this number stores an upright picture.
STORED = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}
LARGEST_DIFFERENCE = 12  # of the colours of flat areas, after lossy coding


def draw_corners() -> U8:
    """Draw a picture (48, 80, 3) with a colour in each corner."""
    picture = np.zeros((48, 80, 3), np.uint8)
    picture[:24, :40], picture[:24, 40:], picture[24:, :40], picture[24:, 40:] = (200, 40, 40), (40, 200, 40), 60, 220
    return picture


def save_turned(path: Path, number: int, picture: Image.Image, **options: object) -> Path:
    """Save a picture as a camera stores it that writes this EXIF orientation."""
    stored = picture if STORED[number] is None else picture.transpose(STORED[number])
    exif = Image.Exif()
    exif[ORIENTATION] = number
    stored.save(path, exif=exif, **options)
    return path


@pytest.mark.quick_cases(3)
@pytest.mark.parametrize("ending", ["jpg", "png", "tif", "webp", "lossless.webp", "avif"])
@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA"])
def test_every_exif_orientation_is_read_upright(tmp_path: Path, ending: str, mode: str) -> None:
    kind = ending.split(".")[-1]
    if kind in ("webp", "avif") and not features.check(kind):
        pytest.skip(f"this Pillow writes no {kind}")
    if mode == "RGBA" and kind in ("jpg", "avif"):
        pytest.skip("no opacity, or in a stream of its own")
    upright = Image.fromarray(draw_corners()).convert(mode)
    expected = np.asarray(upright.convert("RGB"), int)
    options = {"lossless": True} if ending == "lossless.webp" else {"quality": 95} if kind != "png" else {}
    for number in STORED:
        path = save_turned(tmp_path / f"{number}.{ending}", number, upright, **options)
        video = probe(path).video
        assert video is not None
        assert (video.width, video.height, video.rotation, video.mirrored) == (80, 48, 0, False), number
        assert (video.coded_width, video.coded_height, video.is_image) == (80, 48, True)
        (frame,) = read_frames(path)
        assert frame.picture.pix_fmt == video.planar
        rgb = frame.picture.rgb().astype(int)
        assert rgb.shape == expected.shape
        for y, x in ((12, 20), (12, 60), (36, 20), (36, 60)):
            assert np.abs(rgb[y, x] - expected[y, x]).max() <= LARGEST_DIFFERENCE, (number, y, x)


def test_damaged_exif_says_nothing(tmp_path: Path) -> None:
    path = save_turned(tmp_path / "a.jpg", 6, Image.fromarray(draw_corners()))
    data = bytearray(path.read_bytes())
    place = data.index(b"Exif\0\0") + 6
    data[place : place + 4] = b"\0\0\0\0"
    path.write_bytes(bytes(data))
    assert read_exif_orientation(path) is None
    assert next(iter(read_frames(path))).picture.width == 48
    number = save_turned(tmp_path / "b.png", 6, Image.fromarray(draw_corners()))
    assert read_exif_orientation(number) is not None
    assert read_exif_orientation(tmp_path / "missing.png") is None


@pytest.mark.parametrize("turns", range(4))
def test_heic_is_a_still_picture_and_turned_as_it_says(tmp_path: Path, turns: int) -> None:
    video = probe(make_heic(tmp_path / "a.heic", turns=turns)).video
    assert video is not None
    assert (video.is_image, video.frames, video.average_rate, video.rotation) == (True, 1, IMAGE_RATE, 0)
    (plain,) = read_frames(make_heic(tmp_path / "b.heic"))
    (frame,) = read_frames(tmp_path / "a.heic")
    assert np.abs(frame.picture.rgb().astype(int) - np.rot90(plain.picture.rgb(), turns)).max() <= 1
