"""Colour."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np

# Luma weights (Kr, Kb) of the matrices that have them, by the number H.273 gives them.
LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.470 BG (BT.601, 625 lines)
    6: (0.299, 0.114),  # SMPTE 170M (BT.601, 525 lines)
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020, non constant luminance
    10: (0.2627, 0.0593),  # BT.2020, constant luminance: read as the above, as players do
}


YCGCO = 8


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


UNSPECIFIED = 2


@dataclass(frozen=True)
class ColourTags:
    """How a stream's numbers mean colours: names for reading, and the numbers (H.273) as the file has them, so
    that they can be written back unchanged, "unspecified" included.

    ``full_range`` is what holds (the pixel format considered); ``range_raw`` is the tag: 0 none, 1 limited,
    2 full. ``centred_chroma``: chroma samples lie between luma columns (JPEG), not on them (MPEG).
    """

    full_range: bool = False
    matrix: str = "unspecified"
    primaries: str = "unspecified"
    transfer: str = "unspecified"
    range_raw: int = 0
    matrix_raw: int = UNSPECIFIED
    primaries_raw: int = UNSPECIFIED
    transfer_raw: int = UNSPECIFIED
    centred_chroma: bool = False

    @classmethod
    def from_raw(
        cls,
        range_raw: int,
        matrix: int,
        primaries: int,
        transfer: int,
        *,
        full_range: bool | None = None,
        centred_chroma: bool = False,
    ) -> ColourTags:
        """Tags from the numbers FFmpeg has; ``full_range`` overrides what ``range_raw`` says."""
        return cls(
            full_range=range_raw == 2 if full_range is None else full_range,
            matrix=MATRIX_NAMES.get(matrix, str(matrix)),
            primaries=PRIMARIES_NAMES.get(primaries, str(primaries)),
            transfer=TRANSFER_NAMES.get(transfer, str(transfer)),
            range_raw=range_raw,
            matrix_raw=matrix,
            primaries_raw=primaries,
            transfer_raw=transfer,
            centred_chroma=centred_chroma,
        )


def default_matrix(width: int, height: int) -> int:
    """The matrix players assume for an untagged picture: BT.709 for high definition, BT.601 below."""
    return 1 if max(width, height) >= 1280 or min(width, height) > 576 else 6


@lru_cache(maxsize=64)
def yuv_matrix(matrix: int, full_range: bool, depth: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Affine maps (3x4, float32) between code values and RGB in 0..``scale``: (RGB from YUV, YUV from RGB)."""
    if matrix == YCGCO:
        forward = np.array([[0.25, 0.5, 0.25], [-0.25, 0.5, -0.25], [0.5, 0.0, -0.5]])
    else:
        red, blue = LUMA_WEIGHTS.get(matrix, LUMA_WEIGHTS[1])
        luma = np.array([red, 1.0 - red - blue, blue])
        forward = np.stack(
            [
                luma,
                (np.array([0.0, 0.0, 1.0]) - luma) / (2.0 * (1.0 - blue)),
                (np.array([1.0, 0.0, 0.0]) - luma) / (2.0 * (1.0 - red)),
            ]
        )
    unit = float(1 << (depth - 8))
    top = float((1 << depth) - 1)
    if full_range:
        gain, offset = np.array([top, top, top]), np.array([0.0, 128.0 * unit, 128.0 * unit])
    else:
        gain, offset = np.array([219.0, 224.0, 224.0]) * unit, np.array([16.0, 128.0, 128.0]) * unit
    to_yuv = np.column_stack([forward * gain[:, None] / scale, offset])
    inverse = np.linalg.inv(to_yuv[:, :3])
    to_rgb = np.column_stack([inverse, -inverse @ offset])
    return to_rgb.astype(np.float32), to_yuv.astype(np.float32)
