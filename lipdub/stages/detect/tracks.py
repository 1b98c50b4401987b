"""Link the faces of the frames to tracks, and describe each track."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from lipdub.faces import geometry, mesh, shots, tracking
from lipdub.faces.detectors.face_check import median_scores
from lipdub.faces.detectors.meshes import is_face_inside, is_forehead_cut, is_mouth_inside
from lipdub.faces.smoothing import find_runs
from lipdub.stages.detect.store import FalseTrackRecord, TrackRecord

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I16, Mask
    from lipdub.stages.detect.store import DetectArrays
    from lipdub.workspace import ChunkedArray

_MOUTH_CORNERS = (mesh.LIPS_OUTER[0], mesh.LIPS_OUTER[10])


class FaceViews(NamedTuple):
    """What the picture shows of faces; bool arrays of one shape.

    Attributes:
        is_whole: The whole face lies in the picture.
        is_mouth_whole: The mouth does.
        is_forehead_cut: The border cuts off the forehead, but not the eyes.
    """

    is_whole: Mask
    is_mouth_whole: Mask
    is_forehead_cut: Mask


def view_face(face: F32, width: float, height: float) -> tuple[bool, bool, bool]:
    """Tell what a picture shows of a mesh (478, 3), in the order of `FaceViews`."""
    shape = face, width, height
    return is_face_inside(*shape), is_mouth_inside(*shape), is_forehead_cut(*shape)


def link_tracks(arrays: DetectArrays, times: F64, size: tuple[int, int]) -> dict[str, Any]:
    """Link the faces of all frames to tracks and write them.

    A track leaves out the frames whose mouth is not wholly in the picture.

    Args:
        arrays: of the stage, with all chunks written.
        times: (frames,) float64 presentation times, seconds.
        size: width and height of the video, pixels.

    Returns:
        The stage's summary: frames, shots, tracks, false_tracks, cut_mouths, faceless.
    """
    boxes, poses, mouths, views = _measure_faces(arrays.landmarks, size)
    checks = arrays.checks.read(0, len(times))
    spans = shots.find_shots(arrays.changes.read(0, len(times)))
    owners = np.zeros(boxes.shape[:2], np.int16)
    records: list[TrackRecord] = []
    false_records: list[FalseTrackRecord] = []
    cut_records: list[FalseTrackRecord] = []
    for track in tracking.link_tracks(boxes, times, spans):
        rows = track.frames, track.slots
        seen = FaceViews(*(view[rows] for view in views))
        is_cut = ~seen.is_mouth_whole
        cut_records += [_describe_part(track, a, b, boxes, times) for a, b in find_runs(is_cut)]
        is_false = find_false_frames(checks[rows], seen)
        false_records += [_describe_part(track, a, b, boxes, times) for a, b in find_runs(is_false)]
        _keep(track, ~is_false & ~is_cut)
        if not track.frames:
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
        "cut_mouths": cut_records,
        "faceless": find_faceless_spans(owners, times),
    }


def is_face(checks: F32, *, has_forehead: bool = True) -> bool:
    """Whether a track shows a face where its meshes say.

    Args:
        checks: (n, 6) of its frames, NaN where not checked.
        has_forehead: The border of the picture does not cut off the forehead.
    """
    checked = checks[np.isfinite(checks[:, 0])]
    if len(checked) == 0:
        return True
    scores = median_scores(checked)
    return scores.is_face if has_forehead else scores.is_face_without_forehead


def find_false_frames(checks: F32, views: FaceViews) -> Mask:
    """Find the frames in which a track shows no face where its meshes say.

    The border of the picture misleads the detector. So stretches in which it cuts the face are judged by themselves.

    Args:
        checks: (n, 6) of the track's frames, NaN where not checked.
        views: What the picture shows of the face in these frames. Those without the mouth are not judged.

    Returns:
        (n,) bool.
    """
    result = np.zeros(len(checks), bool)
    judged = np.where(views.is_mouth_whole[:, None], checks, np.nan)
    result[:] = not is_face(judged)
    for a, b in find_runs(~views.is_whole):
        if np.isfinite(judged[a:b, 0]).any():
            has_forehead = not views.is_forehead_cut[a:b].mean() > 0.5
            result[a:b] = not is_face(judged[a:b], has_forehead=has_forehead)
    false: Mask = result & views.is_mouth_whole
    return false


def find_faceless_spans(owners: I16, times: F64) -> list[list[float]]:
    """Find where no track is seen: first and last time of each span, seconds from the first frame."""
    relative = times - times[0]
    return [[float(relative[a]), float(relative[b - 1])] for a, b in find_runs((owners == 0).all(1))]


def _measure_faces(landmarks: ChunkedArray, size: tuple[int, int]) -> tuple[F64, F32, F64, FaceViews]:
    """Measure every face.

    Returns:
        Boxes (frames, slots, 3), poses (frames, slots, 3) degrees, mouth widths (frames, slots), and views.
    """
    frames, slots = landmarks.shape[:2]
    boxes = np.full((frames, slots, 3), np.nan)
    poses = np.full((frames, slots, 3), np.nan, np.float32)
    mouths = np.zeros((frames, slots))
    views = FaceViews(*np.zeros((len(FaceViews._fields), frames, slots), bool))
    left, right = _MOUTH_CORNERS
    for chunk in range(landmarks.chunks):
        start, stop = landmarks.span(chunk)
        points = landmarks.read(start, stop)
        for f, s in zip(*np.nonzero(np.isfinite(points[:, :, 0, 0])), strict=True):
            boxes[start + f, s] = tracking.locate_face(points[f, s])
            poses[start + f, s] = geometry.estimate_angles(points[f, s])
            mouths[start + f, s] = np.hypot(*(points[f, s, right, :2] - points[f, s, left, :2]))
            for view, is_seen in zip(views, view_face(points[f, s], *size), strict=True):
                view[start + f, s] = is_seen
    return boxes, poses, mouths, views


def _keep(track: tracking.Track, kept: Mask) -> None:
    """Keep the frames of a track where `kept` (n,) is true."""
    rows = np.flatnonzero(kept).tolist()
    track.frames, track.slots = [track.frames[i] for i in rows], [track.slots[i] for i in rows]


def _describe_part(track: tracking.Track, low: int, high: int, boxes: F64, times: F64) -> FalseTrackRecord:
    """Describe a track's frames from its `low`-th to before its `high`-th."""
    frames, slots = track.frames[low:high], track.slots[low:high]
    start, end = (float(times[frame] - times[0]) for frame in (frames[0], frames[-1]))
    x, y = np.median(boxes[frames, slots], 0)[:2].tolist()
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
