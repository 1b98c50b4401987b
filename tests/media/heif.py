"""HEIC files made by code: still pictures of HEVC, whole or in tiles (ISO/IEC 23008-12)."""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

import av

from tests.media.clips import make_video

if TYPE_CHECKING:
    from pathlib import Path

SIDE = 64  # pixels of a tile


def _box(kind: bytes, *parts: bytes) -> bytes:
    body = b"".join(parts)
    return struct.pack(">I4s", 8 + len(body), kind) + body


def _full(kind: bytes, version: int, *parts: bytes) -> bytes:
    return _box(kind, struct.pack(">I", version << 24), *parts)


def make_heic(path: Path, *, tiles: int = 1, turns: int = 0) -> Path:
    """A HEIC of one picture, turned by counterclockwise quarter turns, or of tiles in a row."""
    source = make_video(
        path.with_suffix(".mp4"),
        codec="libx265",
        size=(SIDE, SIDE),
        pts=range(3),
        options={"x265-params": "log-level=none:keyint=1:bframes=0"},
    )
    video = source.read_bytes()
    place = video.index(b"hvcC") - 4
    setup = video[place : place + struct.unpack(">I", video[place : place + 4])[0]]
    with av.open(str(source)) as container:
        coded = bytes(next(container.demux(video=0)))
    grid = struct.pack(">BBBBHH", 0, 0, 0, tiles - 1, tiles * SIDE, SIDE)
    items = [coded] * tiles + ([grid] if tiles > 1 else [])
    kinds = [b"hvc1"] * tiles + ([b"grid"] if tiles > 1 else [])

    def extent(width: int) -> bytes:
        return _full(b"ispe", 0, struct.pack(">II", width, SIDE))

    properties = _box(b"ipco", setup, extent(SIDE), extent(tiles * SIDE), _box(b"irot", bytes([turns])))
    of_tile, of_grid = [0x81, 2, *([0x84] if turns else [])], [3]
    uses = [of_tile if kind == b"hvc1" else of_grid for kind in kinds]
    owners = [struct.pack(">HB", i + 1, len(use)) + bytes(use) for i, use in enumerate(uses)]
    names = [_full(b"infe", 2, struct.pack(">HH", i + 1, 0), kind, b"\0") for i, kind in enumerate(kinds)]
    references = _full(b"iref", 0, _box(b"dimg", struct.pack(f">HH{tiles}H", tiles + 1, tiles, *range(1, tiles + 1))))

    def describe(start: int) -> bytes:
        entries = []
        for i, item in enumerate(items):
            entries.append(struct.pack(">HHHII", i + 1, 0, 1, start, len(item)))
            start += len(item)
        return _full(
            b"meta",
            0,
            _full(b"hdlr", 0, bytes(4), b"pict", bytes(13)),
            _full(b"pitm", 0, struct.pack(">H", len(items))),
            _full(b"iloc", 0, struct.pack(">BBH", 0x44, 0, len(items)), *entries),
            _full(b"iinf", 0, struct.pack(">H", len(items)), *names),
            references if tiles > 1 else b"",
            _box(b"iprp", properties, _full(b"ipma", 0, struct.pack(">I", len(items)), *owners)),
        )

    brand = _box(b"ftyp", b"heic", bytes(4), b"mif1heic")
    start = len(brand) + len(describe(0)) + 8
    path.write_bytes(brand + describe(start) + _box(b"mdat", *items))
    return path
