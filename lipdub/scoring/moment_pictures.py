"""Pictures of the weak moments of a result, for its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.scoring.report import MomentPictures, encode_jpeg

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lipdub.arrays import F32, I64, U8
    from lipdub.metrics.evidence import FaceMotion
    from lipdub.metrics.metric import Moment

FRAMES = 4  # pictures of each moment
STEP = 0.08  # seconds between them
HEIGHT = 200  # pixels
GAP = 4  # pixels between them
_FACE_HALF = 0.62  # half a picture's side, of the longer side of the face

FloatBox = tuple[float, float, float, float]


def cut_moment_pictures(
    result: Path, source: Path | None, order: I64 | None, motion: FaceMotion, moments: Sequence[Moment]
) -> list[MomentPictures]:
    """Cut out the faces around each moment.

    Args:
        result: the result.
        source: its source video, if known.
        order: (n,) number of the source frame of each frame of the result, -1 if there is none.
        motion: the result's face over time.
        moments: the moments to show.
    """
    pictures = []
    for moment in moments:
        times = moment.time + (np.arange(FRAMES) - (FRAMES - 1) / 2) * STEP
        frames = np.unique(np.abs(motion.times[:, None] - times).argmin(0))
        points = motion.points[frames]
        known = np.isfinite(points).all((1, 2))
        box = _face_box(points[known]) if known.any() else None
        strip = encode_jpeg(_strip(result, frames, box))
        source_strip = None
        if source is not None and order is not None and (order[frames] >= 0).all():
            source_strip = encode_jpeg(_strip(source, order[frames], box))
        pictures.append(MomentPictures(moment, strip, source_strip))
    return pictures


def _face_box(points: F32) -> FloatBox:
    low, high = points.min((0, 1)), points.max((0, 1))
    middle, half = (low + high) / 2, _FACE_HALF * float((high - low).max())
    (x0, y0), (x1, y1) = middle - half, middle + half
    return float(x0), float(y0), float(x1), float(y1)


def _strip(path: Path, frames: I64, box: FloatBox | None) -> U8:
    """Return frames side by side, cut to a box: RGB uint8 (HEIGHT, w, 3)."""
    import cv2

    from lipdub.media.pixels import to_eight_bits
    from lipdub.media.read import read_frames_in_order

    tiles = []
    for frame in read_frames_in_order(path, frames):
        picture = frame.picture
        if box is None:
            rgb = picture.rgb()
        else:
            x0, y0 = (int(max(0, v)) // 2 * 2 for v in box[:2])
            x1, y1 = int(min(picture.width, box[2])), int(min(picture.height, box[3]))
            rgb = picture.rgb((x0, y0, max(x1, x0 + 2), max(y1, y0 + 2)))
        rgb = to_eight_bits(rgb)
        width = max(1, round(rgb.shape[1] * HEIGHT / rgb.shape[0]))
        tiles.append(cv2.resize(rgb, (width, HEIGHT), interpolation=cv2.INTER_AREA))
    widest = max(tile.shape[1] for tile in tiles)
    canvas = np.full((HEIGHT, widest * len(tiles) + GAP * (len(tiles) - 1), 3), 255, np.uint8)
    for k, tile in enumerate(tiles):
        left = k * (widest + GAP)
        canvas[:, left : left + tile.shape[1]] = tile
    return canvas
