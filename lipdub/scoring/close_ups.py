"""Close-ups of sampled frames: the face at full resolution, the same box of the source, and the edge of the mask."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lipdub.metrics import regions
from lipdub.metrics.evidence import CloseUp
from lipdub.metrics.mask_edge import find_mask_edge

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import F32, F64, I64
    from lipdub.media.pixels import Box, Picture
    from lipdub.metrics.mask_edge import MaskEdge

SAMPLE_SECONDS = 0.5  # seconds per sampled frame
MARGIN = 0.45  # eye distances around the face that are cut out with it

FindMask: TypeAlias = Callable[[int], "tuple[Box, F32] | None"]
"""Function from a frame's number to the box (x0, y0, x1, y1) of the replaced region and its weight (h, w) 0..1.

It returns None if nothing was replaced.
"""


def sample_frames(times: F64) -> list[int]:
    """Return the numbers of the frames with close-ups: the first in each span of `SAMPLE_SECONDS`."""
    bins = np.floor(np.asarray(times) / SAMPLE_SECONDS + 1e-6)
    return [int(k) for k in np.flatnonzero(np.diff(bins, prepend=-1) > 0)]


def iter_source_pictures(source: Path, order: I64, numbers: Collection[int]) -> Iterator[Picture]:
    """Yield the source's pictures that belong to some frames of the result.

    All frames in between are decoded too: this is quicker than seeking.

    Args:
        source: the source video.
        order: (n,) number of the source frame of each frame of the result, -1 if there is none.
        numbers: frames of the result whose pictures are yielded.
    """
    from lipdub.media.read import read_frames_in_order

    known = np.flatnonzero(order >= 0)
    for k, frame in zip(known, read_frames_in_order(source, order[known]), strict=True):
        if int(k) in numbers:
            yield frame.picture


class CloseUpCutter:
    """Cuts close-ups out of the sampled frames of a pass.

    Args:
        sampled: numbers of the frames that have close-ups.
        find_mask: returns the replaced region; without it, the lower face is used.
        source: the source's pictures of the sampled frames, in order, if there is a source.
    """

    def __init__(
        self,
        sampled: Collection[int],
        find_mask: FindMask | None = None,
        source: Iterator[Picture] | None = None,
    ) -> None:
        self._sampled = frozenset(sampled)
        self._find_mask = find_mask
        self._source = source

    def __call__(self, index: int, picture: Picture, mesh: F32 | None) -> CloseUp | None:
        """Return the close-up of a frame; None if it is not sampled or has no face."""
        if index not in self._sampled:
            return None
        companion = next(self._source, None) if self._source is not None else None
        if mesh is None:
            return None
        box = _find_surroundings(mesh, picture)
        rgb = picture.rgb(box)
        local: F32 = mesh[:, :2] - np.array(box[:2], np.float32)
        is_comparable = companion is not None and (companion.width, companion.height) == (picture.width, picture.height)
        source_rgb = companion.rgb(box) if companion is not None and is_comparable else None
        return CloseUp(rgb, local, source_rgb, lambda: self._find_edge(index, box, local, source_rgb is None))

    def _find_edge(self, index: int, box: Box, mesh: F32, skin: bool) -> MaskEdge | None:
        height, width = box[3] - box[1], box[2] - box[0]
        if self._find_mask is None:
            return find_mask_edge(mesh, height, width, skin=skin)
        region = self._find_mask(index)
        if region is None:
            return None
        (x0, y0, _, _), weight = region
        mask = np.zeros((height, width), np.float32)
        left, top = x0 - box[0], y0 - box[1]
        row, column = max(0, top), max(0, left)
        part = weight[row - top : height - top, column - left : width - left]
        mask[row : row + part.shape[0], column : column + part.shape[1]] = part
        return find_mask_edge(mesh, height, width, mask=mask, skin=skin)


def _find_surroundings(mesh: F32, picture: Picture) -> Box:
    """Return the box of a face and its surroundings, inside the picture, its first corner even."""
    margin = MARGIN * regions.measure_eye_distance(mesh)
    x0, y0, x1, y1 = regions.grow_box(mesh, margin, picture.height, picture.width)
    x0, y0, even_x, even_y = x0 - x0 % 2, y0 - y0 % 2, x0 - x0 % 2 + 2, y0 - y0 % 2 + 2
    return x0, y0, max(x1, even_x), max(y1, even_y)
