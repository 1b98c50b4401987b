"""Pictures of formats that FFmpeg's libraries tell apart and do not decode."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

_HEAD_BYTES = 32
_JPEG_XL = (bytes.fromhex("ff0a"), bytes.fromhex("0000000c4a584c200d0a870a"))  # bare, and in a container
_WEBP_PLACES = slice(0, 4), slice(8, 16)  # of "RIFF", and of "WEBP" with the name of the first chunk
_WEBP_FLAGS, _WEBP_ANIMATION = 20, 0x02  # place of the flags of "VP8X", and the one of an animation


def name_unread_format(path: Path) -> str | None:
    """Return what people call the format of a picture that is not decoded; None for any other file."""
    with path.open("rb") as file:
        head = file.read(_HEAD_BYTES)
    if head.startswith(_JPEG_XL):
        return "a JPEG XL picture"
    riff, webp = (head[place] for place in _WEBP_PLACES)
    if (riff, webp) == (b"RIFF", b"WEBPVP8X") and head[_WEBP_FLAGS] & _WEBP_ANIMATION:
        return "an animated WebP"
    return None
