"""Colour tags of streams, and the matrices between YUV code values and RGB."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64

# The numbers H.273 gives to matrices, primaries and transfer functions; FFmpeg and the containers use the same.
UNSPECIFIED = 2
MATRIX_RGB = 0
MATRIX_BT709 = 1
MATRIX_SMPTE170M = 6
MATRIX_YCGCO = 8
# FFmpeg's numbers for the range of a stream.
RANGE_UNSPECIFIED = 0
RANGE_LIMITED = 1
RANGE_FULL = 2

# Luma weights (Kr, Kb) by the matrix's number in H.273.
LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.470 BG (BT.601, 625 lines)
    6: (0.299, 0.114),  # SMPTE 170M (BT.601, 525 lines)
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020, non constant luminance
    10: (0.2627, 0.0593),  # BT.2020, constant luminance; players read it like the above
}
MATRIX_NAMES = {
    0: "gbr",
    1: "bt709",
    2: "unspecified",
    4: "fcc",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "ycgco",
    9: "bt2020nc",
    10: "bt2020c",
    14: "ictcp",
}


PRIMARIES_NAMES = {
    1: "bt709",
    2: "unspecified",
    4: "bt470m",
    5: "bt470bg",
    6: "smpte170m",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "smpte428",
    11: "smpte431",
    12: "smpte432",
    22: "ebu3213",
}


TRANSFER_NAMES = {
    1: "bt709",
    2: "unspecified",
    4: "gamma22",
    5: "gamma28",
    6: "smpte170m",
    7: "smpte240m",
    8: "linear",
    9: "log100",
    10: "log316",
    11: "iec61966-2-4",
    12: "bt1361e",
    13: "iec61966-2-1",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "smpte2084",
    17: "smpte428",
    18: "arib-std-b67",
}

CHROMA_PLACE_UNKNOWN = "unspecified"
CHROMA_PLACE_CENTRE = "center"
# Where a chroma sample lies among the luma samples it belongs to, by FFmpeg's name: shares of the way from the first
# column and row to the last.
CHROMA_PLACES = {
    "left": (0.0, 0.5),
    CHROMA_PLACE_CENTRE: (0.5, 0.5),
    "topleft": (0.0, 0.0),
    "top": (0.5, 0.0),
    "bottomleft": (0.0, 1.0),
    "bottom": (0.5, 1.0),
}
DEFAULT_CHROMA_PLACE = "left"  # of streams that do not tag it

# Code values of 8 bits (ITU-R BT.601, BT.709): black and the spans of luma and chroma, and the chroma centre.
LIMITED_BLACK = 16.0
LIMITED_LUMA_SPAN = 219.0
LIMITED_CHROMA_SPAN = 224.0
CHROMA_CENTRE = 128.0
# Players take an untagged picture for high definition from this size on.
_HD_WIDTH = 1280
_SD_MAX_HEIGHT = 576


@dataclass(frozen=True)
class ColourTags:
    """The tags that give the code values of a stream their colours.

    The names are for reading. The ``_raw`` numbers are the file's own, so that they can be written back
    unchanged, "unspecified" included.

    Attributes:
        full_range: Whether code values use the full range, the pixel format considered.
        matrix: Name of the matrix.
        primaries: Name of the primaries.
        transfer: Name of the transfer function.
        range_raw: The range tag: 0 none, 1 limited, 2 full.
        matrix_raw: Number of the matrix in H.273.
        primaries_raw: Number of the primaries in H.273.
        transfer_raw: Number of the transfer function in H.273.
        chroma_place: Where a chroma sample lies, a name of `CHROMA_PLACES`, or "unspecified".
    """

    full_range: bool = False
    matrix: str = "unspecified"
    primaries: str = "unspecified"
    transfer: str = "unspecified"
    range_raw: int = RANGE_UNSPECIFIED
    matrix_raw: int = UNSPECIFIED
    primaries_raw: int = UNSPECIFIED
    transfer_raw: int = UNSPECIFIED
    chroma_place: str = CHROMA_PLACE_UNKNOWN

    @classmethod
    def from_raw(
        cls,
        range_raw: int,
        matrix: int,
        primaries: int,
        transfer: int,
        *,
        full_range: bool | None = None,
        chroma_place: str = CHROMA_PLACE_UNKNOWN,
    ) -> ColourTags:
        """Make tags from FFmpeg's numbers; ``full_range`` overrides ``range_raw``."""
        return cls(
            full_range=range_raw == RANGE_FULL if full_range is None else full_range,
            matrix=MATRIX_NAMES.get(matrix, str(matrix)),
            primaries=PRIMARIES_NAMES.get(primaries, str(primaries)),
            transfer=TRANSFER_NAMES.get(transfer, str(transfer)),
            range_raw=range_raw,
            matrix_raw=matrix,
            primaries_raw=primaries,
            transfer_raw=transfer,
            chroma_place=chroma_place,
        )


