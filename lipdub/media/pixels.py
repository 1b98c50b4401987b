"""Pictures in their own pixel format: exact colour conversion of a box, and patching of a box.

A :class:`Picture` keeps the decoder's planes. Only :meth:`Picture.patch` makes new samples, and only where
the weight is not zero. Everything else stays as decoded, bit for bit.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import cached_property
from threading import Lock
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from lipdub.media.colour import (
    CHROMA_PLACE_UNKNOWN,
    CHROMA_PLACES,
    DEFAULT_CHROMA_PLACE,
    LIMITED_BLACK,
    LIMITED_LUMA_SPAN,
    LUMA_WEIGHTS,
    MATRIX_BT709,
    MATRIX_RGB,
    MATRIX_SMPTE170M,
    MATRIX_YCGCO,
    RANGE_FULL,
    RANGE_LIMITED,
    ColourTags,
    default_matrix,
    turn_chroma_place,
    yuv_matrix,
)
from lipdub.media.pixel_aspect import average_cells
from lipdub.media.pixel_formats import PlaneLayout, plane_layout, turned_format, unpack_planes, view_plane

if TYPE_CHECKING:
    from lipdub.arrays import F32, U8, Array, Mask

Box = tuple[int, int, int, int]  # left, top, right, bottom; half open, in display pixels
_SWSCALE_MATRICES = (0, 1, 2, 4, 5, 6, 7, 9)  # numbers of the matrices (H.273) that FFmpeg converts
_CUBIC_MARGIN = 2  # pixels around a box that cubic interpolation reads
_NO_WEIGHT = 1e-6  # smaller weights are divided by this
_TOP_8, _TOP_16 = 255.0, 65535.0  # tops of the RGB values of pictures of 8 bits and of more


@dataclass(frozen=True)
class Picture:
    """One picture in its own pixel format.

    Attributes:
        coded: (h, w) uint8 or uint16 each, the read-only planes as coded: Y U V [A], G B R [A] or Y [A].
        layout: What the planes hold.
        colour: What the code values mean.
        turns: Counterclockwise quarter turns to display orientation.
        mirrored: Whether a left to right flip follows the turns.
        frame: The decoded ``av.VideoFrame``, if the planes are views of it.
        square_size: Columns and rows of square pixels as which the picture is shown, where its own pixels are far from
            square (`pixel_aspect`). Boxes and colours are then of these; the planes stay as coded.
    """

    coded: tuple[Array, ...]
    layout: PlaneLayout
    colour: ColourTags
    turns: int = 0
    mirrored: bool = False
    frame: Any = field(default=None, repr=False, compare=False)
    square_size: tuple[int, int] | None = None
    _scaling: Lock = field(default_factory=Lock, init=False, repr=False, compare=False)

    # -- facts

    @property
    def pix_fmt(self) -> str:
        """FFmpeg's name of the pixel format."""
        return self.layout.pix_fmt

    @property
    def kind(self) -> str:
        """'yuv', 'rgb' or 'gray'."""
        return self.layout.kind

    @property
    def depth(self) -> int:
        """Bits of a sample."""
        return self.layout.depth

    @cached_property
    def planes(self) -> list[Array]:
        """Views of the coded planes in display orientation."""
        return [orient(plane, self.turns, mirrored=self.mirrored) for plane in self.coded]

    @property
    def width(self) -> int:
        """Columns in display orientation."""
        return self.square_size[0] if self.square_size else self._columns

    @property
    def height(self) -> int:
        """Rows in display orientation."""
        return self.square_size[1] if self.square_size else self._rows

    @property
    def _columns(self) -> int:
        """Columns of the planes in display orientation."""
        return int(self.planes[0].shape[1])

    @property
    def _rows(self) -> int:
        """Rows of the planes in display orientation."""
        return int(self.planes[0].shape[0])

    @property
    def steps(self) -> list[tuple[int, int]]:
        """Luma columns and rows per sample of each plane, in display orientation."""
        steps = [self.layout.steps(index) for index in range(len(self.coded))]
        return [(y, x) if self.turns % 2 else (x, y) for x, y in steps]

    @property
    def scale(self) -> float:
        """The top of the RGB values of :meth:`rgb`: 255, or 65535 for more than 8 bits."""
        return _TOP_8 if self.depth <= 8 else _TOP_16

    @cached_property
    def _matrix(self) -> int:
        """Number of the matrix in H.273; without a tag, the picture's size decides."""
        raw = self.colour.matrix_raw
        if raw == MATRIX_YCGCO or raw in LUMA_WEIGHTS:
            return raw
        return default_matrix(self._columns, self._rows)

    def _yuv_matrix(self) -> tuple[F32, F32]:
        """Return the maps RGB from YUV and YUV from RGB of this picture: (3, 4) float32 each."""
        return yuv_matrix(self._matrix, self.depth, self.scale, full_range=self.colour.full_range)

    @cached_property
    def _offsets(self) -> tuple[float, float]:
        """Luma column and row of the first chroma sample, in display orientation."""
        step_x, step_y = self.layout.step
        share_x, share_y = CHROMA_PLACES.get(self.colour.chroma_place, CHROMA_PLACES[DEFAULT_CHROMA_PLACE])
        x, y = (step_x - 1) * share_x, (step_y - 1) * share_y
        if step_x > 2:
            x = (step_x - 1) / 2.0
        coded = self.coded[0].shape
        chroma = self.coded[1].shape
        flip_x = (coded[1] - 1) - step_x * (chroma[1] - 1) - x
        flip_y = (coded[0] - 1) - step_y * (chroma[0] - 1) - y
        x, y = {0: (x, y), 1: (y, flip_x), 2: (flip_x, flip_y), 3: (flip_y, x)}[self.turns % 4]
        if self.mirrored:
            step, _ = self.steps[1]
            x = (self._columns - 1) - step * (self.planes[1].shape[1] - 1) - x
        return x, y

    def _check_box(self, box: Box | None) -> Box:
        """Return the box, or the whole picture for None."""
        if box is None:
            return 0, 0, self.width, self.height
        x0, y0, x1, y1 = box
        if not (0 <= x0 < x1 <= self.width and 0 <= y0 < y1 <= self.height):
            raise ValueError(f"box {box} is empty or not inside {self.width}x{self.height}")
        return x0, y0, x1, y1

    # -- reading

    def rgb(self, box: Box | None = None) -> Array:
        """Convert a box to RGB by the picture's own matrix and range; chroma is interpolated linearly.

        Args:
            box: The box; the whole picture by default.

        Returns:
            (h, w, 3) uint8, or uint16 over 0..65535 for pictures of more than 8 bits.
        """
        box = self._check_box(box)
        return self._stretched_rgb(box) if self.square_size else self._coded_rgb(box)

    def _coded_rgb(self, box: Box) -> Array:
        """Convert a box of the planes to RGB."""
        x0, y0, x1, y1 = box
        if self.kind == "yuv":
            planes = [np.ascontiguousarray(self.planes[0][y0:y1, x0:x1])]
            planes += [self._upsample_chroma(self.planes[i], (x0, y0, x1, y1)) for i in (1, 2)]
            to_rgb, _ = self._yuv_matrix()
            merged = cv2.merge([plane.astype(np.float32, copy=False) for plane in planes])
            return self._round(cv2.transform(merged, to_rgb))
        box_planes = [np.ascontiguousarray(plane[y0:y1, x0:x1]) for plane in self.planes]
        if self.kind == "gray":
            level = self._stretch(box_planes[0])
            return _merge(level, level, level)
        green, blue, red = (self._stretch(plane) for plane in box_planes[:3])
        return _merge(red, green, blue)

    @property
    def _pixel_size(self) -> tuple[float, float]:
        """Columns and rows of square pixels that a pixel of the planes fills; one of both is 1."""
        return self.width / self._columns, self.height / self._rows

    def _coded_box(self, box: Box, margin: int = 0) -> Box:
        """Return the box of the planes that covers a box of square pixels, with a margin inside the picture."""
        (x0, y0, x1, y1), (across, down) = box, self._pixel_size
        left, top = max(int(x0 / across) - margin, 0), max(int(y0 / down) - margin, 0)
        right = min(int(np.ceil(x1 / across)) + margin, self._columns)
        bottom = min(int(np.ceil(y1 / down)) + margin, self._rows)
        return left, top, right, bottom

    def _stretched_rgb(self, box: Box) -> Array:
        """Convert a box of square pixels to RGB."""
        (x0, y0, x1, y1), (across, down) = box, self._pixel_size
        left, top, right, bottom = self._coded_box(box, _CUBIC_MARGIN)
        part = np.ascontiguousarray(self._coded_rgb((left, top, right, bottom)))
        # From the centres of square pixels to those of the planes' pixels.
        to_part = np.array(
            [
                [1 / across, 0, (x0 + 0.5) / across - 0.5 - left],
                [0, 1 / down, (y0 + 0.5) / down - 0.5 - top],
            ]
        )
        flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
        stretched: Array = cv2.warpAffine(
            part, to_part, (x1 - x0, y1 - y0), flags=flags, borderMode=cv2.BORDER_REPLICATE
        )
        return stretched

    def _unstretch(self, values: F32, box: Box) -> F32:
        """Average values (h, w) or (h, w, c) of a box of square pixels over the pixels of the planes it touches."""
        left, top, right, bottom = self._coded_box(box)
        across, down = self._pixel_size
        if across > 1:
            return average_cells(values, 1, box[0], (left, right), across)
        return average_cells(values, 0, box[1], (top, bottom), down)

    def _stretch(self, plane: Array) -> Array:
        """Stretch code values of an RGB or grey plane to 0..scale."""
        gain, offset = self._levels()
        if gain == 1.0 and offset == 0.0:
            return plane
        values = plane.astype(np.float32) * np.float32(gain) + np.float32(offset)
        return self._round(values)

    def _round(self, values: F32) -> Array:
        """Round values to the picture's sample type; those outside its range are clipped."""
        if values.size == 1:
            # OpenCV would take a single value for the scalar and the scalar for an array.
            dtype = np.uint8 if self.depth <= 8 else np.uint16
            return np.rint(values).clip(0, np.iinfo(dtype).max).astype(dtype)
        rounded: Array = cv2.add(values, 0.0, dtype=cv2.CV_8U if self.depth <= 8 else cv2.CV_16U)
        return rounded

    def _levels(self) -> tuple[float, float]:
        """Return gain and offset from code values of an RGB or grey plane to 0..scale.

        RGB and grey have full range unless they are tagged as limited.
        """
        if self.colour.range_raw == RANGE_LIMITED:
            unit = float(1 << (self.depth - 8))
            return self.scale / (LIMITED_LUMA_SPAN * unit), -LIMITED_BLACK / LIMITED_LUMA_SPAN * self.scale
        return self.scale / self.layout.top, 0.0

    def _upsample_chroma(self, plane: Array, box: Box) -> Array:
        """Interpolate a chroma plane to luma resolution inside a box, linearly between sample positions."""
        x0, y0, x1, y1 = box
        step_x, step_y = self.steps[1]
        if (step_x, step_y) == (1, 1):
            return np.ascontiguousarray(plane[y0:y1, x0:x1])
        off_x, off_y = self._offsets
        # The samples around the box, one more on each side for the interpolation.
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
        upsampled: F32 = cv2.warpAffine(
            part,
            warp,
            (x1 - x0, y1 - y0),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
        return upsampled

    def rgb_small(self, width: int) -> U8:
        """Shrink the whole picture to RGB of about ``width`` columns.

        This is quick and does not shift the picture, so positions found in it hold. It never enlarges square pixels.

        Args:
            width: Wanted columns in display orientation.

        Returns:
            (h, width, 3) uint8 in display orientation, of the pixel shape of :meth:`rgb`.
        """
        width = max(2, min(int(width), self.width))
        height = max(2, round(self.height * width / self.width))
        columns, rows = (height, width) if self.turns % 2 else (width, height)
        target = {"yuv": "yuv444p", "rgb": "gbrp", "gray": "gray"}[self.kind]
        layout = plane_layout(target)
        assert layout is not None
        color_range = RANGE_FULL if self.colour.full_range else RANGE_LIMITED
        frame = self.frame if self.frame is not None else self.to_frame()
        # Threads share the picture where it stands for frames that do not decode. FFmpeg would wait for itself.
        with self._scaling:
            # The matrix does not change here, so any does for a frame whose own FFmpeg refuses.
            matrix = None if int(frame.colorspace) in _SWSCALE_MATRICES else MATRIX_BT709
            small = frame.reformat(
                width=columns,
                height=rows,
                format=target,
                interpolation="BILINEAR",
                src_color_range=color_range,
                dst_color_range=color_range,
                src_colorspace=matrix,
                dst_colorspace=matrix,
            )
        planes = tuple(view_plane(plane, np.uint8, (rows, columns)) for plane in small.planes)
        if self.kind == "yuv":
            # OpenCV's fixed point is within one level, and a hundred times as fast as floats.
            to_rgb, _ = yuv_matrix(self._matrix, 8, _TOP_8, full_range=self.colour.full_range)
            image = cv2.transform(cv2.merge(planes), to_rgb)
        else:
            image = Picture(planes, layout, self.colour).rgb()
        return np.ascontiguousarray(orient(image, self.turns, mirrored=self.mirrored))

    # -- patching

    def patch(self, box: Box, rgb: Array, weight: F32, base: Array | None = None) -> Picture:
        """Return a new picture in which each sample inside ``box`` is ``src + weight * (new - src)``, rounded.

        Samples of weight 0 and the opacity keep their value bit for bit; for chroma, the whole footprint of
        the sample must have weight 0. Planes that do not change are shared.

        With ``base``, ``new - src`` is the difference ``rgb - base`` in the picture's own samples. Where both
        are equal nothing changes, not even by rounding. Grain and chroma detail that RGB lacks stay.

        Args:
            box: Where to patch.
            rgb: (h, w, 3) float32, uint8 or uint16, new colours on the scale of :meth:`rgb`.
            weight: (h, w) float32, 0..1.
            base: (h, w, 3), the result of :meth:`rgb` for the box.
        """
        x0, y0, x1, y1 = box = self._check_box(box)
        if rgb.shape[:2] != (y1 - y0, x1 - x0) or weight.shape[:2] != rgb.shape[:2]:
            raise ValueError(f"box {box} does not fit rgb {rgb.shape} and weight {weight.shape}")
        weight = np.ascontiguousarray(weight, dtype=np.float32)
        colours = np.ascontiguousarray(rgb, dtype=np.float32)
        if self.square_size and base is None:
            base = self.rgb(box)
        relative = base is not None
        if relative:
            colours = cv2.subtract(colours, np.ascontiguousarray(base, dtype=np.float32))
        if self.square_size:
            mean_weight = self._unstretch(weight, box)
            changes = self._unstretch(colours * weight[..., None], box)
            colours, weight = changes / np.maximum(mean_weight, _NO_WEIGHT)[..., None], mean_weight
            x0, y0, x1, y1 = self._coded_box(box)
        new = self._samples_of(colours, relative=relative)
        planes = list(self.coded)
        targets: dict[int, Array] = {}  # the new planes in display orientation
        for index in range(len(new)):
            planes[index] = self.coded[index].copy()
            targets[index] = orient(planes[index], self.turns, mirrored=self.mirrored)
        has_small_chroma = self.kind == "yuv" and self.steps[1] != (1, 1)
        for index in range(1 if has_small_chroma else len(new)):
            self._blend(targets[index][y0:y1, x0:x1], new[index], weight, relative=relative)
        if has_small_chroma:
            self._blend_chroma((targets[1], targets[2]), (x0, y0, x1, y1), (new[1], new[2]), weight, relative=relative)
        for plane in planes:
            plane.flags.writeable = False
        return replace(self, coded=tuple(planes), frame=None)

    def _samples_of(self, colours: F32, *, relative: bool) -> list[F32]:
        """Convert colours to code values of each plane at luma resolution.

        Args:
            colours: (h, w, 3) float32 on the scale of :meth:`rgb`.
            relative: Whether the colours are differences.
        """
        if self.kind == "yuv":
            _, to_yuv = self._yuv_matrix()
            return list(cv2.split(cv2.transform(colours, to_yuv[:, :3] if relative else to_yuv)))
        gain, offset = self._levels()
        if relative:
            offset = 0.0
        if self.kind == "rgb":
            return [(colours[..., channel] - offset) / gain for channel in (1, 2, 0)]
        red, blue = LUMA_WEIGHTS[MATRIX_SMPTE170M]
        luma = np.array([[red, 1.0 - red - blue, blue]], dtype=np.float32)
        return [(cv2.transform(colours, luma) - offset) / gain]

    def _blend(self, target: Array, new: F32, weight: F32, *, relative: bool) -> None:
        """Blend new samples into a part of a plane, in place."""
        source = target.astype(np.float32)
        mixed = new if relative else cv2.subtract(new, source)
        mixed = cv2.multiply(mixed, weight, dst=mixed)
        self._store(target, cv2.add(mixed, source, dst=mixed), weight)

    def _store(self, target: Array, mixed: F32, weight: F32) -> None:
        """Round samples into a part of a plane where the weight is not zero, in place."""
        if self.depth > 8:
            mixed = np.minimum(mixed, np.float32(self.layout.top))
        values = self._round(mixed)
        np.copyto(target, values.reshape(target.shape), where=weight > 0)

    def _chroma_span(self, box: Box) -> tuple[Box, Box]:
        """Return the chroma samples a box of luma can change, and the luma box of their whole footprint."""
        x0, y0, x1, y1 = box
        step_x, step_y = self.steps[1]
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
            min(chroma[2] * step_x + step_x, self._columns),
            min(chroma[3] * step_y + step_y, self._rows),
        )
        return chroma, luma

    def _footprint_means(self, values: F32, chroma: Box, luma: Box) -> F32:
        """Average values over the footprint of each chroma sample.

        Args:
            values: (h, w) or (h, w, c) float32 over the luma box.
            chroma: The chroma samples.
            luma: The luma box.
        """
        step_x, step_y = self.steps[1]
        off_x, off_y = self._offsets
        kernel_x, first_x = _compute_chroma_kernel(step_x, off_x)
        kernel_y, first_y = _compute_chroma_kernel(step_y, off_y)
        # sepFilter2D with the anchor at the kernel's first tap: result[i] = sum kernel[k] * values[i + k].
        # The border lets every footprint start inside the array; at the picture's edge it repeats.
        room = 2 * max(step_x, step_y)
        padded = cv2.copyMakeBorder(values, room, room, room, room, cv2.BORDER_REPLICATE)
        means: F32 = cv2.sepFilter2D(padded, cv2.CV_32F, kernel_x, kernel_y, anchor=(0, 0))
        start_x = chroma[0] * step_x + first_x - luma[0] + room
        start_y = chroma[1] * step_y + first_y - luma[1] + room
        count_x, count_y = chroma[2] - chroma[0], chroma[3] - chroma[1]
        return means[
            start_y : start_y + (count_y - 1) * step_y + 1 : step_y,
            start_x : start_x + (count_x - 1) * step_x + 1 : step_x,
        ]

    def _blend_chroma(
        self, targets: tuple[Array, Array], box: Box, new: tuple[F32, F32], weight: F32, *, relative: bool
    ) -> None:
        """Blend new U and V samples at luma resolution into small chroma planes, in place."""
        chroma, luma = self._chroma_span(box)
        # Weighted means: colours outside the box, or of weight 0, do not count.
        parts = np.zeros((luma[3] - luma[1], luma[2] - luma[0], 3), dtype=np.float32)
        inner = parts[box[1] - luma[1] : box[3] - luma[1], box[0] - luma[0] : box[2] - luma[0]]
        inner[:] = cv2.merge([weight, cv2.multiply(new[0], weight), cv2.multiply(new[1], weight)])
        means = self._footprint_means(parts, chroma, luma)
        share = np.ascontiguousarray(means[..., 0])
        keep = np.ones_like(share) if relative else 1.0 - share
        for index, plane in enumerate(targets, 1):
            target = plane[chroma[1] : chroma[3], chroma[0] : chroma[2]]
            mixed = target.astype(np.float32) * keep + means[..., index]
            self._store(target, mixed, share)

    def untouched_masks(self, box: Box, weight: F32) -> list[Mask]:
        """Return where :meth:`patch` with this box and weight must leave the samples as they are.

        Returns:
            A boolean array for each plane, in display orientation.
        """
        box = self._check_box(box)
        if self.square_size:
            weight, box = self._unstretch(weight, box), self._coded_box(box)
        x0, y0, x1, y1 = box
        masks = [np.ones(plane.shape, dtype=bool) for plane in self.planes]
        colour_planes = len(masks) - self.layout.alpha
        for index in range(colour_planes):
            if self.steps[index] == (1, 1):
                masks[index][y0:y1, x0:x1] = ~(weight > 0)
            else:
                chroma, luma = self._chroma_span(box)
                touched = np.zeros((luma[3] - luma[1], luma[2] - luma[0]), dtype=np.float32)
                touched[y0 - luma[1] : y1 - luma[1], x0 - luma[0] : x1 - luma[0]] = weight > 0
                means = self._footprint_means(touched, chroma, luma)
                masks[index][chroma[1] : chroma[3], chroma[0] : chroma[2]] = ~(means > 0)
        return masks

    # -- conversion

    def to_frame(self) -> Any:
        """Return a new ``av.VideoFrame`` in coded orientation, tagged with the picture's colours."""
        import av

        frame = av.VideoFrame(self.coded[0].shape[1], self.coded[0].shape[0], self.pix_fmt)
        for plane, values in zip(frame.planes, self.coded, strict=True):
            view_plane(plane, values.dtype, values.shape)[:] = values
        frame.color_range = self.colour.range_raw
        frame.colorspace = self.colour.matrix_raw
        frame.color_primaries = self.colour.primaries_raw
        frame.color_trc = self.colour.transfer_raw
        return frame

    def convert(self, pix_fmt: str, colour: ColourTags) -> Picture:
        """Convert to another planar pixel format, for encoders that do not accept the source's own.

        The conversion goes through RGB unless only the depth or the opacity differs. Opacity is kept if the
        format has it.

        Args:
            pix_fmt: A planar format.
            colour: Tags of the result.
        """
        layout = plane_layout(pix_fmt)
        if layout is None:
            raise ValueError(f"{pix_fmt} is not a planar format")
        if (layout.kind, layout.step) == (self.kind, self.layout.step) and colour.full_range == self.colour.full_range:
            planes = [self._redepth(index, layout) for index in range(layout.planes - layout.alpha)]
            if layout.alpha:
                planes.append(self._alpha_as(layout))
            return replace(self, coded=tuple(planes), layout=layout, colour=colour, frame=None)
        upright = Picture(self.coded, self.layout, self.colour)
        height, width = self.coded[0].shape
        planes = [np.zeros(layout.plane_shape(index, width, height), layout.dtype) for index in range(layout.planes)]
        if layout.alpha:
            planes[-1] = self._alpha_as(layout)
        blank = Picture(tuple(planes), layout, colour)
        rgb = upright.rgb().astype(np.float32) * np.float32(blank.scale / upright.scale)
        filled = blank.patch((0, 0, width, height), rgb, np.ones((height, width), np.float32))
        return replace(self, coded=filled.coded, layout=layout, colour=colour, frame=None)

    def trim(self, width: int, height: int) -> Picture:
        """Leave out the last coded columns and rows beyond a size; the same picture where there are none."""
        if self.coded[0].shape == (height, width):
            return self
        planes = []
        for index, plane in enumerate(self.coded):
            rows, columns = self.layout.plane_shape(index, width, height)
            planes.append(plane[:rows, :columns])
        return replace(self, coded=tuple(planes), frame=None, square_size=None)

    def to_upright(self) -> Picture:
        """Return the picture as it is stored when display and coded orientation are one.

        Pictures whose small chroma would lie at no common place become RGB.
        """
        rows, columns = self.coded[0].shape
        pix_fmt, colour = describe_upright(
            self.pix_fmt, self.colour, (columns, rows), self.turns, mirrored=self.mirrored
        )
        layout = plane_layout(pix_fmt)
        assert layout is not None
        planes = list(self.planes)
        if layout.kind != self.kind:
            red, green, blue = cv2.split(self._coded_rgb((0, 0, self._columns, self._rows)))
            planes = [green, blue, red]
            if layout.alpha:
                planes.append(np.rint(self.planes[-1] * (layout.top / self.layout.top)).astype(layout.dtype))
        planes = [np.ascontiguousarray(plane) for plane in planes]
        for plane in planes:
            plane.flags.writeable = False
        return Picture(tuple(planes), layout, colour, square_size=self.square_size)

    def _redepth(self, index: int, layout: PlaneLayout) -> Array:
        """Convert a coded plane to another depth; the top of full range stays the top."""
        if layout.depth == self.depth:
            return self.coded[index]
        factor = 2.0 ** (layout.depth - self.depth)
        if self.kind != "yuv" or self.colour.full_range:
            factor = layout.top / self.layout.top
        values: F32 = np.rint(self.coded[index] * np.float32(factor))
        return np.minimum(values, layout.top).astype(layout.dtype)

    def _alpha_as(self, layout: PlaneLayout) -> Array:
        """Return the coded opacity at the depth of ``layout``; opaque if the picture has none."""
        if not self.layout.alpha:
            return np.full(self.coded[0].shape, layout.top, dtype=layout.dtype)
        values: F32 = self.coded[-1] * np.float32(layout.top / self.layout.top)
        return np.rint(values).astype(layout.dtype)


