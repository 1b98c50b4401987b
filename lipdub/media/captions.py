"""Captions in the picture: CEA-608 and CEA-708 as ATSC A/53 part 4 puts them into coded video."""

from __future__ import annotations

import re
from contextlib import suppress
from typing import TYPE_CHECKING

from lipdub.media.demux import codec_name, open_media, select_video_stream
from lipdub.media.frame_index import read_frame_index

if TYPE_CHECKING:
    from pathlib import Path

Captions = dict[int, list[bytes]]

_USER_DATA = b"GA94\x03"  # ATSC's identifier, and the type of captions
_REGISTERED = b"\xb5\x00\x31"  # United States, ATSC: registered user data (ITU-T T.35) begins with them
# What comes before the captions in the packets of a codec.
_MARKS = {
    "h264": _REGISTERED + _USER_DATA,
    "hevc": _REGISTERED + _USER_DATA,
    "mpeg2video": b"\x00\x00\x01\xb2" + _USER_DATA,
}
_COUNT = 0b11111  # bits of the first byte that count the captions
_CAPTION_BYTES = 3
_END_MARK = b"\xff"
_LONGEST = 2 * (2 + _COUNT * _CAPTION_BYTES)  # bytes, with those that keep start codes away

_START_CODE = re.compile(rb"\x00?\x00\x00\x01")
_ESCAPED = re.compile(rb"\x00\x00\x03")
_TO_ESCAPE = re.compile(rb"\x00\x00(?=[\x00-\x03])")
# Headers of the units that hold messages, by codec family.
_MESSAGE_HEADERS = {"h264": b"\x06", "hevc": b"\x4e\x01"}
_REGISTERED_MESSAGE = 4  # type of a message of registered user data
CAPTION_FAMILIES = tuple(_MESSAGE_HEADERS)


def read_captions(path: Path) -> Captions:
    """Read the captions of a video without decoding it.

    Returns:
        The captions of each frame that has some, by its PTS: the content of registered user data.
    """
    import av

    captions: Captions = {}
    with open_media(path) as container:
        stream = select_video_stream(container)
        mark = _MARKS.get(codec_name(stream)) if stream is not None else None
        if mark is None:
            return captions
        delay = read_frame_index(path).delay
        with suppress(av.error.FFmpegError):  # in a damaged tail the packets before it count
            for packet in container.demux(stream):
                found = _find_captions(bytes(packet), mark) if packet.size and packet.pts is not None else []
                if found:
                    captions.setdefault(packet.pts - delay, []).extend(found)
    return captions


def _find_captions(data: bytes, mark: bytes) -> list[bytes]:
    """Return the captions in a packet: two fields may have some each."""
    found = []
    place = data.find(mark)
    while place >= 0:
        start = place + len(mark)
        rest = data[start : start + _LONGEST]
        if mark.startswith(_REGISTERED):
            rest = _ESCAPED.sub(b"\x00\x00", rest)
        length = 2 + (rest[0] & _COUNT) * _CAPTION_BYTES if rest else 0
        if 2 < length <= len(rest):
            found.append(_REGISTERED + _USER_DATA + rest[:length] + _END_MARK)
        place = data.find(mark, start)
    return found


def add_captions(data: bytes, captions: list[bytes], family: str) -> bytes:
    """Return a packet with captions before its picture.

    Args:
        data: The packet: units after start codes (H.264 and H.265, annex B).
        captions: The captions of its frame.
        family: "h264" or "hevc".
    """
    place = next(
        (
            match.start()
            for match in _START_CODE.finditer(data)
            if match.end() < len(data) and _is_picture(data[match.end()], family)
        ),
        len(data),
    )
    return data[:place] + b"".join(_make_message(content, family) for content in captions) + data[place:]


def _is_picture(header: int, family: str) -> bool:
    """Whether a unit with this first byte holds a part of a picture."""
    return 1 <= header & 0x1F <= 5 if family == "h264" else header >> 1 & 0x3F < 32


def _make_message(content: bytes, family: str) -> bytes:
    """Return a unit with a message of registered user data."""
    sizes = b"\xff" * (len(content) // 255) + bytes([len(content) % 255])
    body = bytes([_REGISTERED_MESSAGE]) + sizes + content + b"\x80"
    return b"\x00\x00\x00\x01" + _MESSAGE_HEADERS[family] + _TO_ESCAPE.sub(b"\x00\x00\x03", body)
