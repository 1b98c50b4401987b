"""Pictures in their own pixel format: exact colour conversion of a box, and patching of a box alone.

A :class:`Picture` keeps the decoder's planes untouched. Only :meth:`Picture.patched` makes new samples, and
only where the weight is not zero, so everything else stays what was decoded, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

Box = tuple[int, int, int, int]

# Luma weights (Kr, Kb) of the matrices that have them, by the number H.273 gives them.
_LUMA_WEIGHTS = {
    1: (0.2126, 0.0722),  # BT.709
    4: (0.30, 0.11),  # FCC
    5: (0.299, 0.114),  # BT.470 BG (BT.601, 625 lines)
    6: (0.299, 0.114),  # SMPTE 170M (BT.601, 525 lines)
    7: (0.212, 0.087),  # SMPTE 240M
    9: (0.2627, 0.0593),  # BT.2020, non constant luminance
    10: (0.2627, 0.0593),  # BT.2020, constant luminance: read as the above, as players do
}
_YCGCO = 8
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
        step = (_step(form.chroma_width), _step(form.chroma_height))
    return PlaneLayout(pix_fmt, kind, depth, step, any(part.is_alpha for part in parts))


def _step(chroma_size: Any) -> int:
    return 64 // int(chroma_size(64))


def by_size(width: int, height: int) -> int:
    """The matrix players assume for an untagged picture: BT.709 for high definition, BT.601 below."""
    return 1 if max(width, height) >= 1280 or min(width, height) > 576 else 6


@lru_cache(maxsize=64)
def yuv_matrix(matrix: int, full_range: bool, depth: int, scale: float) -> tuple[np.ndarray, np.ndarray]:
    """Affine maps (3x4, float32) between code values and RGB in 0..``scale``: (RGB from YUV, YUV from RGB)."""
    if matrix == _YCGCO:
        forward = np.array([[0.25, 0.5, 0.25], [-0.25, 0.5, -0.25], [0.5, 0.0, -0.5]])
    else:
        red, blue = _LUMA_WEIGHTS.get(matrix, _LUMA_WEIGHTS[1])
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


@dataclass(frozen=True)
class Picture:
    """One picture in its own pixel format.

    ``coded`` are the planes as coded (read-only views or arrays, uint8 or little-endian uint16), in the order
    of the pixel format: Y U V [A], G B R [A] or Y [A]. ``turns`` counterclockwise quarter turns, then a left
    to right flip if ``mirrored``, bring them to display orientation. ``planes`` are the views so turned.
    """

    coded: tuple[np.ndarray, ...]
    layout: PlaneLayout
    colour: ColourTags
    turns: int = 0
    mirrored: bool = False
    frame: Any = field(default=None, repr=False, compare=False)

    # -- facts

    @property
    def pix_fmt(self) -> str:
        return self.layout.pix_fmt

    @property
    def kind(self) -> str:
        """'yuv', 'rgb' or 'gray'."""
        return self.layout.kind

    @property
    def depth(self) -> int:
        """Bits of one sample."""
        return self.layout.depth

    @cached_property
    def planes(self) -> list[np.ndarray]:
        """The planes in display orientation: views of the coded ones."""
        return [oriented(plane, self.turns, self.mirrored) for plane in self.coded]

    @property
    def width(self) -> int:
        """Display columns."""
        return int(self.planes[0].shape[1])

    @property
    def height(self) -> int:
        """Display rows."""
        return int(self.planes[0].shape[0])

    @property
    def sub(self) -> list[tuple[int, int]]:
        """Luma columns and rows per sample of each plane, in display orientation."""
        steps = [self.layout.steps(index) for index in range(len(self.coded))]
        return [(y, x) if self.turns % 2 else (x, y) for x, y in steps]

    @property
    def scale(self) -> float:
        """The top of the RGB values :meth:`rgb` gives: 255, or 65535 for more than 8 bits."""
        return 255.0 if self.depth <= 8 else 65535.0

    @cached_property
    def _matrix(self) -> int:
        raw = self.colour.matrix_raw
        if raw == _YCGCO or raw in _LUMA_WEIGHTS:
            return raw
        return by_size(self.width, self.height)

    @cached_property
    def _offsets(self) -> tuple[float, float]:
        """Where, in luma columns and rows of the display, the first chroma sample lies."""
        step_x, step_y = self.layout.step
        x = 0.0 if not self.colour.centred_chroma or step_x == 1 else (step_x - 1) / 2.0
        y = (step_y - 1) / 2.0
        if step_x > 2:
            x = (step_x - 1) / 2.0
        coded = self.coded[0].shape
        chroma = self.coded[1].shape
        flip_x = (coded[1] - 1) - step_x * (chroma[1] - 1) - x
        flip_y = (coded[0] - 1) - step_y * (chroma[0] - 1) - y
        x, y = {0: (x, y), 1: (y, flip_x), 2: (flip_x, flip_y), 3: (flip_y, x)}[self.turns % 4]
        if self.mirrored:
            step, _ = self.sub[1]
            x = (self.width - 1) - step * (self.planes[1].shape[1] - 1) - x
        return x, y

    def _clip(self, box: Box | None) -> Box:
        if box is None:
            return 0, 0, self.width, self.height
        x0, y0, x1, y1 = box
        if not (0 <= x0 < x1 <= self.width and 0 <= y0 < y1 <= self.height):
            raise ValueError(f"box {box} is empty or not inside {self.width}x{self.height}")
        return x0, y0, x1, y1

    # -- reading

    def rgb(self, box: Box | None = None) -> np.ndarray:
        """RGB of a box (the whole picture by default): (h, w, 3) uint8, or uint16 over 0..65535 for pictures
        of more than 8 bits. Matrix and range are the picture's own, chroma is interpolated linearly.
        """
        x0, y0, x1, y1 = self._clip(box)
        kind = cv2.CV_8U if self.depth <= 8 else cv2.CV_16U
        if self.kind == "yuv":
            planes = [np.ascontiguousarray(self.planes[0][y0:y1, x0:x1])]
            planes += [self._chroma_box(self.planes[i], (x0, y0, x1, y1)) for i in (1, 2)]
            to_rgb, _ = yuv_matrix(self._matrix, self.colour.full_range, self.depth, self.scale)
            merged = cv2.merge([plane.astype(np.float32, copy=False) for plane in planes])
            return cv2.add(cv2.transform(merged, to_rgb), 0.0, dtype=kind)
        box_planes = [np.ascontiguousarray(plane[y0:y1, x0:x1]) for plane in self.planes]
        if self.kind == "gray":
            level = self._stretch(box_planes[0])
            return cv2.merge([level, level, level])
        green, blue, red = (self._stretch(plane) for plane in box_planes[:3])
        return cv2.merge([red, green, blue])

    def _stretch(self, plane: np.ndarray) -> np.ndarray:
        """Code values of an RGB or grey plane over 0..scale."""
        gain, offset = self._levels()
        if gain == 1.0 and offset == 0.0:
            return plane
        kind = cv2.CV_8U if self.depth <= 8 else cv2.CV_16U
        return cv2.add(plane.astype(np.float32) * np.float32(gain) + np.float32(offset), 0.0, dtype=kind)

    def _levels(self) -> tuple[float, float]:
        """Gain and offset from code values of an RGB or grey plane to 0..scale. Grey is of full range unless
        tagged limited; so is RGB.
        """
        if self.colour.range_raw == 1:
            unit = float(1 << (self.depth - 8))
            return self.scale / (219.0 * unit), -16.0 / 219.0 * self.scale
        return self.scale / ((1 << self.depth) - 1), 0.0

    def _chroma_box(self, plane: np.ndarray, box: Box) -> np.ndarray:
        """A chroma plane at luma resolution inside ``box``: float32, linear between sample positions."""
        x0, y0, x1, y1 = box
        step_x, step_y = self.sub[1]
        if (step_x, step_y) == (1, 1):
            return np.ascontiguousarray(plane[y0:y1, x0:x1])
        off_x, off_y = self._offsets
        # The samples that matter: those around the box, one more on each side for the interpolation.
        left, right = max(x0 // step_x - 1, 0), min((x1 - 1) // step_x + 2, plane.shape[1])
        top, bottom = max(y0 // step_y - 1, 0), min((y1 - 1) // step_y + 2, plane.shape[0])
        part = plane[top:bottom, left:right].astype(np.float32)
        warp = np.array(
            [
                [1.0 / step_x, 0.0, (x0 - off_x) / step_x - left],
                [0.0, 1.0 / step_y, (y0 - off_y) / step_y - top],
            ],
            dtype=np.float64,
        )
        return cv2.warpAffine(
            part,
            warp,
            (x1 - x0, y1 - y0),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )

    def rgb_small(self, width: int) -> np.ndarray:
        """The whole picture as uint8 RGB of about ``width`` columns (never enlarged), aspect of samples kept:
        quick, and without a shift, so that what is found in it is in place.
        """
        width = max(2, min(int(width), self.width))
        height = max(2, round(self.height * width / self.width))
        size = (height, width) if self.turns % 2 else (width, height)
        target = {"yuv": "yuv444p", "rgb": "gbrp", "gray": "gray"}[self.kind]
        layout = plane_layout(target)
        assert layout is not None
        codes = 2 if self.colour.full_range else 1
        frame = self.frame if self.frame is not None else self.to_frame()
        shrunk = frame.reformat(
            width=size[0],
            height=size[1],
            format=target,
            interpolation="BILINEAR",
            src_color_range=codes,
            dst_color_range=codes,
        )
        planes = tuple(plane_view(plane, np.uint8, (size[1], size[0])) for plane in shrunk.planes)
        if self.kind == "yuv":
            # OpenCV's fixed point is within one level, and a hundred times as fast as floats.
            to_rgb, _ = yuv_matrix(self._matrix, self.colour.full_range, 8, 255.0)
            image = cv2.transform(cv2.merge(planes), to_rgb)
        else:
            image = Picture(planes, layout, self.colour).rgb()
        return np.ascontiguousarray(oriented(image, self.turns, self.mirrored))

    # -- patching

    def patched(self, box: Box, rgb: np.ndarray, weight: np.ndarray, base: np.ndarray | None = None) -> Picture:
        """A new picture in which, inside ``box``, each sample is ``src + weight * (new - src)``, rounded.

        With ``base`` (what :meth:`rgb` gave for the box) ``new - src`` is what ``rgb - base`` comes to in the
        picture's own samples: where both are equal nothing changes at all, not even by rounding, and grain and
        chroma detail that RGB does not carry stay.

        ``rgb`` is (h, w, 3), float32, uint8 or uint16, on the scale of :meth:`rgb`; ``weight`` (h, w) float32 in
        0..1. Samples of weight 0 (for chroma: whose whole footprint has weight 0) and the alpha plane keep
        their value bit for bit. Planes that do not change are shared, not copied.
        """
        x0, y0, x1, y1 = self._clip(box)
        if rgb.shape[:2] != (y1 - y0, x1 - x0) or weight.shape[:2] != rgb.shape[:2]:
            raise ValueError(f"box {box} does not fit rgb {rgb.shape} and weight {weight.shape}")
        weight = np.ascontiguousarray(weight, dtype=np.float32)
        colours = np.ascontiguousarray(rgb, dtype=np.float32)
        relative = base is not None
        if relative:
            colours = cv2.subtract(colours, np.ascontiguousarray(base, dtype=np.float32))
        if self.kind == "yuv":
            _, to_yuv = yuv_matrix(self._matrix, self.colour.full_range, self.depth, self.scale)
            new = cv2.split(cv2.transform(colours, to_yuv[:, :3] if relative else to_yuv))
        elif self.kind == "rgb":
            gain, offset = self._levels()
            offset = 0.0 if relative else offset
            new = [(colours[..., channel] - offset) / gain for channel in (1, 2, 0)]
        else:
            gain, offset = self._levels()
            offset = 0.0 if relative else offset
            red, blue = _LUMA_WEIGHTS[6]
            luma = np.array([[red, 1.0 - red - blue, blue]], dtype=np.float32)
            new = [(cv2.transform(colours, luma) - offset) / gain]
        planes = list(self.coded)
        turned: dict[int, np.ndarray] = {}
        for index in range(len(new)):
            planes[index] = self.coded[index].copy()
            turned[index] = oriented(planes[index], self.turns, self.mirrored)
        split_chroma = self.kind == "yuv" and self.sub[1] != (1, 1)
        for index in range(1 if split_chroma else len(new)):
            self._blend(turned[index][y0:y1, x0:x1], new[index], weight, relative)
        if split_chroma:
            self._blend_chroma(turned, (x0, y0, x1, y1), new[1], new[2], weight, relative)
        for plane in planes:
            plane.flags.writeable = False
        return Picture(tuple(planes), self.layout, self.colour, self.turns, self.mirrored)

    def _blend(self, target: np.ndarray, new: np.ndarray, weight: np.ndarray, relative: bool) -> None:
        source = target.astype(np.float32)
        mixed = new if relative else cv2.subtract(new, source)
        mixed = cv2.multiply(mixed, weight, dst=mixed)
        self._store(target, cv2.add(mixed, source, dst=mixed), weight)

    def _store(self, target: np.ndarray, mixed: np.ndarray, weight: np.ndarray) -> None:
        if self.depth <= 8:
            values = cv2.add(mixed, 0.0, dtype=cv2.CV_8U)
        else:
            values = cv2.add(cv2.min(mixed, float((1 << self.depth) - 1)), 0.0, dtype=cv2.CV_16U)
        np.copyto(target, values.reshape(target.shape), where=weight > 0)

    def _chroma_span(self, box: Box) -> tuple[Box, Box]:
        """The chroma samples a box of luma can change, and the luma box that holds their whole footprint."""
        x0, y0, x1, y1 = box
        step_x, step_y = self.sub[1]
        rows, columns = self.planes[1].shape
        chroma = (
            max(x0 // step_x - 1, 0),
            max(y0 // step_y - 1, 0),
            min((x1 - 1) // step_x + 2, columns),
            min((y1 - 1) // step_y + 2, rows),
        )
        luma = (
            max(chroma[0] * step_x - step_x, 0),
            max(chroma[1] * step_y - step_y, 0),
            min(chroma[2] * step_x + step_x, self.width),
            min(chroma[3] * step_y + step_y, self.height),
        )
        return chroma, luma

    def _gather(self, values: np.ndarray, chroma: Box, luma: Box) -> np.ndarray:
        """Means of ``values`` (given over the luma box) over the footprint of each chroma sample."""
        step_x, step_y = self.sub[1]
        off_x, off_y = self._offsets
        kernel_x, first_x = _footprint(step_x, off_x)
        kernel_y, first_y = _footprint(step_y, off_y)
        # sepFilter2D with the anchor at the kernel's first tap: result[i] = sum kernel[k] * values[i + k].
        # Room on each side lets every footprint start inside the array; at the picture's edge it repeats.
        room = 2 * max(step_x, step_y)
        padded = cv2.copyMakeBorder(values, room, room, room, room, cv2.BORDER_REPLICATE)
        means = cv2.sepFilter2D(padded, cv2.CV_32F, kernel_x, kernel_y, anchor=(0, 0))
        start_x = chroma[0] * step_x + first_x - luma[0] + room
        start_y = chroma[1] * step_y + first_y - luma[1] + room
        count_x, count_y = chroma[2] - chroma[0], chroma[3] - chroma[1]
        return means[
            start_y : start_y + (count_y - 1) * step_y + 1 : step_y,
            start_x : start_x + (count_x - 1) * step_x + 1 : step_x,
        ]

    def _blend_chroma(
        self,
        turned: dict[int, np.ndarray],
        box: Box,
        new_u: np.ndarray,
        new_v: np.ndarray,
        weight: np.ndarray,
        relative: bool,
    ) -> None:
        chroma, luma = self._chroma_span(box)
        # Weighted means: colours outside the box, or of weight 0, have no say in a chroma sample.
        parts = np.zeros((luma[3] - luma[1], luma[2] - luma[0], 3), dtype=np.float32)
        inner = parts[box[1] - luma[1] : box[3] - luma[1], box[0] - luma[0] : box[2] - luma[0]]
        inner[:] = cv2.merge([weight, cv2.multiply(new_u, weight), cv2.multiply(new_v, weight)])
        means = self._gather(parts, chroma, luma)
        share = np.ascontiguousarray(means[..., 0])
        keep = np.ones_like(share) if relative else 1.0 - share
        for index in (1, 2):
            target = turned[index][chroma[1] : chroma[3], chroma[0] : chroma[2]]
            mixed = target.astype(np.float32) * keep + means[..., index]
            self._store(target, mixed, share)

    def luma_mask_untouched(self, box: Box, weight: np.ndarray) -> list[np.ndarray]:
        """Per plane (display orientation) a boolean array: True where :meth:`patched` with this box and weight
        must leave the sample as it is.
        """
        box = self._clip(box)
        x0, y0, x1, y1 = box
        masks = [np.ones(plane.shape, dtype=bool) for plane in self.planes]
        colour_planes = len(masks) - self.layout.alpha
        for index in range(colour_planes):
            if self.sub[index] == (1, 1):
                masks[index][y0:y1, x0:x1] = ~(weight > 0)
            else:
                chroma, luma = self._chroma_span(box)
                touched = np.zeros((luma[3] - luma[1], luma[2] - luma[0]), dtype=np.float32)
                touched[y0 - luma[1] : y1 - luma[1], x0 - luma[0] : x1 - luma[0]] = weight > 0
                masks[index][chroma[1] : chroma[3], chroma[0] : chroma[2]] = ~(self._gather(touched, chroma, luma) > 0)
        return masks

    # -- leaving

    def to_frame(self) -> Any:
        """The picture as a new ``av.VideoFrame`` in coded orientation, tagged with its range and matrix."""
        import av

        frame = av.VideoFrame(self.coded[0].shape[1], self.coded[0].shape[0], self.pix_fmt)
        for plane, values in zip(frame.planes, self.coded, strict=True):
            plane_view(plane, values.dtype, values.shape)[:] = values
        frame.color_range = self.colour.range_raw
        frame.colorspace = self.colour.matrix_raw
        frame.color_primaries = self.colour.primaries_raw
        frame.color_trc = self.colour.transfer_raw
        return frame

    def converted(self, pix_fmt: str, colour: ColourTags) -> Picture:
        """The same picture in another planar pixel format, through RGB unless only the depth or the opacity
        differs; opacity is kept where there is room for it. For encoders that do not take the source's own
        format.
        """
        layout = plane_layout(pix_fmt)
        if layout is None:
            raise ValueError(f"{pix_fmt} is not a planar format")
        if (layout.kind, layout.step) == (self.kind, self.layout.step) and colour.full_range == self.colour.full_range:
            planes = [self._redepth(index, layout) for index in range(layout.planes - layout.alpha)]
            if layout.alpha:
                planes.append(self._alpha_as(layout))
            return Picture(tuple(planes), layout, colour, self.turns, self.mirrored)
        upright = Picture(self.coded, self.layout, self.colour)
        height, width = self.coded[0].shape
        planes = []
        for index in range(layout.planes):
            step_x, step_y = layout.steps(index)
            planes.append(np.zeros((-(-height // step_y), -(-width // step_x)), dtype=layout.dtype))
        if layout.alpha:
            planes[-1] = self._alpha_as(layout)
        blank = Picture(tuple(planes), layout, colour)
        rgb = upright.rgb().astype(np.float32) * np.float32(blank.scale / upright.scale)
        filled = blank.patched((0, 0, width, height), rgb, np.ones((height, width), np.float32))
        return Picture(filled.coded, layout, colour, self.turns, self.mirrored)

    def _redepth(self, index: int, layout: PlaneLayout) -> np.ndarray:
        """A coded plane at another depth: levels keep their place, the top of full range stays the top."""
        if layout.depth == self.depth:
            return self.coded[index]
        factor = 2.0 ** (layout.depth - self.depth)
        if self.kind != "yuv" or self.colour.full_range:
            factor = ((1 << layout.depth) - 1) / ((1 << self.depth) - 1)
        values = np.rint(self.coded[index] * np.float32(factor))
        return np.minimum(values, (1 << layout.depth) - 1).astype(layout.dtype)

    def _alpha_as(self, layout: PlaneLayout) -> np.ndarray:
        """The coded opacity at the depth of ``layout``; opaque if there is none."""
        top = (1 << layout.depth) - 1
        if not self.layout.alpha:
            return np.full(self.coded[0].shape, top, dtype=layout.dtype)
        values = self.coded[-1] * np.float32(top / ((1 << self.depth) - 1))
        return np.rint(values).astype(layout.dtype)


def _footprint(step: int, offset: float) -> tuple[np.ndarray, int]:
    """Kernel over the luma samples a chroma sample at ``offset`` averages (a box ``step`` wide about it), and
    the position of its first tap relative to ``step`` times the sample's index.
    """
    first = int(np.floor(offset - step / 2 + 0.5))
    last = int(np.ceil(offset + step / 2 - 0.5))
    taps = np.arange(first, last + 1, dtype=np.float64)
    low = np.maximum(taps - 0.5, offset - step / 2)
    high = np.minimum(taps + 0.5, offset + step / 2)
    kernel = np.maximum(high - low, 0.0)
    return (kernel / kernel.sum()).astype(np.float32), first


def oriented(plane: np.ndarray, turns: int, mirrored: bool) -> np.ndarray:
    """A view of a coded plane in display orientation."""
    turned = np.rot90(plane, turns) if turns % 4 else plane
    return turned[:, ::-1] if mirrored else turned


def plane_view(plane: Any, dtype: Any, shape: Sequence[int]) -> np.ndarray:
    """A numpy view of an ``av`` video plane, without its padding."""
    width = np.dtype(dtype).itemsize
    rows = np.frombuffer(plane, np.uint8).reshape(-1, plane.line_size)[: shape[0]]
    return rows[:, : shape[1] * width].view(dtype)


def picture_from_frame(frame: Any, colour: ColourTags, turns: int = 0, mirrored: bool = False) -> Picture:
    """A picture of a decoded ``av.VideoFrame``, without copying planar formats; packed and semi-planar ones are
    sorted into the equivalent planar format, losslessly.
    """
    layout = plane_layout(frame.format.name)
    if layout is None:
        coded, layout = _planar(frame)
        frame = None
    else:
        coded = []
        height, width = frame.height, frame.width
        for index, plane in enumerate(frame.planes):
            step_x, step_y = layout.steps(index)
            view = plane_view(plane, layout.dtype, (-(-height // step_y), -(-width // step_x)))
            view.flags.writeable = False
            coded.append(view)
    return Picture(tuple(coded), layout, colour, turns, mirrored, frame)


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


def _planar(frame: Any) -> tuple[list[np.ndarray], PlaneLayout]:
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
            planes.append(plane_view(plane, layout.dtype, (-(-height // step_y), -(-width // step_x))))
    for plane in planes:
        plane.flags.writeable = False
    return planes, layout