def turn_chroma_place(place: str, turns: int, *, mirrored: bool) -> str:
    """Return the place of chroma samples in a picture that is turned; "unspecified" if it has no name.

    Args:
        place: The place before: a name of `CHROMA_PLACES`, or "unspecified".
        turns: Counterclockwise quarter turns.
        mirrored: Whether a left to right flip follows.
    """
    x, y = CHROMA_PLACES.get(place, CHROMA_PLACES[DEFAULT_CHROMA_PLACE])
    for _ in range(turns % 4):
        x, y = y, 1.0 - x
    if mirrored:
        x = 1.0 - x
    return next((name for name, shares in CHROMA_PLACES.items() if shares == (x, y)), CHROMA_PLACE_UNKNOWN)


def default_matrix(width: int, height: int) -> int:
    """Return the matrix players assume for an untagged picture: BT.709 for high definition, BT.601 below."""
    is_hd = max(width, height) >= _HD_WIDTH or min(width, height) > _SD_MAX_HEIGHT
    return MATRIX_BT709 if is_hd else MATRIX_SMPTE170M


@lru_cache(maxsize=64)
def yuv_matrix(matrix: int, depth: int, scale: float, *, full_range: bool) -> tuple[F32, F32]:
    """Return the affine maps between YUV code values and RGB.

    Args:
        matrix: Number of the matrix in H.273.
        depth: Bits of a code value, 8 to 16.
        scale: Top of the RGB values.
        full_range: Whether code values use the full range.

    Returns:
        RGB from YUV, and YUV from RGB: (3, 4) float32 each.
    """
    forward = _build_normalized_yuv_matrix(matrix)
    unit = float(1 << (depth - 8))
    top = float((1 << depth) - 1)
    centre = CHROMA_CENTRE * unit
    if full_range:
        gain, offset = np.array([top, top, top]), np.array([0.0, centre, centre])
    else:
        gain = np.array([LIMITED_LUMA_SPAN, LIMITED_CHROMA_SPAN, LIMITED_CHROMA_SPAN]) * unit
        offset = np.array([LIMITED_BLACK * unit, centre, centre])
    to_yuv = np.column_stack([forward * gain[:, None] / scale, offset])
    inverse = np.linalg.inv(to_yuv[:, :3])
    to_rgb = np.column_stack([inverse, -inverse @ offset])
    return to_rgb.astype(np.float32), to_yuv.astype(np.float32)


def _build_normalized_yuv_matrix(matrix: int) -> F64:
    """Return the (3, 3) float64 matrix from RGB in 0..1 to luma in 0..1 and chroma in -0.5..0.5."""
    if matrix == MATRIX_YCGCO:
        return np.array([[0.25, 0.5, 0.25], [-0.25, 0.5, -0.25], [0.5, 0.0, -0.5]])
    red, blue = LUMA_WEIGHTS.get(matrix, LUMA_WEIGHTS[MATRIX_BT709])
    luma = np.array([red, 1.0 - red - blue, blue])
    return np.stack(
        [
            luma,
            (np.array([0.0, 0.0, 1.0]) - luma) / (2.0 * (1.0 - blue)),
            (np.array([1.0, 0.0, 0.0]) - luma) / (2.0 * (1.0 - red)),
        ]
    )
