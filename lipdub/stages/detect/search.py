"""Search every frame of a video for faces, in chunks that do not depend on where an earlier run was interrupted."""

from __future__ import annotations

from collections import deque
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from lipdub.errors import InputError
from lipdub.faces import shots, tracking
from lipdub.faces.detectors.base import MAX_SEARCH_SIDE, RESTART_CHANGE
from lipdub.faces.detectors.face_check import FaceScores
from lipdub.faces.detectors.meshes import is_face_inside

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from lipdub.arrays import F32, F64, U8
    from lipdub.faces.detectors.base import FaceDetector
    from lipdub.media.read import SourceFrame
    from lipdub.stages.base import StageContext
    from lipdub.stages.detect.store import DetectArrays


# Frames that a face has been seen for in a chunk when it is checked; the first mesh of a new face may be poor.
CHECKED_AGES = (0, 24)
CUT_INTERVAL = 6  # frames from one check to the next of a face that the border of the picture cuts
_SAME_FACE = 0.4  # share of a face's size that it moves at most from one frame to the next


class SearchFrame(NamedTuple):
    """A frame as it is searched: (h, w, 3) uint8 RGB, and its thumbnail."""

    rgb: U8
    thumbnail: U8


def consecutive_spans(chunks: set[int]) -> Iterator[tuple[int, int]]:
    """Yield runs of successive chunks, first and last inclusive."""
    for first in sorted(chunks):
        if first - 1 not in chunks:
            last = first
            while last + 1 in chunks:
                last += 1
            yield first, last


def search_chunks(
    ctx: StageContext,
    detector: FaceDetector,
    arrays: DetectArrays,
    first: int,
    last: int,
    *,
    must_check: bool = True,
) -> None:
    """Search chunks first..last (inclusive) in one pass over the source, and write them.

    At the beginning of each chunk the detector is reset, and sees the last frames of the chunk before again. The
    meshes of now and then are checked to lie on faces, unless `must_check` is false.
    """
    landmarks = arrays.landmarks
    start, stop = landmarks.span(first)[0], landmarks.span(last)[1]
    # Frames before a chunk are needed even without a warm-up: the difference from them is kept.
    context = max(detector.warm_up, shots.MAX_FLASH_FRAMES + 1)
    frames = _read_frames(ctx, max(0, start - context), stop)
    before = deque(islice(frames, min(context, start)), maxlen=context)
    for chunk in range(first, last + 1):
        low, high = landmarks.span(chunk)
        points = np.full((high - low, *landmarks.shape[1:]), np.nan, np.float32)
        changes = np.zeros(high - low, np.float32)
        checks = FaceChecks(detector if must_check else None, high - low, landmarks.shape[1])
        view = shots.ViewChanges()
        detector.reset()
        for i, frame in enumerate(before):
            change = view.add(frame.thumbnail)
            if i >= len(before) - detector.warm_up:
                detector.detect([frame.rgb], [change >= RESTART_CHANGE])
        for offset in range(0, high - low, detector.batch):
            batch = list(islice(frames, min(detector.batch, high - low - offset)))
            if not batch:
                raise InputError(f"{ctx.job.video} ends before its frame {low + offset} of {len(landmarks)}")
            rows = slice(offset, offset + len(batch))
            changes[rows] = [view.add(frame.thumbnail) for frame in batch]
            before.extend(batch)
            _detect(ctx, detector, batch, changes[rows], points[rows], checks)
            ctx.progress(low + offset + len(batch), len(landmarks))
        arrays.write(chunk, changes, points, checks.scores)


def _detect(
    ctx: StageContext,
    detector: FaceDetector,
    frames: Sequence[SearchFrame],
    changes: F32,
    points: F32,
    checks: FaceChecks,
) -> None:
    """Find the faces of frames and put them, in pixels of the video, into their slots: points (n, slots, 478, 3)."""
    is_cut = [bool(change >= RESTART_CHANGE) for change in changes]
    pictures = [frame.rgb for frame in frames]
    slots = points.shape[1]
    for i, (rgb, faces) in enumerate(zip(pictures, detector.detect(pictures, is_cut), strict=True)):
        scale = ctx.video.width / rgb.shape[1]
        checks.add(rgb, faces[:slots], is_cut=is_cut[i])
        for slot, face in enumerate(faces[:slots]):
            points[i, slot] = face * scale


class FaceChecks:
    """Checks the faces of a chunk's frames now and then.

    Args:
        detector: Checks them; with None, none is checked.
        frames: Of the chunk.
        slots: Of a frame.

    Attributes:
        scores: (frames, slots, 6) float32 of `FaceScores`, NaN where no face was checked.
    """

    def __init__(self, detector: FaceDetector | None, frames: int, slots: int) -> None:
        self.scores = np.full((frames, slots, len(FaceScores._fields)), np.nan, np.float32)
        self._detector = detector
        self._frame = 0
        self._seen: list[tuple[F64, int]] = []  # place (x, y, size) and age of the faces of the frame before

    def add(self, rgb: U8, faces: Sequence[F32], *, is_cut: bool) -> None:
        """Check the faces of the next frame that have the age for it.

        Args:
            rgb: (h, w, 3) uint8 RGB, the frame.
            faces: (478, 3) float32 meshes in its pixels.
            is_cut: Whether the frame has nothing to do with the one before.
        """
        if self._detector is None:
            return
        before, self._seen = ([] if is_cut else self._seen), []
        for slot, face in enumerate(faces):
            place = tracking.locate_face(face)
            ages = [age for old, age in before if np.hypot(*(place - old)[:2]) < _SAME_FACE * place[2]]
            age = max(ages, default=-1) + 1
            self._seen.append((place, age))
            is_cut_off = not is_face_inside(face, rgb.shape[1], rgb.shape[0])
            if age in CHECKED_AGES or (is_cut_off and age % CUT_INTERVAL == 0):
                self.scores[self._frame, slot] = self._detector.check(rgb, face)
        self._frame += 1


def _read_frames(ctx: StageContext, start: int, stop: int) -> Iterator[SearchFrame]:
    """Read source frames as large as they are searched; decoding runs in threads."""
    from lipdub.media.read import read_frames
    from lipdub.parallel import map_ordered

    width = round(ctx.video.width * min(1.0, MAX_SEARCH_SIDE / max(ctx.video.width, ctx.video.height)))

    def shrink(frame: SourceFrame) -> SearchFrame:
        rgb = frame.picture.rgb_small(width)
        return SearchFrame(rgb, shots.make_thumbnail(rgb))

    return iter(map_ordered(shrink, read_frames(ctx.job.video, start, stop), min(ctx.threads, 2)))
