"""Interlaced pictures: even and odd rows are two fields, shown one after the other."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import cv2
import numpy as np

from lipdub.media.frame_tags import BOTTOM_FIELD_FIRST, PROGRESSIVE
from lipdub.media.pixel_formats import plane_layout
from lipdub.media.pixels import Box, Picture, picture_from_frame

if TYPE_CHECKING:
    from lipdub.arrays import F32, Array, Mask
    from lipdub.media.colour import ColourTags
    from lipdub.media.pixel_formats import PlaneLayout


@dataclass(frozen=True)
class InterlacedPicture(Picture):
    """A picture of two fields.

    Faces are found and mouths are drawn once a frame. So :meth:`rgb` shows the moment of the first field, without
    combs, and a patch is the same moment in both fields. Each field keeps its own chroma rows.

    Attributes:
        first_row: The row at which the field begins that is shown first: 0 or 1.
    """

    first_row: int = 0

    @cached_property
    def _fields(self) -> tuple[Picture, Picture]:
        """The fields of the even and the odd rows, as pictures of half the height."""
        size = (self.square_size[0], self.square_size[1] // 2) if self.square_size else None
        even, odd = (
            Picture(
                tuple(plane[row::2] for plane in self.coded),
                self.layout,
                self.colour,
                mirrored=self.mirrored,
                square_size=size,
            )
            for row in (0, 1)
        )
        return even, odd

    def rgb(self, box: Box | None = None) -> Array:
        """Convert a box to RGB at the moment of the first field.

        Where a row of the second field lies outside the values of its neighbours, it takes the nearer of them: the
        vertical median removes combs and keeps what does not move.

        Args:
            box: The box; the whole picture by default.

        Returns:
            (h, w, 3) as :meth:`Picture.rgb` returns it.
        """
        x0, y0, x1, y1 = self._check_box(box)
        top, bottom = max(y0 - 1, 0), min(y1 + 1, self.height)  # with the neighbours of the outer rows
        woven = self._weave_rgb((x0, top, x1, bottom))
        return _take_first_field(woven, (1 - self.first_row - top) % 2)[y0 - top : y1 - top]

    def _weave_rgb(self, box: Box) -> Array:
        """Convert a box to RGB as the rows are, each field on its own."""
        x0, y0, x1, y1 = box
        woven: Array | None = None
        for row, field in enumerate(self._fields):
            part = _find_field_box(box, row)
            if part is None:
                continue
            rgb = field.rgb(part)
            if woven is None:
                woven = np.empty((y1 - y0, x1 - x0, 3), rgb.dtype)
            woven[(row - y0) % 2 :: 2] = rgb
        assert woven is not None
        return woven

    def patch(self, box: Box, rgb: Array, weight: F32, base: Array | None = None) -> Picture:
        """Patch both fields with the rows of one picture, see :meth:`Picture.patch`.

        With ``base``, the difference to the field's own colours counts, so that no combs are left.
        """
        y0 = self._check_box(box)[1]
        planes = tuple(plane.copy() for plane in self.coded)
        for row, field in enumerate(self._fields):
            part = _find_field_box(box, row)
            if part is None:
                continue
            rows = np.s_[(row - y0) % 2 :: 2]
            own = None if base is None else field.rgb(part)
            patched = field.patch(part, rgb[rows], weight[rows], own)
            for plane, new in zip(planes, patched.coded, strict=True):
                plane[row::2] = new
        for plane in planes:
            plane.flags.writeable = False
        return replace(self, coded=planes, frame=None)

    def untouched_masks(self, box: Box, weight: F32) -> list[Mask]:
        """Return where :meth:`patch` leaves the samples as they are, see :meth:`Picture.untouched_masks`."""
        y0 = self._check_box(box)[1]
        masks = [np.ones(plane.shape, dtype=bool) for plane in self.planes]
        for row, field in enumerate(self._fields):
            part = _find_field_box(box, row)
            if part is None:
                continue
            for mask, own in zip(masks, field.untouched_masks(part, weight[(row - y0) % 2 :: 2]), strict=True):
                mask[row::2] = own
        return masks

    def convert(self, pix_fmt: str, colour: ColourTags) -> Picture:
        """Convert each field on its own, see :meth:`Picture.convert`: their chroma does not mix."""
        layout = plane_layout(pix_fmt)
        if layout is None or self.height % (2 * layout.step[1]):
            return super().convert(pix_fmt, colour)
        rows, columns = self.coded[0].shape
        shapes = [layout.plane_shape(index, columns, rows) for index in range(layout.planes)]
        planes = tuple(np.empty(shape, layout.dtype) for shape in shapes)
        for row, field in enumerate(self._fields):
            for plane, own in zip(planes, field.convert(pix_fmt, colour).coded, strict=True):
                plane[row::2] = own
        return replace(self, coded=planes, layout=layout, colour=colour, frame=None)


def _find_field_box(box: Box, row: int) -> Box | None:
    """Return the part of a field inside a box; None if it has no row there.

    Args:
        box: The box, in rows of the frame.
        row: The row of the frame at which the field begins.
    """
    x0, y0, x1, y1 = box
    top, bottom = (y0 - row + 1) // 2, (y1 - row + 1) // 2
    return (x0, top, x1, bottom) if top < bottom else None


def _take_first_field(woven: Array, second: int) -> Array:
    """Return a picture in which the rows of the second field do not stick out between their neighbours.

    Args:
        woven: (h, w, 3).
        second: The first row of the second field.
    """
    if len(woven) < 2:
        return woven
    padded = cv2.copyMakeBorder(woven, 1, 1, 0, 0, cv2.BORDER_REFLECT_101)
    above, own, below = padded[second:-2:2], woven[second::2], padded[second + 2 :: 2]
    low, high = np.minimum(above, below), np.maximum(above, below)
    shown = woven.copy()
    shown[second::2] = np.clip(own, low, high)
    return shown


def has_separable_fields(coded_rows: int, rows: int, turns: int, layout: PlaneLayout) -> bool:
    """Whether an interlaced picture is taken apart into fields, or else for progressive.

    Args:
        coded_rows: Rows as stored; each field has chroma rows of its own.
        rows: Rows as shown: those of fields are not stretched.
        turns: Quarter turns to display orientation: fields are not turned.
        layout: What the planes hold.
    """
    return not turns and coded_rows == rows and coded_rows % (2 * layout.step[1]) == 0


def make_picture(
    frame: Any,
    colour: ColourTags,
    turns: int,
    *,
    mirrored: bool,
    field_order: str,
    square_size: tuple[int, int] | None = None,
) -> Picture:
    """Make a picture of a decoded frame.

    Args:
        frame: The ``av.VideoFrame``.
        colour: What its code values mean.
        turns: Counterclockwise quarter turns to display orientation.
        mirrored: Whether a left to right flip follows.
        field_order: "progressive", or which field is shown first.
        square_size: See :class:`lipdub.media.pixels.Picture`.
    """
    picture = picture_from_frame(frame, colour, turns, mirrored=mirrored, square_size=square_size)
    if field_order == PROGRESSIVE or not has_separable_fields(frame.height, picture.height, turns, picture.layout):
        return picture
    first_row = 1 if field_order == BOTTOM_FIELD_FIRST else 0
    return InterlacedPicture(
        picture.coded, picture.layout, colour, turns, mirrored, picture.frame, square_size, first_row=first_row
    )
