"""One pass over a video: its frames are decoded once, the face in each is found once, and all who want to look do."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lipdub.faces.detectors import DEFAULT_DETECTOR
from lipdub.faces.detectors.base import RESTART_CHANGE
from lipdub.progress import Callback, Event

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.media.pixels import Picture
    from lipdub.media.read import SourceFrame
    from lipdub.metrics.mouth import MouthMotion

SEARCH_SIDE = (
    960  # pixels of the longer side at which faces are looked for: less than `detect`, which must find the small ones
)


@dataclass(frozen=True)
class FrameObservation:
    """A frame. time: seconds from the first one. mesh: float32 (478, 3) pixels of the face that counts, None where there
    is none. small: the picture as RGB uint8, `scale` times smaller.
    """

    index: int
    time: float
    picture: Picture
    mesh: np.ndarray | None
    small: np.ndarray
    scale: float


Observer: TypeAlias = Callable[[FrameObservation], None]
Expected: TypeAlias = Callable[[int], "tuple[float, float] | None"]
"""From a frame's number to where the middle of the face that counts is expected, pixels; None: the largest counts."""


@dataclass(frozen=True)
class PassResult:
    """What a pass left. start: seconds of the first frame on the file's clock. times: (n,) seconds from there. points:
    float32 (n, 68, 2) iBUG landmarks and boxes: (n, 4) of the face's oval, pixels, NaN without a face. motion: of the mouth. decoding, meshing, looking:
    seconds spent.
    """

    start: float
    times: np.ndarray
    points: np.ndarray
    boxes: np.ndarray
    motion: MouthMotion
    decoding: float
    meshing: float
    looking: float

    def __len__(self) -> int:
        return len(self.times)


def run_pass(
    path: Path,
    looks: Sequence[Observer] = (),
    *,
    expected: Expected | None = None,
    faces: int = 1,
    detector: str = DEFAULT_DETECTOR,
    tell: Callback,
    what: str,
) -> PassResult:
    """Looks at every frame once.

    Args:
        looks: called with each frame. expected: where the face lies that counts, among at most `faces`. detector: its name.

    Raises:
        InputError: the video cannot be read.
    """
    from lipdub.faces import detectors
    from lipdub.faces.landmarks import to_ibug
    from lipdub.faces.shots import measure_change
    from lipdub.media.frame_index import read_frame_index
    from lipdub.media.read import read_frames
    from lipdub.metrics.lse_video import measure_face_boxes
    from lipdub.metrics.mouth import MouthMotion, measure_mouth_shape
    from lipdub.parallel import map_ordered

    # made small beside the face mesh's work
    frames = iter(map_ordered(_small, read_frames(path), 1))
    total = len(read_frame_index(path).pts)
    times: list[float] = []
    points: list[np.ndarray] = []
    boxes: list[np.ndarray] = []
    shapes: list[tuple[float, float, float]] = []
    spent = [0.0, 0.0, 0.0]
    start, before = 0.0, None
    with detectors.create(detector, max_faces=faces) as finder:
        while True:
            began = clock.perf_counter()
            item = next(frames, None)
            if item is None:
                break
            frame, rgb, thumb = item
            picture = frame.picture
            decoded = clock.perf_counter()
            is_cut = before is not None and measure_change(before, thumb) >= RESTART_CHANGE
            before = thumb
            scale = picture.width / rgb.shape[1]
            found = [face * np.float32(scale) for face in finder.detect([rgb], [is_cut])[0]]
            k = len(times)
            mesh = _counting(found, expected(k) if expected is not None else None)
            meshed = clock.perf_counter()
            start = float(frame.time) if k == 0 else start
            seen = FrameObservation(k, float(frame.time) - start, picture, mesh, rgb, scale)
            for look in looks:
                look(seen)
            times.append(seen.time)
            points.append(to_ibug(mesh)[:, :2] if mesh is not None else np.full((68, 2), np.nan, np.float32))
            boxes.append(measure_face_boxes(mesh[None])[0] if mesh is not None else np.full(4, np.nan))
            shapes.append(measure_mouth_shape(mesh) if mesh is not None else (np.nan,) * 3)
            for i, seconds in enumerate((decoded - began, meshed - decoded, clock.perf_counter() - meshed)):
                spent[i] += seconds
            tell(Event("progress", "score", done=len(times), total=total, message=what))
    at = np.array(times, np.float64)
    columns = np.array(shapes, np.float64).reshape(-1, 3)
    motion = MouthMotion(at, columns[:, 0], columns[:, 1], columns[:, 2])
    kept = np.array(points, np.float32).reshape(-1, 68, 2)
    return PassResult(start, at, kept, np.array(boxes).reshape(-1, 4), motion, *spent)


def _small(frame: SourceFrame) -> tuple[SourceFrame, np.ndarray, np.ndarray]:
    """A frame, its picture as the face mesh is given it, and a thumbnail."""
    from lipdub.faces.shots import make_thumbnail

    picture = frame.picture
    rgb = picture.rgb_small(round(picture.width * min(1.0, SEARCH_SIDE / max(picture.width, picture.height))))
    return frame, rgb, make_thumbnail(rgb)


def _counting(faces: list[np.ndarray], near: tuple[float, float] | None) -> np.ndarray | None:
    """The face nearest to a place, or the largest one."""
    if not faces:
        return None
    low, high = (np.array([f(face[:, :2], axis=0) for face in faces]) for f in (np.min, np.max))
    if near is None:
        return faces[int((high - low).max(1).argmax())]
    away = np.hypot(*((low + high) / 2 - np.asarray(near)).T)
    best = int(away.argmin())
    return faces[best] if away[best] < (high - low)[best].max() else None
