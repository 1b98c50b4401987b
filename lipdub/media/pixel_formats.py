"""Pixel formats: the content of their planes, and how formats that are not planar are sorted into planes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import DTypeLike

    from lipdub.arrays import U8, Array

_JPEG = "mjpeg"  # FFmpeg's name of the codec
MIN_DEPTH, MAX_DEPTH = 8, 16  # bits of a sample of the planar formats used here


@dataclass(frozen=True)
class PlaneLayout:
    """What the planes of a planar pixel format hold.

    Attributes:
        pix_fmt: FFmpeg's name of the format.
        kind: 'yuv', 'rgb' (planes G, B, R) or 'gray'.
        depth: Bits of a sample.
        step: Luma columns and rows per chroma sample.
        alpha: Whether a last plane of opacity follows.
    """

    pix_fmt: str
    kind: str
    depth: int
    step: tuple[int, int]
    alpha: bool

    @property
    def planes(self) -> int:
        """Number of planes, opacity included."""
        return (1 if self.kind == "gray" else 3) + self.alpha

    @property
    def dtype(self) -> type[np.uint8 | np.uint16]:
        """Type of a sample."""
        return np.uint8 if self.depth <= 8 else np.uint16

    @property
    def top(self) -> int:
        """The largest code value."""
        return (1 << self.depth) - 1

    def steps(self, plane: int) -> tuple[int, int]:
        """Return luma columns and rows per sample of a plane."""
        return self.step if self.kind == "yuv" and plane in (1, 2) else (1, 1)

    def plane_shape(self, plane: int, width: int, height: int) -> tuple[int, int]:
        """Return rows and columns of a plane of a picture of ``width`` by ``height`` pixels."""
        step_x, step_y = self.steps(plane)
        return -(-height // step_y), -(-width // step_x)


@lru_cache(maxsize=256)
def plane_layout(pix_fmt: str) -> PlaneLayout | None:
    """Return the layout of a planar, little-endian integer pixel format; None for any other."""
    import av

    name = pix_fmt.replace("yuvj", "yuv")
    is_float = "f" in name[3:].replace("gray", "")
    if not name.startswith(("yuv", "gbr", "gray")) or name.endswith("be") or is_float:
        return None
    try:
        form = av.VideoFormat(name)
    except ValueError:
        return None
    parts = form.components
    if len({part.plane for part in parts}) != len(parts) or len({part.bits for part in parts}) != 1:
        return None
    depth = parts[0].bits
    if not MIN_DEPTH <= depth <= MAX_DEPTH:
        return None
    kind = "rgb" if name.startswith("gbr") else "gray" if name.startswith("gray") else "yuv"
    step = (1, 1)
    if kind == "yuv":
        # FFmpeg's own rounding rule gives the step: how many luma columns share one sample.
        step = (_chroma_step(form.chroma_width), _chroma_step(form.chroma_height))
    return PlaneLayout(pix_fmt, kind, depth, step, any(part.is_alpha for part in parts))


def has_opacity(codec: str, pix_fmt: str) -> bool:
    """Whether pictures of a codec have opacity. FFmpeg puts JPEG pictures of four inks into a format that has it."""
    layout = plane_layout(planar_equivalent(pix_fmt))
    return layout is not None and layout.alpha and codec != _JPEG


def name_format(codec: str, pix_fmt: str) -> str:
    """Return what people call the pixel format of a codec's pictures: FFmpeg's name, but for the inks of a JPEG."""
    layout = plane_layout(planar_equivalent(pix_fmt))
    if codec == _JPEG and layout is not None and layout.alpha:
        return "CMYK"
    return pix_fmt.replace("yuvj", "yuv")


def _chroma_step(chroma_size: Callable[[int], int]) -> int:
    return 64 // int(chroma_size(64))


def view_plane(plane: Any, dtype: DTypeLike, shape: Sequence[int]) -> Array:
    """Return a view of an ``av`` video plane without its padding.

    Args:
        plane: The ``av.video.plane.VideoPlane``.
        dtype: Type of a sample.
        shape: Rows and columns.
    """
    width = np.dtype(dtype).itemsize
    rows: U8 = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: shape[0]]
    return rows[:, : shape[1] * width].view(dtype)


def view_planes(frame: Any, layout: PlaneLayout) -> list[Array]:
    """Return views of the planes of a planar ``av.VideoFrame``."""
    return [
        view_plane(plane, layout.dtype, layout.plane_shape(index, frame.width, frame.height))
        for index, plane in enumerate(frame.planes)
    ]


# -- formats that are not planar

Unpack = Callable[[Any, PlaneLayout], "list[Array]"]


@dataclass(frozen=True)
class UnpackRule:
    """How the pictures of a format are sorted into planes.

    Attributes:
        planar: The planar format they become.
        unpack: Called with an ``av.VideoFrame`` and the planar layout; returns the planes.
    """

    planar: str
    unpack: Unpack


def _unpack_interleaved(
    frame: Any, layout: PlaneLayout, *, dtype: str, count: int, order: Sequence[int]
) -> list[Array]:
    """Sort pixels of ``count`` components; ``order`` gives the component of each plane."""
    pixels = view_plane(frame.planes[0], dtype, (frame.height, count * frame.width))
    pixels = pixels.reshape(frame.height, frame.width, count)
    return [np.ascontiguousarray(pixels[..., component], dtype=layout.dtype) for component in order]


def _unpack_semi_planar(frame: Any, layout: PlaneLayout, *, shift: int, u: int) -> list[Array]:
    """Sort luma and pairs of chroma; ``u`` is the place of U in a pair, ``shift`` the unused low bits."""
    rows, columns = layout.plane_shape(1, frame.width, frame.height)
    luma = view_plane(frame.planes[0], layout.dtype, (frame.height, frame.width))
    pairs = view_plane(frame.planes[1], layout.dtype, (rows, 2 * columns)).reshape(rows, columns, 2)
    planes = [np.ascontiguousarray(part) for part in (luma, pairs[..., u], pairs[..., 1 - u])]
    return [plane >> shift for plane in planes] if shift else planes


def _unpack_yuv422(frame: Any, layout: PlaneLayout, *, y: int, u: int, v: int) -> list[Array]:
    """Sort groups of four bytes for two pixels; ``y``, ``u`` and ``v`` are the places of the first of each."""
    half = layout.plane_shape(1, frame.width, frame.height)[1]
    groups = view_plane(frame.planes[0], np.uint8, (frame.height, 4 * half)).reshape(frame.height, half, 4)
    luma = groups[..., [y, y + 2]].reshape(frame.height, 2 * half)[:, : frame.width]
    return [np.ascontiguousarray(part) for part in (luma, groups[..., u], groups[..., v])]


def _unpack_palette(frame: Any, layout: PlaneLayout) -> list[Array]:
    """Look up the colours of a palette of 32-bit words, from high to low byte A R G B."""
    palette = np.frombuffer(frame.planes[1], np.uint8).view("<u4")[:256]
    pixels = palette[view_plane(frame.planes[0], np.uint8, (frame.height, frame.width))]
    return [((pixels >> shift) & 255).astype(layout.dtype) for shift in (8, 0, 16, 24)]


def _unpack_by_ffmpeg(frame: Any, layout: PlaneLayout) -> list[Array]:
    """Let FFmpeg convert: for bit maps, floats, big-endian planes and formats without a rule."""
    return view_planes(frame.reformat(format=layout.pix_fmt), layout)


def _make_interleaved_rule(planar: str, dtype: str, count: int, order: tuple[int, ...]) -> UnpackRule:
    return UnpackRule(planar, partial(_unpack_interleaved, dtype=dtype, count=count, order=order))


def _make_semi_planar_rule(planar: str, shift: int = 0, *, u: int = 0) -> UnpackRule:
    return UnpackRule(planar, partial(_unpack_semi_planar, shift=shift, u=u))


def _make_yuv422_rule(y: int, u: int, v: int) -> UnpackRule:
    return UnpackRule("yuv422p", partial(_unpack_yuv422, y=y, u=u, v=v))


UNPACK_RULES: dict[str, UnpackRule] = {
    # RGB: planar format, type of a component, components of a pixel, component of each plane G, B, R, A.
    "rgb24": _make_interleaved_rule("gbrp", "u1", 3, (1, 2, 0)),
    "bgr24": _make_interleaved_rule("gbrp", "u1", 3, (1, 0, 2)),
    "rgb0": _make_interleaved_rule("gbrp", "u1", 4, (1, 2, 0)),
    "bgr0": _make_interleaved_rule("gbrp", "u1", 4, (1, 0, 2)),
    "0rgb": _make_interleaved_rule("gbrp", "u1", 4, (2, 3, 1)),
    "0bgr": _make_interleaved_rule("gbrp", "u1", 4, (2, 1, 3)),
    "rgba": _make_interleaved_rule("gbrap", "u1", 4, (1, 2, 0, 3)),
    "bgra": _make_interleaved_rule("gbrap", "u1", 4, (1, 0, 2, 3)),
    "argb": _make_interleaved_rule("gbrap", "u1", 4, (2, 3, 1, 0)),
    "abgr": _make_interleaved_rule("gbrap", "u1", 4, (2, 1, 3, 0)),
    "rgb48le": _make_interleaved_rule("gbrp16le", "<u2", 3, (1, 2, 0)),
    "rgb48be": _make_interleaved_rule("gbrp16le", ">u2", 3, (1, 2, 0)),
    "bgr48le": _make_interleaved_rule("gbrp16le", "<u2", 3, (1, 0, 2)),
    "bgr48be": _make_interleaved_rule("gbrp16le", ">u2", 3, (1, 0, 2)),
    "rgba64le": _make_interleaved_rule("gbrap16le", "<u2", 4, (1, 2, 0, 3)),
    "rgba64be": _make_interleaved_rule("gbrap16le", ">u2", 4, (1, 2, 0, 3)),
    "bgra64le": _make_interleaved_rule("gbrap16le", "<u2", 4, (1, 0, 2, 3)),
    "bgra64be": _make_interleaved_rule("gbrap16le", ">u2", 4, (1, 0, 2, 3)),
    # Grey with opacity.
    "ya8": _make_interleaved_rule("gbrap", "u1", 2, (0, 0, 0, 1)),
    "ya16le": _make_interleaved_rule("gbrap16le", "<u2", 2, (0, 0, 0, 1)),
    "ya16be": _make_interleaved_rule("gbrap16le", ">u2", 2, (0, 0, 0, 1)),
    # Luma, and chroma in pairs: planar format, unused low bits, place of U.
    "nv12": _make_semi_planar_rule("yuv420p"),
    "nv21": _make_semi_planar_rule("yuv420p", u=1),
    "nv16": _make_semi_planar_rule("yuv422p"),
    "nv24": _make_semi_planar_rule("yuv444p"),
    "nv42": _make_semi_planar_rule("yuv444p", u=1),
    "nv20le": _make_semi_planar_rule("yuv422p10le"),
    "p010le": _make_semi_planar_rule("yuv420p10le", 6),
    "p012le": _make_semi_planar_rule("yuv420p12le", 4),
    "p016le": _make_semi_planar_rule("yuv420p16le"),
    "p210le": _make_semi_planar_rule("yuv422p10le", 6),
    "p216le": _make_semi_planar_rule("yuv422p16le"),
    "p410le": _make_semi_planar_rule("yuv444p10le", 6),
    "p416le": _make_semi_planar_rule("yuv444p16le"),
    # Two pixels in four bytes: places of the first luma, U and V.
    "yuyv422": _make_yuv422_rule(0, 1, 3),
    "uyvy422": _make_yuv422_rule(1, 0, 2),
    "yvyu422": _make_yuv422_rule(0, 3, 1),
    # Palettes and bit maps.
    "pal8": UnpackRule("gbrap", _unpack_palette),
    "monob": UnpackRule("gray", _unpack_by_ffmpeg),
    "monow": UnpackRule("gray", _unpack_by_ffmpeg),
}


@lru_cache(maxsize=256)
def unpack_rule(pix_fmt: str) -> UnpackRule:
    """Return how a format that is not planar is sorted into planes."""
    return UNPACK_RULES.get(pix_fmt) or UnpackRule(_nearest_planar(pix_fmt), _unpack_by_ffmpeg)


def _nearest_planar(pix_fmt: str) -> str:
    """Return the planar format that keeps most of a format without a rule of its own."""
    import av

    base = pix_fmt.removesuffix("le").removesuffix("be")
    little = base + "le"
    if pix_fmt.endswith("be") and plane_layout(little) is not None:
        return little
    if "f32" in pix_fmt or "f16" in pix_fmt:
        return "gray16le" if pix_fmt.startswith("gray") else "gbrap16le" if "a" in base[3:] else "gbrp16le"
    form = av.VideoFormat(pix_fmt)
    is_deep = max((part.bits for part in form.components), default=8) > 8
    has_alpha = any(part.is_alpha for part in form.components)
    planar = ("gbrap" if has_alpha else "gbrp") if form.is_rgb else ("yuva444p" if has_alpha else "yuv444p")
    return planar + ("16le" if is_deep else "")


def planar_equivalent(pix_fmt: str) -> str:
    """Return the planar format a picture of a format has here: itself if it is planar already."""
    return pix_fmt if plane_layout(pix_fmt) is not None else unpack_rule(pix_fmt).planar


def turned_format(pix_fmt: str) -> str:
    """Return the planar format of a picture of a planar format after a quarter turn.

    4:2:2 becomes 4:4:0. Formats without a counterpart have full chroma resolution before they are turned.
    """
    layout = plane_layout(pix_fmt)
    assert layout is not None
    if layout.kind != "yuv" or layout.step[0] == layout.step[1]:
        return pix_fmt
    for digits in ("440", "422", "444"):
        candidate = re.sub(r"4\d\d", digits, pix_fmt, count=1)
        turned = plane_layout(candidate)
        if turned is not None and turned.step in (layout.step[::-1], (1, 1)):
            return candidate
    return pix_fmt


def unpack_planes(frame: Any) -> tuple[list[Array], PlaneLayout]:
    """Sort the samples of an ``av.VideoFrame`` into the planes of a planar format.

    Returns:
        Read-only planes, and their layout. The planes of a planar frame are views.
    """
    pix_fmt = frame.format.name
    layout = plane_layout(pix_fmt)
    if layout is not None:
        planes = view_planes(frame, layout)
    else:
        rule = unpack_rule(pix_fmt)
        layout = plane_layout(rule.planar)
        assert layout is not None
        planes = rule.unpack(frame, layout)
    for plane in planes:
        plane.flags.writeable = False
    return planes, layout
