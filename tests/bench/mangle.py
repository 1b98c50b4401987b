"""Ways in which a media file is damaged, each a function of its bytes and a random number generator.

Knows the boxes of MP4 and MOV and the chunks of RIFF (AVI, WAV, WebP); other containers are damaged as plain bytes.
"""

from __future__ import annotations

import random
import struct
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterator

Way: TypeAlias = Callable[[bytearray, random.Random], bytearray]
"""Takes a file's bytes, which it may change, and returns the damaged ones."""

HEAD = 512  # bytes at the beginning that most formats keep their header in
PARENTS = {b"moov", b"trak", b"mdia", b"minf", b"stbl", b"edts", b"udta", b"dinf", b"moof", b"traf", b"mvex"}
TABLES = {b"stts", b"stsz", b"stco", b"stsc", b"ctts", b"stss", b"elst", b"co64"}
LENGTHS = (0, 1, 4, 7, 8, 0x7FFFFFFF, 0xFFFFFFFF)  # that a box or chunk may claim, besides nearly the right one


class Box(NamedTuple):
    """A box or chunk: where its length field is, its type, where its content begins and where it ends."""

    length_at: int
    kind: bytes
    begin: int
    end: int


def find_boxes(data: bytes, begin: int = 0, end: int | None = None) -> Iterator[Box]:
    """Yields the boxes of an MP4 or MOV, parents before children."""
    end = len(data) if end is None else end
    while begin + 8 <= end:
        length, kind = struct.unpack_from(">I4s", data, begin)
        stop = min(begin + length, end) if length >= 8 else end
        yield Box(begin, kind, begin + 8, stop)
        if kind in PARENTS:
            yield from find_boxes(data, begin + 8, stop)
        begin = stop


def find_chunks(data: bytes, begin: int = 12) -> Iterator[Box]:
    """Yields the chunks of a RIFF file; lists are entered."""
    while begin + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, begin)
        stop = min(begin + 8 + length + length % 2, len(data))
        yield Box(begin + 4, kind, begin + 8, stop)
        begin = begin + 12 if kind == b"LIST" else stop


def flip_bytes(data: bytearray, draw: random.Random) -> bytearray:
    """Sets some bytes anywhere to others."""
    for _ in range(draw.choice((1, 5, 50, 500))):
        data[draw.randrange(len(data))] = draw.randrange(256)
    return data


def flip_head(data: bytearray, draw: random.Random) -> bytearray:
    """Sets a few bytes of the header to others."""
    for _ in range(draw.choice((1, 3, 10))):
        data[draw.randrange(min(HEAD, len(data)))] = draw.choice((0, 1, 127, 128, 255, draw.randrange(256)))
    return data


def flip_tail(data: bytearray, draw: random.Random) -> bytearray:
    """Sets a few bytes near the end, where indices often are, to others."""
    for _ in range(draw.choice((1, 5, 40))):
        data[-1 - draw.randrange(min(4 * HEAD, len(data)))] = draw.randrange(256)
    return data


def cut_off(data: bytearray, draw: random.Random) -> bytearray:
    """Keeps the beginning only."""
    return data[: draw.choice((0, 1, 8, 40, len(data) - 1, draw.randrange(len(data))))]


def cut_front(data: bytearray, draw: random.Random) -> bytearray:
    """Keeps the end only."""
    return data[draw.randrange(1, len(data)) :]


def cut_out(data: bytearray, draw: random.Random) -> bytearray:
    """Takes a piece out of the middle."""
    begin, end = sorted(draw.randrange(len(data)) for _ in range(2))
    return data[:begin] + data[end:]