def _merge(red: Array, green: Array, blue: Array) -> Array:
    """Return (h, w, 3) RGB."""
    rgb: Array = cv2.merge([red, green, blue])
    return rgb


def _compute_chroma_kernel(step: int, offset: float) -> tuple[F32, int]:
    """Return the kernel of a chroma sample over luma samples: a box ``step`` wide about ``offset``.

    Args:
        step: Luma samples per chroma sample.
        offset: Luma position of the first chroma sample.

    Returns:
        The kernel, and the position of its first tap relative to ``step`` times the sample's index.
    """
    first = int(np.floor(offset - step / 2 + 0.5))
    last = int(np.ceil(offset + step / 2 - 0.5))
    taps = np.arange(first, last + 1, dtype=np.float64)
    low = np.maximum(taps - 0.5, offset - step / 2)
    high = np.minimum(taps + 0.5, offset + step / 2)
    kernel = np.maximum(high - low, 0.0)
    return (kernel / kernel.sum()).astype(np.float32), first


def describe_upright(
    pix_fmt: str, colour: ColourTags, size: tuple[int, int], turns: int, *, mirrored: bool
) -> tuple[str, ColourTags]:
    """Return format and colour tags of pictures after :meth:`Picture.to_upright`.

    Small chroma stays if its samples then lie at a place that has a name; else the pictures become RGB.

    Args:
        pix_fmt: Their planar format before.
        colour: Their colour tags before.
        size: Columns and rows as stored.
        turns: Counterclockwise quarter turns to display orientation.
        mirrored: Whether a left to right flip follows.
    """
    layout = plane_layout(pix_fmt)
    assert layout is not None
    if layout.kind != "yuv" or layout.step == (1, 1):
        return pix_fmt, colour
    turned = turned_format(pix_fmt) if turns % 2 else pix_fmt
    has_own_chroma = turned == pix_fmt or turned_format(turned) == pix_fmt
    place = turn_chroma_place(colour.chroma_place, turns, mirrored=mirrored)
    is_whole = size[0] % layout.step[0] == 0 and size[1] % layout.step[1] == 0
    if has_own_chroma and is_whole and place != CHROMA_PLACE_UNKNOWN:
        return turned, replace(colour, chroma_place=place)
    tags = ColourTags.from_raw(RANGE_FULL, MATRIX_RGB, colour.primaries_raw, colour.transfer_raw)
    return ("gbrap" if layout.alpha else "gbrp") + ("16le" if layout.depth > 8 else ""), tags


