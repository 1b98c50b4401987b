"""What the index of a MOV or MP4 file says of its picture, and FFmpeg or PyAV cannot be asked to write."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, BinaryIO

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

_HEADER = struct.Struct(">I4s")  # size and name of a box
_LARGE_SIZE = 1  # a size that means that 64 bits follow
# Boxes on the way to the sample description, and the bytes of each before its first box.
_WAY = ((b"trak", 0), (b"mdia", 0), (b"minf", 0), (b"stbl", 0), (b"stsd", 8))
_MATRIX_PLACES = {0: 40, 1: 52}  # bytes before the matrix in "tkhd", by the box's version
_SAMPLE_ENTRY_BYTES = 86  # bytes of a VisualSampleEntry before its first box (ISO/IEC 14496-12)


def make_box(name: bytes, content: bytes) -> bytes:
    """Return a box."""
    return _HEADER.pack(_HEADER.size + len(content), name) + content


def add_sample_entry_boxes(path: Path, boxes: bytes) -> None:
    """Add boxes to the sample description of the first track of a file.

    Args:
        path: A MOV or MP4 file that ends with its index, as FFmpeg's muxer writes it without ``faststart``.
        boxes: The boxes.

    Raises:
        ValueError: The file is not like that.
    """
    with path.open("r+b") as file:
        place = _find_index(file)
        file.seek(place)
        index = file.read()
        if _HEADER.unpack_from(index)[0] != len(index):
            raise ValueError(f"{path} does not end with its index")
        changed = _HEADER.pack(len(index) + len(boxes), b"moov") + _insert(index[_HEADER.size :], _WAY, boxes)
        file.seek(place)
        file.write(changed)


def write_display_matrix(path: Path, matrix: Sequence[int]) -> None:
    """Write how the picture of the first track of a file is placed for display.

    Args:
        path: A MOV or MP4 file.
        matrix: Its nine numbers, row by row.

    Raises:
        ValueError: The file has no track.
    """
    with path.open("r+b") as file:
        place = _find_index(file)
        file.seek(place)
        size, _ = _HEADER.unpack(file.read(_HEADER.size))
        index = file.read(size - _HEADER.size)
        track = _find_box(index, b"trak", 0)
        header = _find_box(index, b"tkhd", track)
        file.seek(place + _HEADER.size + header + _MATRIX_PLACES[index[header]])
        file.write(struct.pack(f">{len(matrix)}i", *matrix))


def _find_box(body: bytes, name: bytes, place: int) -> int:
    """Return where the content of the first box of a name begins, among the boxes from a place on."""
    while place + _HEADER.size <= len(body):
        size, found = _HEADER.unpack_from(body, place)
        if found == name:
            return place + _HEADER.size
        place += max(size, _HEADER.size)
    raise ValueError(f"the index has no box {name.decode()}")


def _find_index(file: BinaryIO) -> int:
    """Return where the box "moov" begins."""
    place = 0
    while len(header := file.read(16)) >= _HEADER.size:
        size, name = _HEADER.unpack_from(header)
        if name == b"moov":
            return place
        place += int.from_bytes(header[8:16], "big") if size == _LARGE_SIZE else max(size, _HEADER.size)
        file.seek(place)
    raise ValueError("the file has no index")


def _insert(body: bytes, way: Sequence[tuple[bytes, int]], boxes: bytes) -> bytes:
    """Return the content of a box with boxes inserted in the first sample entry.

    Args:
        body: The content.
        way: The boxes that lead to the sample entries.
        boxes: The boxes to insert.
    """
    if not way:
        size, name = _HEADER.unpack_from(body)
        entry = body[_HEADER.size : _SAMPLE_ENTRY_BYTES]
        return _HEADER.pack(size + len(boxes), name) + entry + boxes + body[_SAMPLE_ENTRY_BYTES:]
    (wanted, skip), *rest = way
    place = 0
    while place + _HEADER.size <= len(body):
        size, name = _HEADER.unpack_from(body, place)
        if name == wanted:
            start, end = place + _HEADER.size, place + size
            content = body[start : start + skip] + _insert(body[start + skip : end], rest, boxes)
            return body[:place] + _HEADER.pack(size + len(boxes), name) + content + body[end:]
        place += max(size, _HEADER.size)
    raise ValueError(f"the index has no box {wanted.decode()}")
