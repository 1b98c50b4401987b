"""One pass over a video: decode each frame once, find its face once, and show it to all observers."""

from __future__ import annotations

import time as clock
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from lipdub.faces import detectors
from lipdub.faces.detectors import DEFAULT_DETECTOR
from lipdub.faces.detectors.base import RESTART_CHANGE
from lipdub.metrics.evidence import CloseUp, FaceMotion, FrameObservation, Observer
from lipdub.progress import Callback, Event, ignore_event

if TYPE_CHECKING:
    from pathlib import Path

    from lipdub.arrays import F32, F64, U8
    from lipdub.media.pixels import Picture
    from lipdub.media.read import SourceFrame

#: Pixels of the longer side at which faces are searched. `detect` searches larger pictures, to find small faces.
SEARCH_SIDE = 960

CutCloseUp: TypeAlias = Callable[[int, "Picture", "F32 | None"], "CloseUp | None"]
"""Returns the close-up of a frame from its number, its picture and its mesh; called once for each frame, in order."""


@dataclass(frozen=True)
class ExpectedFace:
    """Which face counts, if there may be several.

    Attributes:
        max_faces: how many faces may be in a frame.
        locate: returns where the middle of the face that counts is expected in a frame, x and y in pixels; None if the
            largest face counts.
    """

    max_faces: int = 1
    locate: Callable[[int], tuple[float, float] | None] | None = None


@dataclass(frozen=True)
class PassResult(FaceMotion):
    """The face of a video over time, and the seconds the pass spent.

    Attributes:
        decoding: seconds of waiting for frames.
        meshing: seconds of finding faces.
        observing: seconds of the observers.
    """

    decoding: float = 0.0
    meshing: float = 0.0
    observing: float = 0.0


class _Track:
    """The face in each frame, as it is found."""

    def __init__(self) -> None:
        self.times: list[float] = []
        self.points: list[F32] = []
        self.boxes: list[F64] = []
        self.shapes: list[tuple[float, float, float]] = []

    def add(self, time: float, mesh: F32 | None) -> None:
        from lipdub.faces.landmarks import to_ibug
        from lipdub.metrics.lse_video import measure_face_boxes
        from lipdub.metrics.mouth_motion import measure_mouth_shape

        self.times.append(time)
        self.points.append(to_ibug(mesh)[:, :2] if mesh is not None else np.full((68, 2), np.nan, np.float32))
        self.boxes.append(measure_face_boxes(mesh[None])[0] if mesh is not None else np.full(4, np.nan))
        self.shapes.append(measure_mouth_shape(mesh) if mesh is not None else (np.nan, np.nan, np.nan))

    def finish(self, start: float, decoding: float, meshing: float, observing: float) -> PassResult:
        from lipdub.metrics.mouth_motion import MouthMotion

        times = np.array(self.times, np.float64)
        opening, width, height = np.array(self.shapes, np.float64).reshape(-1, 3).T
        points = np.array(self.points, np.float32).reshape(-1, 68, 2)
        boxes = np.array(self.boxes).reshape(-1, 4)
        mouth = MouthMotion(times, opening, width, height)
        return PassResult(start, times, points, boxes, mouth, decoding, meshing, observing)


def run_pass(
    path: Path,
    observers: Collection[Observer] = (),
    *,
    detector: str = DEFAULT_DETECTOR,
    expected: ExpectedFace | None = None,
    cut_close_up: CutCloseUp = lambda index, picture, mesh: None,
    progress: Callback = ignore_event,
    label: str = "",
) -> PassResult:
    """Show every frame of a video to the observers, and return the motion of its face.

    Args:
        path: the video.
        observers: see each frame as a `FrameObservation`.
        detector: name of the face detector.
        expected: which face counts; by default the only one.
        cut_close_up: makes the close-ups.
        progress: called after each frame.
        label: of the pass, for progress.

    Raises:
        InputError: the video cannot be read.
    """
    from lipdub.faces.shots import ViewChanges
    from lipdub.media.frame_index import read_frame_index
    from lipdub.media.read import read_frames
    from lipdub.parallel import map_ordered

    expected = expected or ExpectedFace()
    # pictures are reduced in another thread, while the face mesh works
    frames = iter(map_ordered(_reduce, read_frames(path), 1))
    total = len(read_frame_index(path).pts)
    track = _Track()
    start = decoding = meshing = observing = 0.0
    view = ViewChanges()
    with detectors.create(detector, max_faces=expected.max_faces) as finder:
        while True:
            start_time = clock.perf_counter()
            if (item := next(frames, None)) is None:
                break
            frame, small, thumbnail = item
            decode_time = clock.perf_counter()
            is_cut = view.add(thumbnail) >= RESTART_CHANGE
            index, picture = len(track.times), frame.picture
            scale = picture.width / small.shape[1]
            faces = [face * np.float32(scale) for face in finder.detect([small], [is_cut])[0]]
            mesh = _pick_face(faces, expected.locate(index) if expected.locate is not None else None)
            mesh_time = clock.perf_counter()
            start = float(frame.time) if index == 0 else start
            time = float(frame.time) - start
            close_up = cut_close_up(index, picture, mesh)
            observation = FrameObservation(index, time, picture, mesh, small, scale, close_up)
            for observer in observers:
                observer.add(observation)
            track.add(time, mesh)
            decoding, meshing = decoding + decode_time - start_time, meshing + mesh_time - decode_time
            observing += clock.perf_counter() - mesh_time
            progress(Event("progress", "score", done=index + 1, total=total, message=label))
    return track.finish(start, decoding, meshing, observing)


def _reduce(frame: SourceFrame) -> tuple[SourceFrame, U8, U8]:
    """Return a frame, its picture at the size faces are searched at, and a thumbnail."""
    from lipdub.faces.shots import make_thumbnail

    picture = frame.picture
    small = picture.rgb_small(round(picture.width * min(1.0, SEARCH_SIDE / max(picture.width, picture.height))))
    return frame, small, make_thumbnail(small)


def _pick_face(faces: Sequence[F32], near: tuple[float, float] | None) -> F32 | None:
    """Return the face nearest to a place, or the largest one if no place is given."""
    if not faces:
        return None
    low, high = (np.array([f(face[:, :2], axis=0) for face in faces]) for f in (np.min, np.max))
    if near is None:
        return faces[int((high - low).max(1).argmax())]
    distances = np.hypot(*((low + high) / 2 - np.asarray(near)).T)
    best = int(distances.argmin())
    return faces[best] if distances[best] < (high - low)[best].max() else None
