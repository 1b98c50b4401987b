"""What the boxes of a MOV or MP4 file say of its tracks and FFmpeg's libraries do not tell PyAV."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_HEADER_BYTES = 8  # size and type of a box
_LARGE_HEADER_BYTES = 16  # those of a box whose size needs 64 bits
_LARGE_SIZE, _TO_THE_END = 1, 0  # sizes with a meaning of their own
_MAX_BOX_BYTES = 512 << 20  # a larger index is taken for damage
_ID_PLACE = {0: 12, 1: 20}  # bytes before the track's number in "tkhd", by the box's version
_ENTRY_PLACE = 12  # bytes before the type of the first entry in "stsd"
_FOLDERS = (b"mdia", b"minf", b"stbl")  # boxes on the way to the sample description


@dataclass
class MovTrack:
    """A track.

    Attributes:
        number: The track's number, which FFmpeg gives as the stream's ``id``.
        tag: Type of the sample description, such as "mebx" or "tmcd"; empty if there is none.
        chapter_tracks: Numbers of the tracks that hold this track's chapters.
    """

    number: int = 0
    tag: str = ""
    chapter_tracks: list[int] = field(default_factory=list)


def read_mov_tracks(path: Path) -> list[MovTrack]:
    """Return the tracks of a MOV or MP4 file, in order; none if its index is damaged or the file is another kind."""
    try:
        with path.open("rb") as file:
            index = read_box(file, b"moov")
    except OSError:
        return []
    return [_read_track(body) for kind, body in split_boxes(index) if kind == b"trak"]


def read_box(file: BinaryIO, name: bytes) -> memoryview:
    """Return the content of the first outer box of this name; empty if there is none."""
    nothing = memoryview(b"")
    while len(header := file.read(_LARGE_HEADER_BYTES)) >= _HEADER_BYTES:
        size, skip = int.from_bytes(header[:4], "big"), _HEADER_BYTES
        if size == _LARGE_SIZE:
            size, skip = int.from_bytes(header[8:16], "big"), _LARGE_HEADER_BYTES
        file.seek(skip - len(header), 1)
        if header[4:8] == name:
            length = size - skip if size != _TO_THE_END else _MAX_BOX_BYTES
            return memoryview(file.read(length)) if 0 < length <= _MAX_BOX_BYTES else nothing
        if size < skip:
            return nothing
        file.seek(size - skip, 1)
    return nothing


def split_boxes(body: memoryview) -> Iterator[tuple[bytes, memoryview]]:
    """Yield type and content of the boxes in a box, up to the first damaged one."""
    while len(body) >= _HEADER_BYTES:
        size = int.from_bytes(body[:4], "big")
        if not _HEADER_BYTES <= size <= len(body):
            return
        yield bytes(body[4:8]), body[_HEADER_BYTES:size]
        body = body[size:]


def _read_track(body: memoryview) -> MovTrack:
    track = MovTrack()
    for kind, content in split_boxes(body):
        if kind == b"tkhd" and len(content):
            place = _ID_PLACE.get(content[0], _ID_PLACE[0])
            track.number = int.from_bytes(content[place : place + 4], "big")
        elif kind == b"tref":
            chapters = b"".join(bytes(numbers) for reference, numbers in split_boxes(content) if reference == b"chap")
            track.chapter_tracks += [int.from_bytes(chapters[n : n + 4], "big") for n in range(0, len(chapters), 4)]
        elif kind == b"mdia":
            track.tag = _read_tag(content)
    return track


def _read_tag(body: memoryview) -> str:
    """Return the type of the first sample description inside a box."""
    for kind, content in split_boxes(body):
        if kind in _FOLDERS and (tag := _read_tag(content)):
            return tag
        if kind == b"stsd":
            return bytes(content[_ENTRY_PLACE : _ENTRY_PLACE + 4]).decode("latin-1")
    return ""
