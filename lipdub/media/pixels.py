"""Pictures in their own pixel format: exact colour conversion of a box, and patching of a box alone.

A :class:`Picture` keeps the decoder's planes untouched. Only :meth:`Picture.patched` makes new samples, and
only where the weight is not zero, so everything else stays what was decoded, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import cv2
import numpy as np

from lipdub.media.colour import LUMA_WEIGHTS, YCGCO, ColourTags, default_matrix, yuv_matrix
from lipdub.media.pixel_formats import PlaneLayout, plane_layout, unpack_planes, view_plane

Box = tuple[int, int, int, int]


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
        return [orient(plane, self.turns, self.mirrored) for plane in self.coded]

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
        if raw == YCGCO or raw in LUMA_WEIGHTS:
            return raw
        return default_matrix(self.width, self.height)

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
        planes = tuple(view_plane(plane, np.uint8, (size[1], size[0])) for plane in shrunk.planes)
        if self.kind == "yuv":
            # OpenCV's fixed point is within one level, and a hundred times as fast as floats.
            to_rgb, _ = yuv_matrix(self._matrix, self.colour.full_range, 8, 255.0)
            image = cv2.transform(cv2.merge(planes), to_rgb)
        else:
            image = Picture(planes, layout, self.colour).rgb()
        return np.ascontiguousarray(orient(image, self.turns, self.mirrored))

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
            red, blue = LUMA_WEIGHTS[6]
            luma = np.array([[red, 1.0 - red - blue, blue]], dtype=np.float32)
            new = [(cv2.transform(colours, luma) - offset) / gain]
        planes = list(self.coded)
        turned: dict[int, np.ndarray] = {}
        for index in range(len(new)):
            planes[index] = self.coded[index].copy()
            turned[index] = orient(planes[index], self.turns, self.mirrored)
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
            view_plane(plane, values.dtype, values.shape)[:] = values
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


def orient(plane: np.ndarray, turns: int, mirrored: bool) -> np.ndarray:
    """A view of a coded plane in display orientation."""
    turned = np.rot90(plane, turns) if turns % 4 else plane
    return turned[:, ::-1] if mirrored else turned


def picture_from_frame(frame: Any, colour: ColourTags, turns: int = 0, mirrored: bool = False) -> Picture:
    """A picture of a decoded ``av.VideoFrame``, without copying planar formats; packed and semi-planar ones are
    sorted into the equivalent planar format, losslessly.
    """
    layout = plane_layout(frame.format.name)
    if layout is None:
        coded, layout = unpack_planes(frame)
        frame = None
    else:
        coded = []
        height, width = frame.height, frame.width
        for index, plane in enumerate(frame.planes):
            step_x, step_y = layout.steps(index)
            view = view_plane(plane, layout.dtype, (-(-height // step_y), -(-width // step_x)))
            view.flags.writeable = False
            coded.append(view)
    return Picture(tuple(coded), layout, colour, turns, mirrored, frame)


def to_eight_bits(rgb: np.ndarray) -> np.ndarray:
    """A picture of uint8 or uint16 as uint8."""
    return ((rgb.astype(np.uint32) + 128) // 257).astype(np.uint8) if rgb.dtype == np.uint16 else rgb