def orient(plane: Array, turns: int, *, mirrored: bool) -> Array:
    """Return a view of a coded plane in display orientation.

    Args:
        plane: (h, w) or (h, w, c).
        turns: Counterclockwise quarter turns.
        mirrored: Whether a left to right flip follows.
    """
    turned = np.rot90(plane, turns) if turns % 4 else plane
    return turned[:, ::-1] if mirrored else turned


def picture_from_frame(
    frame: Any,
    colour: ColourTags,
    turns: int = 0,
    *,
    mirrored: bool = False,
    square_size: tuple[int, int] | None = None,
) -> Picture:
    """Make a picture of a decoded ``av.VideoFrame``.

    Planar formats are not copied. Packed and semi-planar ones are sorted into the equivalent planar format
    without loss.

    Args:
        frame: The frame.
        colour: What its code values mean.
        turns: Counterclockwise quarter turns to display orientation.
        mirrored: Whether a left to right flip follows.
        square_size: See :class:`Picture`.
    """
    planes, layout = unpack_planes(frame)
    is_planar = layout.pix_fmt == frame.format.name
    return Picture(tuple(planes), layout, colour, turns, mirrored, frame if is_planar else None, square_size)


def to_eight_bits(rgb: Array) -> U8:
    """Reduce a picture of 16 bits to its upper 8 bits; return one of 8 bits as it is.

    All stages, metrics and networks see 16-bit pictures through this function, so that they see the same values. The
    lower bits are cut off, not rounded: results of the built-in recipe stay as they were.

    Args:
        rgb: (h, w, ...) uint8, or uint16 over 0..65535.
    """
    if rgb.dtype == np.uint16:
        return (rgb >> 8).astype(np.uint8)
    return rgb


def crop_padded(picture: Picture, origin: Array, width: int, height: int) -> Array:
    """Crop a picture. The crop may reach beyond the picture, whose edge is repeated there.

    Args:
        picture: the picture; only the part inside the crop is converted.
        origin: (2,) left and top of the crop, whole pixels.
        width: of the crop.
        height: of the crop.

    Returns:
        (height, width, 3) RGB, uint8 or uint16.
    """
    x0, y0 = int(origin[0]), int(origin[1])
    left, top = min(max(x0, 0), picture.width - 1), min(max(y0, 0), picture.height - 1)
    right, bottom = max(min(x0 + width, picture.width), left + 1), max(min(y0 + height, picture.height), top + 1)
    crop = picture.rgb((left, top, right, bottom))
    if crop.shape[:2] == (height, width):
        return crop
    rows = np.clip(np.arange(y0, y0 + height) - top, 0, bottom - top - 1)
    columns = np.clip(np.arange(x0, x0 + width) - left, 0, right - left - 1)
    return crop[rows][:, columns]
