"""Pictures in tiles, as phones write HEIC: how the tiles lie, from the boxes of the file (ISO/IEC 23008-12).

FFmpeg gives each tile as a stream of its own, and PyAV does not tell which picture it is a part of.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lipdub.errors import InputError, printable
from lipdub.media.mov_tracks import read_box, split_boxes
from lipdub.media.pixel_formats import plane_layout, view_plane

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence
    from pathlib import Path

_GRID, _DERIVED_FROM = b"grid", b"dimg"
_LARGE_FIELDS = 1  # bit of a grid's flags: its size takes 32 bits
_IN_FILE, _IN_META = 0, 1  # where an item's data lies: in the file, or in the box "idat"
_MOST_TILES = 1 << 12
_SIZE_BYTES = 12  # of the content of "ispe"
_HEAD_BYTES = 64  # bytes with the file's brands
_STILL_BRANDS = (b"heic", b"heix", b"avif", b"mif1")


@dataclass(frozen=True)
class PictureGrid:
    """How a picture is made of tiles.

    Attributes:
        columns: Tiles in a row.
        rows: Rows of tiles.
        width: Columns of pixels of the whole picture; the last tiles may reach beyond it.
        height: Rows of pixels.
        tiles: Numbers of the items that hold the tiles, row by row. FFmpeg gives them as the ``id`` of a stream.
        turns: Counterclockwise quarter turns to display orientation.
        mirrored: Whether a left to right flip follows them.
        colour: Primaries, transfer, matrix and range (1 or 2), as FFmpeg numbers them; None if nothing is said.
    """

    columns: int
    rows: int
    width: int
    height: int
    tiles: tuple[int, ...]
    turns: int = 0
    mirrored: bool = False
    colour: tuple[int, int, int, int] | None = None


def read_picture_grid(path: Path) -> PictureGrid | None:
    """Return how the tiles of a HEIC or AVIF file lie; None if its picture is whole, or the file of another kind.

    Raises:
        InputError: The file cannot be read.
    """
    try:
        with path.open("rb") as file:
            items = _Items.parse(read_box(file, b"meta"))
            if items.kinds.get(items.primary) != _GRID:
                return None
            return _parse_grid(items, items.read(items.primary, file))
    except OSError as error:
        raise InputError(f"{printable(path)} cannot be read") from error
    except (IndexError, ValueError):
        return None


def has_endless_grid(path: Path) -> bool:
    """Whether a damaged HEIC or AVIF has tiles without a size, which FFmpeg would never stop to lay side by side."""
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD_BYTES)
            if head[4:8] != b"ftyp" or not any(brand in head for brand in _STILL_BRANDS):
                return False
            file.seek(0)
            items = _Items.parse(read_box(file, b"meta"))
    except (OSError, IndexError, ValueError):
        return False
    tiles = [tile for number, kind in items.kinds.items() if kind == _GRID for tile in items.parts.get(number, ())]
    return any(not all(items.find_size(tile)) for tile in tiles)


def join_tiles(grid: PictureGrid, tiles: Mapping[int, Any]) -> Any:
    """Return the whole picture.

    Args:
        grid: How the tiles lie.
        tiles: Decoded ``av.VideoFrame`` of a tile by its item's number.

    Raises:
        ValueError: The tiles do not fill the picture, or are not alike.
    """
    import av

    frames = [tiles[number] for number in grid.tiles if number in tiles]
    if len(frames) != len(grid.tiles) or not _is_filled(grid, frames):
        raise ValueError("the tiles do not fill the picture")
    first = frames[0]
    layout = plane_layout(first.format.name)
    if layout is None:
        raise ValueError(f"the tiles are {first.format.name}")
    whole = av.VideoFrame(grid.width, grid.height, first.format.name)
    whole.pts = 0
    primaries, transfer, matrix, colour_range = grid.colour or (
        first.color_primaries,
        first.color_trc,
        first.colorspace,
        first.color_range,
    )
    whole.color_primaries, whole.color_trc = int(primaries), int(transfer)
    whole.colorspace, whole.color_range = int(matrix), int(colour_range)
    for index, plane in enumerate(whole.planes):
        target = view_plane(plane, layout.dtype, layout.plane_shape(index, grid.width, grid.height))
        for number, frame in enumerate(frames):
            rows, columns = layout.plane_shape(index, frame.width, frame.height)
            tile = view_plane(frame.planes[index], layout.dtype, (rows, columns))
            top, left = number // grid.columns * rows, number % grid.columns * columns
            part = target[top : top + rows, left : left + columns]
            part[:] = tile[: part.shape[0], : part.shape[1]]
    return whole


def _is_filled(grid: PictureGrid, frames: Sequence[Any]) -> bool:
    """Whether the tiles are alike and fill the picture."""
    shapes = {(frame.width, frame.height, frame.format.name) for frame in frames}
    width, height, _ = shapes.pop()
    return not shapes and bool(grid.columns * width >= grid.width and grid.rows * height >= grid.height)


# -- boxes


@dataclass
class _Items:
    """The items of a file.

    Attributes:
        primary: Number of the item that is the picture.
        kinds: Kind of each item.
        places: Where an item's data lies: kind of place, offset and length.
        parts: Numbers of the items that an item is derived from.
        properties: Kind and content of the properties, in order.
        uses: Numbers of an item's properties, counted from 1, in the order in which they apply.
        data: Content of the box "idat".
    """

    primary: int = 0
    kinds: dict[int, bytes] = field(default_factory=dict)
    places: dict[int, tuple[int, int, int]] = field(default_factory=dict)
    parts: dict[int, tuple[int, ...]] = field(default_factory=dict)
    properties: list[tuple[bytes, memoryview]] = field(default_factory=list)
    uses: dict[int, list[int]] = field(default_factory=dict)
    data: bytes = b""

    @classmethod
    def parse(cls, meta: memoryview) -> _Items:
        """Parse the content of the box "meta"."""
        items = cls()
        for kind, body in split_boxes(meta[4:]):
            reader = _Reader(body)
            if kind == b"pitm":
                items.primary = reader.number(2 if reader.version() == 0 else 4)
            elif kind == b"iinf":
                reader.number(2 if reader.version() == 0 else 4)
                for _, entry in split_boxes(reader.rest()):
                    info = _Reader(entry)
                    number = info.number(2 if info.version() < 3 else 4)
                    items.kinds[number] = bytes(info.rest()[2:6])
            elif kind == b"iloc":
                items.places = dict(_parse_places(reader))
            elif kind == b"iref":
                items.parts = dict(_parse_parts(reader))
            elif kind == b"iprp":
                for name, content in split_boxes(body):
                    if name == b"ipco":
                        items.properties = list(split_boxes(content))
                    elif name == b"ipma":
                        items.uses |= dict(_parse_uses(_Reader(content)))
            elif kind == b"idat":
                items.data = bytes(body)
        return items

    def read(self, number: int, file: Any) -> bytes:
        """Return the data of an item."""
        place, offset, length = self.places.get(number, (_IN_FILE, 0, 0))
        if place == _IN_META:
            return self.data[offset : offset + length]
        file.seek(offset)
        return bytes(file.read(length))

    def find_size(self, number: int) -> tuple[int, int]:
        """Return columns and rows of an item's picture; 0 if they are not told."""
        sizes = [content for kind, content in self.properties_of(number) if kind == b"ispe"]
        reader = _Reader(sizes[-1]) if sizes and len(sizes[-1]) >= _SIZE_BYTES else None
        return (0, 0) if reader is None or reader.version() else (reader.number(4), reader.number(4))

    def properties_of(self, number: int) -> Iterator[tuple[bytes, memoryview]]:
        """Yield kind and content of an item's properties."""
        for use in self.uses.get(number, ()):
            if 0 < use <= len(self.properties):
                yield self.properties[use - 1]


