"""Metadata of high dynamic range video: what the mastering display showed, and how bright the pictures are."""

from __future__ import annotations

import re
import struct
from dataclasses import dataclass
from typing import Any, cast

from lipdub.media.mov_boxes import make_box
from lipdub.media.orientation import NAMED_PROFILE_DECODERS

Point = tuple[int, int]

_CHROMATICITY_UNIT = 50_000  # units of H.265's mastering display message in 1
_LUMINANCE_UNIT = 10_000  # its units in a candela per square metre
_RATIONALS = 10  # rational numbers of FFmpeg's mastering display: red, green, blue, white; darkest, brightest
# Metadata that describes the source's own pictures, by FFmpeg's names of the side data.
_DYNAMIC_METADATA = {
    "DYNAMIC_HDR_PLUS": "HDR10+",
    "DYNAMIC_HDR_VIVID": "HDR Vivid",
    "DOVI_RPU_BUFFER": "Dolby Vision",
    "DOVI_METADATA": "Dolby Vision",
}
DOLBY_VISION = "Dolby Vision"
DOLBY_VISION_ONLY = 5  # the profile whose pictures have no colours that other players know
_DOLBY_VISION_RECORD = re.compile(r"DOVI configuration record: .*?profile: (\d+)")


@dataclass(frozen=True)
class MasteringDisplay:
    """The display a video was mastered on (SMPTE ST 2086), in the units of H.265.

    Attributes:
        red: Chromaticity x and y of the red primary, in 0.00002.
        green: That of the green primary.
        blue: That of the blue primary.
        white: That of the white point.
        brightest: Largest luminance, in 0.0001 cd/m².
        darkest: Smallest luminance, in 0.0001 cd/m².
    """

    red: Point
    green: Point
    blue: Point
    white: Point
    brightest: int
    darkest: int


@dataclass(frozen=True)
class LightLevel:
    """How bright the pictures of a video are (CTA-861.3), in cd/m².

    Attributes:
        brightest_pixel: MaxCLL.
        brightest_frame: MaxFALL, the largest average of a frame.
    """

    brightest_pixel: int
    brightest_frame: int


@dataclass(frozen=True)
class HdrMetadata:
    """The static metadata of HDR10. Either part may be None."""

    display: MasteringDisplay | None = None
    light: LightLevel | None = None

    def __bool__(self) -> bool:
        """Whether there is any."""
        return self.display is not None or self.light is not None

    def to_x265_params(self) -> list[str]:
        """Return the parameters with which x265 writes it into the stream."""
        params = []
        if self.display is not None:
            points = {"G": self.display.green, "B": self.display.blue, "R": self.display.red, "WP": self.display.white}
            text = "".join(f"{name}({x},{y})" for name, (x, y) in points.items())
            params.append(f"master-display={text}L({self.display.brightest},{self.display.darkest})")
        if self.light is not None:
            params.append(f"max-cll={self.light.brightest_pixel},{self.light.brightest_frame}")
        return params

    def to_boxes(self) -> bytes:
        """Return the boxes ``mdcv`` and ``clli`` of MP4 and MOV (ISO/IEC 14496-12)."""
        boxes = b""
        if self.display is not None:
            points = (self.display.green, self.display.blue, self.display.red, self.display.white)
            numbers = [number for point in points for number in point]
            content = struct.pack(">8H2I", *numbers, self.display.brightest, self.display.darkest)
            boxes += make_box(b"mdcv", content)
        if self.light is not None:
            boxes += make_box(b"clli", struct.pack(">2H", self.light.brightest_pixel, self.light.brightest_frame))
        return boxes

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> HdrMetadata:
        """Make it of the plain values :func:`dataclasses.asdict` returns."""
        display, light = values["display"], values["light"]
        if display is not None:
            display = {key: tuple(value) if isinstance(value, list) else value for key, value in display.items()}
        return cls(
            display=None if display is None else MasteringDisplay(**display),
            light=None if light is None else LightLevel(**light),
        )


NO_HDR = HdrMetadata()


def read_hdr_metadata(frame: Any, decoder: str) -> HdrMetadata:
    """Read the static metadata of a decoded frame.

    Args:
        frame: The ``av.VideoFrame``.
        decoder: FFmpeg's name of the decoder that made it.
    """
    display = _read_side_data(frame, decoder, "MASTERING_DISPLAY_METADATA")
    light = _read_side_data(frame, decoder, "CONTENT_LIGHT_LEVEL")
    return HdrMetadata(
        display=None if display is None else _parse_display(display),
        light=None if light is None else LightLevel(*struct.unpack_from("=2I", light)),
    )


def _parse_display(data: bytes) -> MasteringDisplay | None:
    """Parse FFmpeg's ``AVMasteringDisplayMetadata``; None if it lacks a part."""
    numbers = struct.unpack_from(f"={2 * (_RATIONALS + 1)}i", data)
    *rationals, has_primaries, has_luminance = numbers
    if not (has_primaries and has_luminance):
        return None

    def scale(index: int, unit: int) -> int:
        numerator, denominator = rationals[2 * index : 2 * index + 2]
        return round(numerator * unit / denominator) if denominator else 0

    red, green, blue, white = (
        cast("Point", tuple(scale(2 * point + axis, _CHROMATICITY_UNIT) for axis in (0, 1))) for point in range(4)
    )
    return MasteringDisplay(red, green, blue, white, scale(9, _LUMINANCE_UNIT), scale(8, _LUMINANCE_UNIT))


def read_dynamic_metadata(frame: Any, decoder: str, description: str) -> tuple[str, ...]:
    """Return the names of the metadata that describe each picture of the source, and fit no others.

    Args:
        frame: A decoded ``av.VideoFrame``.
        decoder: FFmpeg's name of the decoder that made it.
        description: FFmpeg's description of the file.
    """
    names = [name for kind, name in _DYNAMIC_METADATA.items() if _read_side_data(frame, decoder, kind) is not None]
    if _DOLBY_VISION_RECORD.search(description):
        names.append(DOLBY_VISION)
    return tuple(dict.fromkeys(names))


def read_dolby_vision_profile(description: str) -> int | None:
    """Return the profile of Dolby Vision in FFmpeg's description of a file; None if there is none."""
    record = _DOLBY_VISION_RECORD.search(description)
    return int(record.group(1)) if record else None


def _read_side_data(frame: Any, decoder: str, kind: str) -> bytes | None:
    """Return side data of a frame; None if it has none of this kind or PyAV cannot read it."""
    if decoder in NAMED_PROFILE_DECODERS:
        return None
    try:
        return bytes(frame.side_data[kind])
    except (KeyError, ValueError, TypeError):
        return None
