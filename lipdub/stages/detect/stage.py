"""detect: shots, faces and their tracks. Writes, per source frame, the landmarks of every face.

Store: arrays ``landmarks`` (frames, slots, 478, 3) float32, display pixels, NaN where a slot is empty;
``change`` (frames,) float32 difference from the frame before; ``tracks`` (frames, slots) int16, the id of the track a
slot belongs to, 0 for none; ``pose`` (frames, slots, 3) float32 yaw, pitch, roll in degrees, NaN where empty.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.stages import inference
from lipdub.stages.base import StageContext, StageSpec
from lipdub.stages.detect.options import DetectOptions
from lipdub.stages.frames import consecutive_spans

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from lipdub.media.read import SourceFrame
    from lipdub.weights.store import VerifiedWeights

CHUNK = 96
# Frames replayed before each chunk, so that a chunk comes out the same whether or not the run was interrupted there.
WARM_UP = 3
# The follower starts afresh on a change this large: its idea of where faces are is void.
LOST = 24.0
# Frames that RetinaFace is handed together; a chunk begins anew.
HANDFUL = 24


def run(ctx: StageContext, options: DetectOptions) -> dict[str, Any]:
    """Searches every frame; chunks that are done are kept."""
    from lipdub.media.frame_index import read_frame_times

    times = read_frame_times(ctx.job.video)
    frames = len(times)
    landmarks = ctx.store.array("landmarks", shape=(frames, options.max_faces, 478, 3), dtype="float32", chunk=CHUNK)
    changes = ctx.store.array("change", shape=(frames,), dtype="float32", chunk=CHUNK)
    missing = sorted(set(landmarks.missing()) | set(changes.missing()))
    kept = _kept() if options.method == "retinaface" else None
    network = inference.load_on_device(ctx, kept) if kept is not None and missing else None
    for first, last in consecutive_spans(set(missing)):
        if network is None:
            _search(ctx, options, landmarks, changes, first, last + 1)
        else:
            _search_retinaface(ctx, options, network, landmarks, changes, first, last + 1)
    found = _follow(ctx, landmarks, changes.read(0, frames), times)
    notes = [kept.remark] if kept is not None and kept.remark else []
    return {"method": options.method, **found, "notes": notes}


def _search(ctx: StageContext, options: DetectOptions, landmarks: Any, changes: Any, first: int, end: int) -> None:
    """Chunks first..end-1 in one pass over the source."""
    from lipdub.faces import shots
    from lipdub.faces.detectors.mediapipe import MediaPipeDetector

    frames = landmarks.shape[0]
    start, stop = first * CHUNK, min(end * CHUNK, frames)
    width = ctx.video.width
    before: deque[tuple[np.ndarray, np.ndarray]] = deque(maxlen=WARM_UP)
    points = np.full((CHUNK, options.max_faces, 478, 3), np.nan, np.float32)
    delta = np.zeros(CHUNK, np.float32)
    with MediaPipeDetector(options.max_faces) as finder:
        for frame, rgb, thumb in _frames(ctx, max(0, start - WARM_UP), stop):
            if frame.index >= start:
                at = frame.index % CHUNK
                if at == 0:
                    finder.reset()
                    last = None
                    for old, small in before:
                        if last is not None and shots.measure_change(last, small) >= LOST:
                            finder.reset()
                        finder.faces(old)
                        last = small
                delta[at] = shots.measure_change(before[-1][1], thumb) if before else 0.0
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


def _search_retinaface(
    ctx: StageContext, options: DetectOptions, network: Any, landmarks: Any, changes: Any, first: int, end: int
) -> None:
    """The same with RetinaFace, a handful of frames at a time; its finder begins anew with every chunk."""
    from lipdub.faces import shots
    from lipdub.faces.detectors.retinaface import RetinaFaceDetector

    frames, width = landmarks.shape[0], ctx.video.width
    with RetinaFaceDetector(network, options.max_faces) as finder:
        sources = _frames(ctx, max(0, first * CHUNK - 1), min(end * CHUNK, frames))
        last = next(sources)[2] if first else None
        for chunk in range(first, end):
            a, b = landmarks.span(chunk)
            points = np.full((b - a, options.max_faces, 478, 3), np.nan, np.float32)
            delta = np.zeros(b - a, np.float32)
            finder.reset()
            for low in range(0, b - a, HANDFUL):
                pictures = []
                for at in range(low, min(low + HANDFUL, b - a)):
                    _, rgb, thumb = next(sources)
                    delta[at] = shots.measure_change(last, thumb) if last is not None else 0.0
                    pictures.append(rgb)
                    last = thumb
                cuts = [bool(d >= LOST) for d in delta[low : low + len(pictures)]]
                for at, (rgb, faces) in enumerate(zip(pictures, finder.faces(pictures, cuts), strict=True), low):
                    for slot, face in enumerate(faces):
                        points[at, slot] = face * (width / rgb.shape[1])
                ctx.progress(a + low + len(pictures), frames)
            changes.write(chunk, delta)
            landmarks.write(chunk, points)


def _kept() -> VerifiedWeights:
    """The verified weights of RetinaFace. Raises WeightsError."""
    from lipdub.weights.store import WeightsStore

    return WeightsStore().first(["retinaface"])


def _weights(options: DetectOptions) -> list[Path]:
    return [_kept().path] if options.method == "retinaface" else []


def _frames(ctx: StageContext, start: int, stop: int) -> Iterator[tuple[SourceFrame, np.ndarray, np.ndarray]]:
    """Source frames, as large as they are searched, and their thumbnails."""
    from lipdub.faces.detectors.mediapipe import MAX_SEARCH_SIDE
    from lipdub.media.read import read_frames
    from lipdub.parallel import map_ordered

    width = round(ctx.video.width * min(1.0, MAX_SEARCH_SIDE / max(ctx.video.width, ctx.video.height)))
    return map_ordered(lambda f: _small(f, width), read_frames(ctx.job.video, start, stop), min(ctx.threads, 2))


def _small(frame: SourceFrame, width: int) -> tuple[SourceFrame, np.ndarray, np.ndarray]:
    from lipdub.faces.shots import make_thumbnail

    rgb = frame.picture.rgb_small(width)
    return frame, rgb, make_thumbnail(rgb)


def _follow(ctx: StageContext, landmarks: Any, changes: np.ndarray, times: np.ndarray) -> dict[str, Any]:
    from lipdub.faces import geometry, shots, tracking

    frames, slots = landmarks.shape[:2]
    pose = np.full((frames, slots, 3), np.nan, np.float32)
    boxes = np.full((frames, slots, 3), np.nan)
    mouths = np.zeros((frames, slots))
    for i in range(landmarks.chunks):
        start, stop = landmarks.span(i)
        points = landmarks.read(start, stop)
        for f, s in zip(*np.nonzero(np.isfinite(points[:, :, 0, 0])), strict=True):
            boxes[start + f, s] = tracking.locate_face(points[f, s])
            pose[start + f, s] = geometry.estimate_angles(points[f, s])
            mouths[start + f, s] = np.hypot(*(points[f, s, 291, :2] - points[f, s, 61, :2]))
    spans = shots.find_shots(changes)
    found = tracking.link_tracks(boxes, times, spans)
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
        "frames": frames,
        "shots": [list(s) for s in spans],
        "tracks": rows,
        "faceless": find_faceless_spans(owner, times),
    }


def find_faceless_spans(owner: np.ndarray, times: np.ndarray) -> list[list[float]]:
    """Spans [start, end] in seconds from the first frame in which no track is seen."""
    from lipdub.faces.smoothing import find_runs

    relative = times - times[0]
    return [[float(relative[a]), float(relative[b - 1])] for a, b in find_runs((owner == 0).all(1))]


SPEC = StageSpec(
    name="detect",
    version=1,
    reads=(),
    inputs=("video",),
    options=DetectOptions,
    run=run,
    weights=_weights,
)