class _Reader:
    """Reads the numbers of a box one after the other."""

    def __init__(self, body: memoryview) -> None:
        self._body = body
        self.flags = 0

    def number(self, size: int) -> int:
        """Read a number of so many bytes. Raises IndexError at the end of the box."""
        if size > len(self._body):
            raise IndexError("the box ends too soon")
        value = int.from_bytes(self._body[:size], "big")
        self._body = self._body[size:]
        return value

    def version(self) -> int:
        """Read the version, and the flags into `flags`."""
        version, self.flags = self.number(1), self.number(3)
        return version

    def rest(self) -> memoryview:
        """Return what is not read yet."""
        return self._body


def _parse_places(reader: _Reader) -> Iterator[tuple[int, tuple[int, int, int]]]:
    """Yield where the data of each item lies that is in one piece, from the box "iloc"."""
    version = reader.version()
    sizes = reader.number(2)
    offset_size, length_size, base_size, index_size = (sizes >> shift & 15 for shift in (12, 8, 4, 0))
    for _ in range(reader.number(2 if version < 2 else 4)):
        item = reader.number(2 if version < 2 else 4)
        place = reader.number(2) & 15 if version else _IN_FILE
        reader.number(2)  # the data reference
        base = reader.number(base_size)
        pieces = []
        for _ in range(reader.number(2)):
            reader.number(index_size if version else 0)
            pieces.append((base + reader.number(offset_size), reader.number(length_size)))
        if len(pieces) == 1:
            yield item, (place, *pieces[0])


def _parse_parts(reader: _Reader) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Yield the items that each derived item is made of, from the box "iref"."""
    size = 2 if reader.version() == 0 else 4
    for kind, body in split_boxes(reader.rest()):
        if kind == _DERIVED_FROM:
            reference = _Reader(body)
            number = reference.number(size)
            yield number, tuple(reference.number(size) for _ in range(reference.number(2)))


def _parse_uses(reader: _Reader) -> Iterator[tuple[int, list[int]]]:
    """Yield the properties of each item, from the box "ipma"."""
    version = reader.version()
    size = 2 if reader.flags & 1 else 1
    for _ in range(reader.number(4)):
        item = reader.number(2 if version < 1 else 4)
        yield item, [reader.number(size) & (1 << 8 * size - 1) - 1 for _ in range(reader.number(1))]


def _parse_grid(items: _Items, data: bytes) -> PictureGrid | None:
    reader = _Reader(memoryview(data))
    _, flags, rows, columns = (reader.number(1) for _ in range(4))
    size = 4 if flags & _LARGE_FIELDS else 2
    rows, columns, width, height = rows + 1, columns + 1, reader.number(size), reader.number(size)
    tiles = items.parts.get(items.primary, ())
    if not (len(tiles) == rows * columns <= _MOST_TILES and width and height):
        return None
    turns, mirrored, colour = 0, False, None
    for kind, content in items.properties_of(items.primary):
        if kind == b"irot":
            turn = content[0] & 3
            turns = (turns - turn if mirrored else turns + turn) % 4
        elif kind == b"imir":
            mirrored = not mirrored
            if not content[0] & 1:  # top to bottom: half a turn, and left to right
                turns = (turns + 2) % 4
        elif kind == b"colr" and bytes(content[:4]) == b"nclx":
            primaries, transfer, matrix = (int.from_bytes(content[n : n + 2], "big") for n in (4, 6, 8))
            colour = primaries, transfer, matrix, 2 if content[10] >> 7 else 1
    return PictureGrid(columns, rows, width, height, tiles, turns, mirrored, colour)