def blank_out(data: bytearray, draw: random.Random) -> bytearray:
    """Sets a piece to zeros, as a failed download or a broken disk does."""
    begin = draw.randrange(len(data))
    end = min(len(data), begin + draw.choice((16, 512, 4096, len(data) // 2)))
    data[begin:end] = bytes(end - begin)
    return data


def double(data: bytearray, draw: random.Random) -> bytearray:
    """Puts a second copy, or part of one, behind the first."""
    return data + data[draw.choice((0, draw.randrange(len(data)))) :]


def shuffle_blocks(data: bytearray, draw: random.Random) -> bytearray:
    """Exchanges blocks."""
    size = draw.choice((64, 512, 4096))
    blocks = [data[i : i + size] for i in range(0, len(data), size)]
    head = draw.choice((0, 1))
    rest = blocks[head:]
    draw.shuffle(rest)
    return bytearray(b"".join(blocks[:head] + rest))


def put_between(data: bytearray, draw: random.Random) -> bytearray:
    """Puts noise between two bytes."""
    place = draw.randrange(len(data))
    return data[:place] + draw.randbytes(draw.choice((1, 3, 16, 1000))) + data[place:]


def _choose_box(data: bytearray, draw: random.Random) -> tuple[Box, str] | None:
    is_riff = data[:4] == b"RIFF"
    if not is_riff and data[4:8] not in (b"ftyp", b"moov", b"mdat", b"wide", b"free"):
        return None
    boxes = list(find_chunks(data) if is_riff else find_boxes(data))
    return (draw.choice(boxes), "<I" if is_riff else ">I") if boxes else None


def change_length(data: bytearray, draw: random.Random) -> bytearray:
    """Lets a box or chunk claim another length."""
    found = _choose_box(data, draw)
    if found is None:
        return flip_head(data, draw)
    box, form = found
    right = box.end - box.begin
    length = draw.choice((*LENGTHS, right, right - 1, right + 9, right // 2, right * 2))
    struct.pack_into(form, data, box.length_at, max(length, 0))
    return data


def cut_box(data: bytearray, draw: random.Random) -> bytearray:
    """Takes away the end of a box or chunk without telling anyone."""
    found = _choose_box(data, draw)
    if found is None:
        return cut_out(data, draw)
    box, _ = found
    middle = draw.randint(box.begin, box.end)
    return data[:middle] + data[box.end :]


def rename_box(data: bytearray, draw: random.Random) -> bytearray:
    """Hides a box behind another type."""
    boxes = list(find_boxes(data)) if data[4:8] == b"ftyp" else []
    if not boxes:
        return flip_head(data, draw)
    box = draw.choice(boxes)
    data[box.begin - 4 : box.begin] = draw.choice((b"free", b"skip", b"junk", draw.choice(boxes).kind))
    return data


def shuffle_table(data: bytearray, draw: random.Random) -> bytearray:
    """Shuffles the 32-bit values of a table of times, sizes or places, or sets some to extremes."""
    tables = [box for box in find_boxes(data) if box.kind in TABLES] if data[4:8] == b"ftyp" else []
    if not tables:
        return shuffle_blocks(data, draw)
    box = draw.choice(tables)
    count = (box.end - box.begin - 8) // 4
    values = list(struct.unpack_from(f">{count}I", data, box.begin + 8)) if count > 0 else []
    if draw.random() < 0.5:
        draw.shuffle(values)
    else:
        for _ in range(min(3, len(values))):
            values[draw.randrange(len(values))] = draw.choice((0, 1, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF))
    struct.pack_into(f">{len(values)}I", data, box.begin + 8, *values)
    return data


def change_header_field(data: bytearray, draw: random.Random) -> bytearray:
    """Sets one aligned field of a header box (sizes, rates, counts, matrices) to an extreme."""
    kinds = {b"mvhd", b"tkhd", b"mdhd", b"stsd", b"hdlr", b"fmt ", b"avih", b"strh", b"strf", b"elst"}
    is_riff = data[:4] == b"RIFF"
    boxes = [box for box in (find_chunks(data) if is_riff else find_boxes(data)) if box.kind in kinds]
    boxes = [box for box in boxes if box.end - box.begin >= 4]
    if not boxes:
        return flip_head(data, draw)
    box = draw.choice(boxes)
    place = box.begin + draw.randrange(0, box.end - box.begin - 3, 2)
    value = draw.choice((0, 1, 0xFFFF, 0x7FFFFFFF, 0x80000000, 0xFFFFFFFF, draw.getrandbits(32)))
    struct.pack_into(">I", data, place, value)
    return data


def claim_pixels(data: bytearray, draw: random.Random) -> bytearray:
    """Lets a picture or a video track claim another width and height, checksums included."""
    sides = [draw.choice((0, 1, 2, 3, 191, 16384, 60000, 65535)) for _ in range(2)]
    if data[:4] == b"\x89PNG":
        struct.pack_into(">II", data, 16, *sides)
        struct.pack_into(">I", data, 29, zlib.crc32(data[12:29]))
    elif data[:3] == b"GIF":
        struct.pack_into("<HH", data, 6, *sides)
    elif data[:2] == b"\xff\xd8" and (frame := data.find(b"\xff\xc0")) > 0:
        struct.pack_into(">HH", data, frame + 5, *sides)
    elif data[:4] == b"RIFF" and (header := data.find(b"strf")) > 0 and data[8:11] == b"AVI":
        struct.pack_into("<II", data, header + 12, *sides)
    else:
        entries = [box for box in find_boxes(data) if box.kind == b"stsd"] if data[4:8] == b"ftyp" else []
        if not entries:
            return flip_head(data, draw)
        struct.pack_into(">HH", data, entries[0].begin + 40, *sides)
    return data


def nothing(data: bytearray, draw: random.Random) -> bytearray:
    """Leaves the content alone: only the name is odd."""
    return data


WAYS: tuple[Way, ...] = (
    flip_bytes,
    flip_head,
    flip_tail,
    cut_off,
    cut_front,
    cut_out,
    blank_out,
    double,
    shuffle_blocks,
    put_between,
    change_length,
    change_length,
    cut_box,
    rename_box,
    shuffle_table,
    shuffle_table,
    change_header_field,
    change_header_field,
    claim_pixels,
    nothing,
)
"""What a fuzzer draws from; ways that reach deeper are in it twice."""
