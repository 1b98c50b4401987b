"""Every format becomes planes with the samples FFmpeg itself would give."""

from __future__ import annotations

import av
import numpy as np
import pytest
from av.video.format import names as format_names

from lipdub.media.colour import ColourTags
from lipdub.media.pixel_formats import (
    UNPACK_RULES,
    has_opacity,
    name_format,
    planar_equivalent,
    plane_layout,
    turned_format,
    unpack_planes,
    view_plane,
    view_planes,
)
from lipdub.media.pixels import picture_from_frame
from tests.media.clips import scene


def random_frame(pix_fmt: str, width: int, height: int) -> av.VideoFrame:
    """A frame of random bytes. Bits a format does not use are zero."""
    frame = av.VideoFrame(width, height, pix_fmt)
    draw = np.random.default_rng(1)
    depth = max(part.bits for part in frame.format.components)
    unused_low = pix_fmt.startswith("p") and pix_fmt.endswith("le")
    for plane in frame.planes:
        np.frombuffer(plane, np.uint8)[:] = draw.integers(0, 256, plane.buffer_size, dtype=np.uint8)
        if 8 < depth < 16:
            words = np.frombuffer(plane, np.uint16)
            words &= np.uint16(((1 << depth) - 1) << (16 - depth if unused_low else 0))
    return frame


@pytest.mark.parametrize("pix_fmt", UNPACK_RULES)
@pytest.mark.parametrize("size", [(62, 46), (61, 45)])
def test_each_rule_unpacks_as_ffmpeg_converts(pix_fmt: str, size: tuple[int, int]) -> None:
    frame = random_frame(pix_fmt, *size)
    planes, layout = unpack_planes(frame)
    assert layout.pix_fmt == UNPACK_RULES[pix_fmt].planar == planar_equivalent(pix_fmt)
    assert len(planes) == layout.planes
    expected = view_planes(frame.reformat(format=layout.pix_fmt), layout)
    for index, (plane, other) in enumerate(zip(planes, expected, strict=True)):
        assert plane.dtype == layout.dtype
        assert plane.shape == layout.plane_shape(index, *size)
        assert not plane.flags.writeable
        assert np.array_equal(plane, other), index


@pytest.mark.parametrize("pix_fmt", sorted(format_names))
def test_every_format_has_a_planar_equivalent(pix_fmt: str) -> None:
    layout = plane_layout(planar_equivalent(pix_fmt))
    assert layout is not None
    assert planar_equivalent(layout.pix_fmt) == layout.pix_fmt


def test_layouts() -> None:
    layout = plane_layout("yuva420p10le")
    assert layout is not None
    assert (layout.kind, layout.depth, layout.step, layout.alpha, layout.planes) == ("yuv", 10, (2, 2), True, 4)
    assert layout.dtype is np.uint16
    assert layout.top == 1023
    assert [layout.plane_shape(index, 61, 45) for index in range(4)] == [(45, 61), (23, 31), (23, 31), (45, 61)]
    assert plane_layout("yuv420p10be") is plane_layout("gbrpf32le") is plane_layout("nonsense") is None


@pytest.mark.parametrize(
    ("pix_fmt", "planar"),
    [
        ("rgb24", "gbrp"),
        ("bgr24", "gbrp"),
        ("rgba", "gbrap"),
        ("bgra", "gbrap"),
        ("argb", "gbrap"),
        ("bgr0", "gbrp"),
        ("rgb48le", "gbrp16le"),
        ("rgb48be", "gbrp16le"),
        ("rgba64be", "gbrap16le"),
        ("gray16be", "gray16le"),
        ("nv12", "yuv420p"),
        ("nv21", "yuv420p"),
        ("p010le", "yuv420p10le"),
        ("yuyv422", "yuv422p"),
        ("uyvy422", "yuv422p"),
        ("yuv420p10be", "yuv420p10le"),
    ],
)
def test_other_formats_are_sorted_without_loss(pix_fmt: str, planar: str) -> None:
    assert planar_equivalent(pix_fmt) == planar
    source = scene(planar, 62, 46, 2)
    layout = plane_layout(planar)
    assert layout is not None
    packed = source.reformat(format=pix_fmt)
    assert packed.format.name == pix_fmt
    picture = picture_from_frame(packed, ColourTags())
    assert picture.pix_fmt == planar
    for index, plane in enumerate(picture.coded):
        assert np.array_equal(plane, view_plane(source.planes[index], layout.dtype, plane.shape)), index


def test_palettes_grey_with_opacity_and_bits() -> None:
    grey = av.VideoFrame(16, 8, "ya8")
    rows = np.frombuffer(grey.planes[0], np.uint8).reshape(-1, grey.planes[0].line_size)
    rows[:8, :32] = np.arange(256, dtype=np.uint8).reshape(8, 32)
    picture = picture_from_frame(grey, ColourTags())
    assert picture.pix_fmt == "gbrap"
    assert np.array_equal(picture.coded[0], rows[:8, 0:32:2])
    assert np.array_equal(picture.coded[3], rows[:8, 1:32:2])
    assert planar_equivalent("pal8") == "gbrap"
    assert planar_equivalent("monob") == "gray"


@pytest.mark.parametrize(
    ("pix_fmt", "turned"),
    [
        ("yuv420p", "yuv420p"),
        ("yuv422p", "yuv440p"),
        ("yuv440p", "yuv422p"),
        ("yuv422p10le", "yuv440p10le"),
        ("yuv411p", "yuv444p"),
        ("yuva422p", "yuva444p"),
        ("yuva420p", "yuva420p"),
        ("gbrp", "gbrp"),
        ("gray", "gray"),
    ],
)
def test_formats_after_a_quarter_turn(pix_fmt: str, turned: str) -> None:
    assert turned_format(pix_fmt) == turned


@pytest.mark.parametrize(
    ("codec", "pix_fmt", "name", "is_seen_through"),
    [
        ("mjpeg", "gbrap", "CMYK", False),
        ("mjpeg", "yuva444p", "CMYK", False),
        ("mjpeg", "yuvj420p", "yuv420p", False),
        ("png", "rgba", "rgba", True),
        ("png", "rgb24", "rgb24", False),
        ("ffv1", "gbrap", "gbrap", True),
    ],
)
def test_what_people_call_a_format(codec: str, pix_fmt: str, name: str, *, is_seen_through: bool) -> None:
    assert name_format(codec, pix_fmt) == name
    assert has_opacity(codec, pix_fmt) is is_seen_through
