"""Cover pictures: what they are by their content, and in a form that a container holds."""

from __future__ import annotations

import io
import warnings
from typing import TYPE_CHECKING

from lipdub.media.demux import open_media

if TYPE_CHECKING:
    from collections.abc import Collection
    from pathlib import Path

# How the files of pictures begin, with FFmpeg's names of the codecs.
_BEGINNINGS = {
    b"\xff\xd8\xff": "mjpeg",
    b"\x89PNG": "png",
    b"GIF8": "gif",
    b"BM": "bmp",
    b"II*\0": "tiff",
    b"MM\0*": "tiff",
}
_WEBP_PLACE = 8  # bytes of a RIFF file before its kind
PICTURE_CODECS = frozenset({*_BEGINNINGS.values(), "webp"})


def find_picture_codec(data: bytes) -> str | None:
    """Return FFmpeg's name of the codec of a picture's file; None if the data is something else."""
    if data.startswith(b"RIFF") and data[_WEBP_PLACE:].startswith(b"WEBP"):
        return "webp"
    return next((codec for beginning, codec in _BEGINNINGS.items() if data.startswith(beginning)), None)


def read_cover(path: Path, index: int) -> bytes:
    """Return the file of the cover picture that a stream or an attachment of a media file holds."""
    with open_media(path) as media:
        stream = media.streams[index]
        if stream.type == "attachment":
            return bytes(stream.data)
        return b"".join(bytes(packet) for packet in media.demux(stream))


def convert_cover(data: bytes, codecs: Collection[str]) -> bytes:
    """Return a picture's file as it is if its codec is one of these, else as PNG. What does not decode stays."""
    from PIL import Image

    if find_picture_codec(data) in codecs:
        return data
    file = io.BytesIO()
    try:
        with warnings.catch_warnings(), Image.open(io.BytesIO(data)) as image:
            warnings.simplefilter("ignore")  # odd files, which decode all the same
            image.convert("RGBA" if image.has_transparency_data else "RGB").save(file, "PNG")
    except Exception:  # Pillow raises nearly anything on damaged files
        return data
    return file.getvalue()
