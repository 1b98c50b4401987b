"""HEIC and AVIF files made by code: still pictures, whole or in tiles (ISO/IEC 23008-12)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING, NamedTuple

import av

from tests.media.clips import make_video

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

SIDE = 64  # pixels of a tile
_IN_FILE, _IN_META = 0, 1  # where an item's data lies


class _Codec(NamedTuple):
    """How a codec is used: the encoder and its options, the box of its setup, the kind of its items, the brand."""

    encoder: str
    options: dict[str, str]
    setup: bytes
    kind: bytes
    brand: bytes


_CODECS = {
    "hevc": _Codec("libx265", {"x265-params": "log-level=none:keyint=1:bframes=0"}, b"hvcC", b"hvc1", b"heic"),
    "av1": _Codec("libsvtav1", {"svtav1-params": "keyint=1", "preset": "12"}, b"av1C", b"av01", b"avif"),
}


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, version: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24), *parts)


def make_heic(
    path: Path,
    *,
    codec: str = "hevc",
    columns: int = 1,
    rows: int = 1,
    size: tuple[int, int] | None = None,
    turns: int = 0,
    mirror: int | None = None,
    colour: tuple[int, int, int, int] | None = None,
    pix_fmt: str = "yuv420p",
    is_large: bool = False,
    in_meta: bool = True,
    has_thumbnail: bool = False,
    missing: Sequence[int] = (),
) -> Path:
    """A HEIC or AVIF of one picture, or of tiles: the frames of the MP4 file that is made beside it.

    Args:
        path: The file.
        codec: "hevc" or "av1".
        columns: Tiles in a row.
        rows: Rows of tiles.
        size: Columns and rows of pixels; as many as the tiles have by default.
        turns: Counterclockwise quarter turns to display orientation.
        mirror: Axis of a mirror ("imir") after the turn; None for none.
        colour: Primaries, transfer, matrix and full range (0 or 1) of "nclx"; None for none.
        pix_fmt: Pixel format.
        is_large: Whether the grid's numbers take 32 bits.
        in_meta: Whether the grid lies in the box "idat", as phones write it, and not in the file.
        has_thumbnail: Whether the first item is a thumbnail.
        missing: Tiles that are not in the file.
    """
    tiles = columns * rows
    encoder, options, setup_box, coded_kind, brand = _CODECS[codec]
    source = make_video(
        path.with_suffix(".mp4"),
        codec=encoder,
        pix_fmt=pix_fmt,
        size=(SIDE, SIDE),
        pts=range(tiles + 1),
        options=options,
    )
    video = source.read_bytes()
    place = video.index(setup_box) - 4
    setup = video[place : place + struct.unpack(">I", video[place : place + 4])[0]]
    with av.open(str(source)) as container:
        coded = [bytes(packet) for packet in container.demux(video=0) if packet.size]
    size = size or (columns * SIDE, rows * SIDE)
    form = ">BBBBII" if is_large else ">BBBBHH"
    grid = struct.pack(form, 0, int(is_large), rows - 1, columns - 1, *size)
    first = [coded[tiles]] if has_thumbnail else []
    items = [*first, *coded[:tiles], *([grid] if tiles > 1 else [])]
    numbers = range(1 + len(first), 1 + len(first) + tiles)  # of the tiles
    for tile in missing:
        items[numbers[tile] - 1] = bytes(4)
    primary = len(items)
    kinds = [b"grid" if tiles > 1 and i == primary - 1 else coded_kind for i in range(primary)]

    def extent(width: int, height: int) -> bytes:
        return _full(b"ispe", 0, struct.pack(">II", width, height))

    changes = [_box(b"irot", bytes([turns]))] if turns else []
    changes += [_box(b"imir", bytes([mirror]))] if mirror is not None else []
    changes += [_box(b"colr", b"nclx", struct.pack(">HHHB", *colour[:3], colour[3] << 7))] if colour else []
    properties = _box(b"ipco", setup, extent(SIDE, SIDE), extent(*size), *changes)
    extra = [0x84 + i for i in range(len(changes))]
    uses = [[0x81, 2] if kind == coded_kind else [3] for kind in kinds]
    uses[primary - 1] += extra
    owners = [struct.pack(">HB", i + 1, len(use)) + bytes(use) for i, use in enumerate(uses)]
    names = [_full(b"infe", 2, struct.pack(">HH", i + 1, 0), kind, b"\0") for i, kind in enumerate(kinds)]
    parts = [_box(b"dimg", struct.pack(f">HH{tiles}H", primary, tiles, *numbers))] if tiles > 1 else []
    parts += [_box(b"thmb", struct.pack(">HHH", 1, 1, primary))] if has_thumbnail else []
    in_idat = in_meta and tiles > 1

    def describe(start: int) -> bytes:
        entries = []
        for i, item in enumerate(items):
            is_inside = in_idat and i == primary - 1
            where = _IN_META if is_inside else _IN_FILE
            entries.append(struct.pack(">HHHHII", i + 1, where, 0, 1, 0 if is_inside else start, len(item)))
            start += 0 if is_inside else len(item)
        return _full(
            b"meta",
            0,
            _full(b"hdlr", 0, bytes(4), b"pict", bytes(13)),
            _full(b"pitm", 0, struct.pack(">H", primary)),
            _full(b"iloc", 1, struct.pack(">BBH", 0x44, 0, len(items)), *entries),
            _full(b"iinf", 0, struct.pack(">H", len(items)), *names),
            _full(b"iref", 0, *parts) if parts else b"",
            _box(b"iprp", properties, _full(b"ipma", 0, struct.pack(">I", len(items)), *owners)),
            _box(b"idat", items[-1]) if in_idat else b"",
        )

    head = _box(b"ftyp", brand, bytes(4), b"mif1", brand)
    start = len(head) + len(describe(0)) + 8
    path.write_bytes(head + describe(start) + _box(b"mdat", *(items[:-1] if in_idat else items)))
    return path
