"""Cover pictures go into every container that holds one, in a form that it holds."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import av
import numpy as np
import pytest
from PIL import Image

from lipdub.media.cover_pictures import convert_cover, find_picture_codec, read_cover
from tests.media import rich_files
from tests.media.carried import make_result
from tests.sounds import write_tone

if TYPE_CHECKING:
    from pathlib import Path

COLOURS = np.random.default_rng(5).integers(0, 256, (24, 32, 3), np.uint8)
CODECS = {"JPEG": "mjpeg", "PNG": "png", "GIF": "gif", "BMP": "bmp", "TIFF": "tiff", "WEBP": "webp"}


def draw(form: str) -> bytes:
    file = io.BytesIO()
    Image.fromarray(COLOURS).save(file, form, **({"lossless": True} if form == "WEBP" else {}))
    return file.getvalue()


def attach(folder: Path, form: str, media_type: str) -> Path:
    picture = folder / "front"
    picture.write_bytes(draw(form))
    words = ("-attach", picture, "-metadata:s:t", f"mimetype={media_type}", "-metadata:s:t", "filename=front.art")
    return rich_files._make(folder / "a.mkv", *rich_files._H264, *rich_files._AAC, *words)


def embed(folder: Path, form: str) -> Path:
    picture = folder / f"front.{form.lower()}"
    picture.write_bytes(draw(form))
    inputs = (*rich_files._PICTURE, "-i", picture)
    words = ("-map", "0:v", "-map", "1:v", *rich_files._H264, "-c:v:1", "copy", "-disposition:v:1", "attached_pic")
    return rich_files._make(folder / "a.mp4", *words, inputs=inputs)


def find_cover(path: Path) -> bytes:
    """The file of the only cover picture."""
    with av.open(str(path)) as media:
        (cover,) = [
            stream.index
            for stream in media.streams
            if stream.type == "attachment" or stream.disposition & av.stream.Disposition.attached_pic
        ]
    return read_cover(path, cover)


@pytest.mark.parametrize(("form", "codec"), CODECS.items())
def test_pictures_are_known_by_their_content(form: str, codec: str) -> None:
    data = draw(form)
    assert find_picture_codec(data) == codec
    assert convert_cover(data, [codec]) == data
    with Image.open(io.BytesIO(convert_cover(data, ["none"]))) as image:
        assert image.format == "PNG"
        assert np.array_equal(np.array(image), COLOURS) == (form not in ("JPEG", "GIF"))


def test_what_is_no_picture() -> None:
    assert find_picture_codec(b"not really a font") is None
    assert convert_cover(b"BM but no bitmap", ["png"]) == b"BM but no bitmap"


@pytest.mark.quick_cases(2)
@pytest.mark.parametrize(
    ("form", "media_type", "codec"),
    [
        ("JPEG", "image/jpg", "mjpeg"),  # a wrong media type, for which FFmpeg takes it for any file
        ("WEBP", "image/webp", "png"),
        ("PNG", "image/png", "png"),
        ("JPEG", "application/octet-stream", "mjpeg"),
        ("GIF", "image/gif", "png"),
    ],
)
def test_attached_pictures_become_covers_of_mp4(tmp_path: Path, form: str, media_type: str, codec: str) -> None:
    source, out = attach(tmp_path, form, media_type), tmp_path / "out.mp4"
    notes = make_result(source, out, write_tone(tmp_path / "s.wav"))
    cover = find_cover(out)
    assert find_picture_codec(cover) == codec
    if codec == CODECS[form]:
        assert (cover, notes) == (draw(form), [])
    else:
        assert notes == [f"changed from the source: cover picture 2 is png instead of {CODECS[form]}"]


@pytest.mark.parametrize(("form", "codec"), [("JPEG", "mjpeg"), ("BMP", "png")])
def test_covers_of_mp4_become_attachments(tmp_path: Path, form: str, codec: str) -> None:
    source, out = embed(tmp_path, form), tmp_path / "out.mkv"
    notes = make_result(source, out, write_tone(tmp_path / "s.wav"))
    cover = find_cover(out)
    assert find_picture_codec(cover) == codec
    assert notes == ([] if form == "JPEG" else ["changed from the source: cover picture 1 is png instead of bmp"])


def test_attached_pictures_stay_attached_in_matroska(tmp_path: Path) -> None:
    source, out = attach(tmp_path, "WEBP", "image/webp"), tmp_path / "out.mkv"
    assert make_result(source, out, write_tone(tmp_path / "s.wav")) == []
    with av.open(str(out)) as media:
        assert media.streams[2].metadata["mimetype"] == "image/webp"
    assert find_cover(out) == draw("WEBP")
