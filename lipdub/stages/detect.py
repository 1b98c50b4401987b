"""detect: shots, faces and their tracks. Writes, per source frame, the landmarks of every face.

Store: arrays ``landmarks`` (frames, slots, 478, 3) float32, display pixels, NaN where a slot is empty;
``change`` (frames,) float32 difference from the frame before; ``tracks`` (frames, slots) int16, the id of the track a
slot belongs to, 0 for none; ``pose`` (frames, slots, 3) float32 yaw, pitch, roll in degrees, NaN where empty.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import UsageError
from lipdub.stages.base import StageContext, StageSpec

if TYPE_CHECKING:
    from lipdub.media.read import SourceFrame

CHUNK = 96
# Frames replayed before each chunk, so that a chunk comes out the same whether or not the run was interrupted there.
WARM_UP = 3
# The follower starts afresh on a change this large: its idea of where faces are is void.
LOST = 24.0


@dataclass(frozen=True)
class DetectOptions:
    """method: `mediapipe`. max_faces: how many faces a frame is searched for, 1 to 16."""

    method: str = "mediapipe"
    max_faces: int = 4

    def __post_init__(self) -> None:
        if self.method != "mediapipe":
            raise UsageError(f"detect has no method {self.method!r}", hint="Methods: mediapipe")
        if not 1 <= self.max_faces <= 16:
            raise UsageError(f"max-faces must be 1 to 16, not {self.max_faces}")


def run(ctx: StageContext, options: DetectOptions) -> dict[str, Any]:
    """Searches every frame; chunks that are done are kept."""
    from lipdub.media.probe import frame_times

    times = frame_times(ctx.job.video)
    frames = len(times)
    landmarks = ctx.store.array(
        "landmarks", shape=(frames, options.max_faces, 478, 3), dtype="float32", chunk=CHUNK
    )
    changes = ctx.store.array("change", shape=(frames,), dtype="float32", chunk=CHUNK)
    missing = sorted(set(landmarks.missing()) | set(changes.missing()))
    while missing:
        last = missing[0]
        while last + 1 in missing:
            last += 1
        _search(ctx, options, landmarks, changes, missing[0], last + 1)
        missing = [i for i in missing if i > last]
    return _follow(ctx, landmarks, changes.read(0, frames), times)


def _search(ctx: StageContext, options: DetectOptions, landmarks: Any, changes: Any, first: int, end: int) -> None:
    """Chunks first..end-1 in one pass over the source."""
    from lipdub.faces import shots
    from lipdub.faces.detect import SEARCH_SIZE, FaceFinder
    from lipdub.media.read import read_frames
    from lipdub.parallel import ahead

    frames = landmarks.shape[0]
    start, stop = first * CHUNK, min(end * CHUNK, frames)
    width, height = ctx.video.width, ctx.video.height
    search_width = round(width * min(1.0, SEARCH_SIZE / max(width, height)))
    before: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=WARM_UP)
    points = np.full((CHUNK, options.max_faces, 478, 3), np.nan, np.float32)
    delta = np.zeros(CHUNK, np.float32)
    with FaceFinder(options.max_faces) as finder:
        sources = read_frames(ctx.job.video, max(0, start - WARM_UP), stop)
        for frame, rgb, thumb in ahead(lambda f: _small(f, search_width), sources, min(ctx.threads, 2)):
            if frame.index >= start:
                at = frame.index % CHUNK
                if at == 0:
                    finder.reset()
                    last = None
                    for old, small in before:
                        if last is not None and shots.change(last, small) >= LOST:
                            finder.reset()
                        finder.faces(old)
                        last = small
                delta[at] = shots.change(before[-1][1], thumb) if before else 0.0
                if delta[at] >= LOST:
                    finder.reset()
                scale = width / rgb.shape[1]
                points[at] = np.nan
                for slot, face in enumerate(finder.faces(rgb)[: options.max_faces]):
                    points[at, slot] = face * scale
                if at == CHUNK - 1 or frame.index == stop - 1:
                    changes.write(frame.index // CHUNK, delta[: at + 1])
                    landmarks.write(frame.index // CHUNK, points[: at + 1])
                ctx.progress(frame.index + 1, frames)
            before.append((rgb, thumb))


def _small(frame: SourceFrame, width: int) -> tuple[SourceFrame, np.ndarray, np.ndarray]:
    from lipdub.faces.shots import thumbnail

    rgb = frame.picture.rgb_small(width)
    return frame, rgb, thumbnail(rgb)


def _follow(ctx: StageContext, landmarks: Any, changes: np.ndarray, times: np.ndarray) -> dict[str, Any]:
    from lipdub.faces import geometry, shots, tracks

    frames, slots = landmarks.shape[:2]
    pose = np.full((frames, slots, 3), np.nan, np.float32)
    boxes = np.full((frames, slots, 3), np.nan)
    mouths = np.zeros((frames, slots))
    for i in range(landmarks.chunks):
        start, stop = landmarks.span(i)
        points = landmarks.read(start, stop)
        for f, s in zip(*np.nonzero(np.isfinite(points[:, :, 0, 0])), strict=True):
            boxes[start + f, s] = tracks.summary(points[f, s])
            pose[start + f, s] = geometry.own_angles(points[f, s])
            mouths[start + f, s] = np.hypot(*(points[f, s, 291, :2] - points[f, s, 61, :2]))
    spans = shots.shots(changes)
    found = tracks.follow(boxes, times, spans)
    owner = np.zeros((frames, slots), np.int16)
    rows = []
    for t in found:
        owner[t.frames, t.slots] = t.id
        size = boxes[t.frames, t.slots]
        rows.append(
            {
                "id": t.id,
                "shot": t.shot,
                "first": t.frames[0],
                "last": t.frames[-1],
                "frames": len(t.frames),
                "start": float(times[t.frames[0]] - times[0]),
                "end": float(times[t.frames[-1]] - times[0]),
                "x": float(np.median(size[:, 0])),
                "y": float(np.median(size[:, 1])),
                "face_px": float(np.median(size[:, 2])),
                "yaw": np.percentile(pose[t.frames, t.slots, 0], [0, 50, 100]).round(1).tolist(),
                "mouth_px": float(np.median(mouths[t.frames, t.slots])),
            }
        )
    ctx.store.array("pose", shape=pose.shape, dtype="float32", chunk=max(frames, 1)).write(0, pose)
    ctx.store.array("tracks", shape=owner.shape, dtype="int16", chunk=max(frames, 1)).write(0, owner)
    return {
        "method": "mediapipe",
        "frames": frames,
        "shots": [list(s) for s in spans],
        "tracks": rows,
        "faceless": faceless(owner, times),
    }


def faceless(owner: np.ndarray, times: np.ndarray) -> list[list[float]]:
    """Spans [start, end] in seconds from the first frame in which no track is seen."""
    from lipdub.faces.smooth import runs

    relative = times - times[0]
    return [[float(relative[a]), float(relative[b - 1])] for a, b in runs((owner == 0).all(1))]


SPEC = StageSpec(name="detect", version=1, reads=(), inputs=("video",), options=DetectOptions, run=run)
