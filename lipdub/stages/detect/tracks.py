"""Link the faces of the frames to tracks, and describe each track."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces import geometry, mesh, shots, tracking
from lipdub.faces.detectors.face_check import median_scores
from lipdub.faces.smoothing import find_runs
from lipdub.stages.detect.store import FalseTrackRecord, TrackRecord

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I16
    from lipdub.stages.detect.store import DetectArrays
    from lipdub.workspace import ChunkedArray

_MOUTH_CORNERS = (mesh.LIPS_OUTER[0], mesh.LIPS_OUTER[10])


def link_tracks(arrays: DetectArrays, times: F64) -> dict[str, Any]:
    """Link the faces of all frames to tracks and write them.

    Args:
        arrays: of the stage, with all chunks written.
        times: (frames,) float64 presentation times, seconds.

    Returns:
        The stage's summary: frames, shots, tracks, false_tracks, faceless.
    """
    boxes, poses, mouths = _measure_faces(arrays.landmarks)
    checks = arrays.checks.read(0, len(times))
    spans = shots.find_shots(arrays.changes.read(0, len(times)))
    owners = np.zeros(boxes.shape[:2], np.int16)
    records: list[TrackRecord] = []
    false_records: list[FalseTrackRecord] = []
    for track in tracking.link_tracks(boxes, times, spans):
        if not is_face(checks[track.frames, track.slots]):
            false_records.append(_describe_false(track, boxes, times))
            continue
        track.id = len(records) + 1
        owners[track.frames, track.slots] = track.id
        records.append(_describe(track, boxes, poses, mouths, times))
    arrays.write_tracks(owners, poses)
    return {
        "frames": len(times),
        "shots": [list(span) for span in spans],
        "tracks": records,
        "false_tracks": false_records,
        "faceless": find_faceless_spans(owners, times),
    }


def is_face(checks: F32) -> bool:
    """Whether a track shows a face where its meshes say, by the checks (n, 5) of its frames; NaN where not checked."""
    checked = checks[np.isfinite(checks[:, 0])]
    return len(checked) == 0 or median_scores(checked).is_face


def find_faceless_spans(owners: I16, times: F64) -> list[list[float]]:
    """Find where no track is seen: first and last time of each span, seconds from the first frame."""
    relative = times - times[0]
    return [[float(relative[a]), float(relative[b - 1])] for a, b in find_runs((owners == 0).all(1))]


def _measure_faces(landmarks: ChunkedArray) -> tuple[F64, F32, F64]:
    """Measure every face: boxes (frames, slots, 3), poses (frames, slots, 3) degrees, mouth widths (frames, slots)."""
    frames, slots = landmarks.shape[:2]
    boxes = np.full((frames, slots, 3), np.nan)
    poses = np.full((frames, slots, 3), np.nan, np.float32)
    mouths = np.zeros((frames, slots))
    left, right = _MOUTH_CORNERS
    for chunk in range(landmarks.chunks):
        start, stop = landmarks.span(chunk)
        points = landmarks.read(start, stop)
        for f, s in zip(*np.nonzero(np.isfinite(points[:, :, 0, 0])), strict=True):
            boxes[start + f, s] = tracking.locate_face(points[f, s])
            poses[start + f, s] = geometry.estimate_angles(points[f, s])
            mouths[start + f, s] = np.hypot(*(points[f, s, right, :2] - points[f, s, left, :2]))
    return boxes, poses, mouths


def _describe_false(track: tracking.Track, boxes: F64, times: F64) -> FalseTrackRecord:
    start, end = (float(times[frame] - times[0]) for frame in (track.frames[0], track.frames[-1]))
    x, y = np.median(boxes[track.frames, track.slots], 0)[:2].tolist()
    return FalseTrackRecord(start=start, end=end, x=x, y=y)


def _describe(track: tracking.Track, boxes: F64, poses: F32, mouths: F64, times: F64) -> TrackRecord:
    rows = track.frames, track.slots
    box, yaw = boxes[rows], poses[rows][:, 0]
    return TrackRecord(
        id=track.id,
        shot=track.shot,
        first=track.frames[0],
        last=track.frames[-1],
        frames=len(track.frames),
        start=float(times[track.frames[0]] - times[0]),
        end=float(times[track.frames[-1]] - times[0]),
        x=float(np.median(box[:, 0])),
        y=float(np.median(box[:, 1])),
        face_px=float(np.median(box[:, 2])),
        yaw=np.percentile(yaw, [0, 50, 100]).round(1).tolist(),
        mouth_px=float(np.median(mouths[rows])),
    )
