"""Pixel formats."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True)
class PlaneLayout:
    """What the planes of a pixel format hold. ``kind`` is 'yuv', 'rgb' (planes G, B, R) or 'gray'; ``step``
    the luma columns and rows per chroma sample; ``alpha`` whether a last plane of opacity follows.
    """

    pix_fmt: str
    kind: str
    depth: int
    step: tuple[int, int]
    alpha: bool

    @property
    def planes(self) -> int:
        return (1 if self.kind == "gray" else 3) + self.alpha

    @property
    def dtype(self) -> type:
        return np.uint8 if self.depth <= 8 else np.uint16

    def steps(self, plane: int) -> tuple[int, int]:
        """Luma columns and rows per sample of a plane."""
        return self.step if self.kind == "yuv" and plane in (1, 2) else (1, 1)


@lru_cache(maxsize=256)
def plane_layout(pix_fmt: str) -> PlaneLayout | None:
    """Layout of a planar, little-endian integer pixel format; None for any other."""
    import av

    name = pix_fmt.replace("yuvj", "yuv")
    if not name.startswith(("yuv", "gbr", "gray")) or name.endswith("be") or "f" in name[3:].replace("gray", ""):
        return None
    try:
        form = av.VideoFormat(name)
    except ValueError:
        return None
    parts = form.components
    if len({part.plane for part in parts}) != len(parts) or len({part.bits for part in parts}) != 1:
        return None
    depth = parts[0].bits
    if depth < 8 or depth > 16:
        return None
    kind = "rgb" if name.startswith("gbr") else "gray" if name.startswith("gray") else "yuv"
    step = (1, 1)
    if kind == "yuv":
        # FFmpeg's own rounding rule tells the step: how many luma columns share one sample.
        step = (_chroma_step(form.chroma_width), _chroma_step(form.chroma_height))
    return PlaneLayout(pix_fmt, kind, depth, step, any(part.is_alpha for part in parts))


def _chroma_step(chroma_size: Any) -> int:
    return 64 // int(chroma_size(64))


def view_plane(plane: Any, dtype: Any, shape: Sequence[int]) -> np.ndarray:
    """A numpy view of an ``av`` video plane, without its padding."""
    width = np.dtype(dtype).itemsize
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: shape[0]]
    return rows[:, : shape[1] * width].view(dtype)


# Where the components of packed 8 bit formats lie: order of bytes -> planes G B R [A].
_PACKED = {
    "rgb24": (3, (1, 2, 0)),
    "bgr24": (3, (1, 0, 2)),
    "rgba": (4, (1, 2, 0, 3)),
    "bgra": (4, (1, 0, 2, 3)),
    "argb": (4, (2, 3, 1, 0)),
    "abgr": (4, (2, 1, 3, 0)),
    "rgb0": (4, (1, 2, 0)),
    "bgr0": (4, (1, 0, 2)),
    "0rgb": (4, (2, 3, 1)),
    "0bgr": (4, (2, 1, 3)),
}


_PACKED_16 = {
    "rgb48": (3, (1, 2, 0)),
    "bgr48": (3, (1, 0, 2)),
    "rgba64": (4, (1, 2, 0, 3)),
    "bgra64": (4, (1, 0, 2, 3)),
}


_SEMI_PLANAR = {
    "nv12": ("yuv420p", 0),
    "nv21": ("yuv420p", 0),
    "nv16": ("yuv422p", 0),
    "nv24": ("yuv444p", 0),
    "nv42": ("yuv444p", 0),
    "p010le": ("yuv420p10le", 6),
    "p012le": ("yuv420p12le", 4),
    "p016le": ("yuv420p16le", 0),
    "p210le": ("yuv422p10le", 6),
    "p216le": ("yuv422p16le", 0),
    "p410le": ("yuv444p10le", 6),
    "p416le": ("yuv444p16le", 0),
    "nv20le": ("yuv422p10le", 0),
}


_PACKED_YUV = {"yuyv422": (0, 1, 3), "uyvy422": (1, 0, 2), "yvyu422": (0, 3, 1)}


def planar_equivalent(pix_fmt: str) -> str:
    """The planar format :func:`picture_from_frame` sorts a format into (itself if planar already)."""
    if plane_layout(pix_fmt) is not None:
        return pix_fmt
    if pix_fmt in _PACKED:
        return "gbrap" if len(_PACKED[pix_fmt][1]) == 4 else "gbrp"
    base = pix_fmt.removesuffix("le").removesuffix("be")
    if base in _PACKED_16:
        return "gbrap16le" if base.endswith("64") else "gbrp16le"
    if pix_fmt in _SEMI_PLANAR:
        return _SEMI_PLANAR[pix_fmt][0]
    if pix_fmt in _PACKED_YUV:
        return "yuv422p"
    if pix_fmt == "pal8":
        return "gbrap"
    if pix_fmt in ("ya8",):
        return "gbrap"
    if pix_fmt in ("ya16le", "ya16be"):
        return "gbrap16le"
    if pix_fmt in ("monob", "monow"):
        return "gray"
    little = base + "le"
    if pix_fmt.endswith("be") and plane_layout(little) is not None:
        return little
    if "f32" in pix_fmt or "f16" in pix_fmt:
        return "gray16le" if pix_fmt.startswith("gray") else "gbrap16le" if "a" in base[3:] else "gbrp16le"
    import av

    form = av.VideoFormat(pix_fmt)
    deep = max((part.bits for part in form.components), default=8) > 8
    alpha = any(part.is_alpha for part in form.components)
    if form.is_rgb:
        return ("gbrap" if alpha else "gbrp") + ("16le" if deep else "")
    return ("yuva444p" if alpha else "yuv444p") + ("16le" if deep else "")


def unpack_planes(frame: Any) -> tuple[list[np.ndarray], PlaneLayout]:
    name = frame.format.name
    width, height = frame.width, frame.height
    layout = plane_layout(planar_equivalent(name))
    assert layout is not None
    rows = [np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size) for plane in frame.planes]
    planes: list[np.ndarray]
    luma: np.ndarray
    pairs: np.ndarray
    base = name.removesuffix("le").removesuffix("be")
    if name in _PACKED:
        count, order = _PACKED[name]
        pixels = rows[0][:height, : count * width].reshape(height, width, count)
        planes = [np.ascontiguousarray(pixels[..., channel]) for channel in order]
    elif base in _PACKED_16:
        count, order = _PACKED_16[base]
        pixels = rows[0][:height, : 2 * count * width].view(">u2" if name.endswith("be") else "<u2")
        pixels = pixels.reshape(height, width, count)
        planes = [pixels[..., channel].astype(np.uint16) for channel in order]
    elif name in _SEMI_PLANAR:
        shift = _SEMI_PLANAR[name][1]
        kind = layout.dtype
        step_x, step_y = layout.step
        columns, lines = -(-width // step_x), -(-height // step_y)
        size = np.dtype(kind).itemsize
        luma = rows[0][:height, : width * size].view(kind)
        pairs = rows[1][:lines, : 2 * columns * size].view(kind).reshape(lines, columns, 2)
        first, second = (1, 0) if name in ("nv21", "nv42") else (0, 1)
        planes = [
            np.ascontiguousarray(part) >> shift if shift else np.ascontiguousarray(part)
            for part in (luma, pairs[..., first], pairs[..., second])
        ]
    elif name in _PACKED_YUV:
        y, u, v = _PACKED_YUV[name]
        half = -(-width // 2)
        quads = rows[0][:height, : 4 * half].reshape(height, half, 4)
        luma = quads[..., [y, y + 2]].reshape(height, 2 * half)[:, :width]
        planes = [np.ascontiguousarray(part) for part in (luma, quads[..., u], quads[..., v])]
    elif name == "ya8":
        pairs = rows[0][:height, : 2 * width].reshape(height, width, 2)
        level = np.ascontiguousarray(pairs[..., 0])
        planes = [level, level, level, np.ascontiguousarray(pairs[..., 1])]
    elif name in ("ya16le", "ya16be"):
        pairs = rows[0][:height, : 4 * width].view(">u2" if name.endswith("be") else "<u2").reshape(height, width, 2)
        level = pairs[..., 0].astype(np.uint16)
        planes = [level, level, level, pairs[..., 1].astype(np.uint16)]
    elif name == "pal8":
        palette = np.frombuffer(frame.planes[1], np.uint8).view("<u4")[:256]
        pixels = palette[rows[0][:height, :width]]
        planes = [((pixels >> shift) & 255).astype(np.uint8) for shift in (8, 0, 16, 24)]
    else:
        again = frame.reformat(format=layout.pix_fmt)
        planes = []
        for index, plane in enumerate(again.planes):
            step_x, step_y = layout.steps(index)
            planes.append(view_plane(plane, layout.dtype, (-(-height // step_y), -(-width // step_x))))
    for plane in planes:
        plane.flags.writeable = False
    return planes, layout
