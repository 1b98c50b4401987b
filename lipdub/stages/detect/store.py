"""The arrays of the detect stage, by name and type.

`landmarks` (frames, slots, 478, 3) float32: pixels of the displayed frame, NaN where a slot is empty.
`change` (frames,) float32: how much each frame changes the view (`shots.ViewChanges`).
`tracks` (frames, slots) int16: id of the track that a slot belongs to, 0 for none.
`checks` (frames, slots, 6) float32: how well a second network agrees with a face (`FaceScores`), NaN where not checked.
`pose` (frames, slots, 3) float32: yaw, pitch and roll in degrees, NaN where a slot is empty.
"""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any, TypedDict

from lipdub.faces import mesh
from lipdub.faces.detectors.face_check import FaceScores
from lipdub.faces.track_landmarks import TrackLandmarks

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lipdub.arrays import F32, F64, I16, Array
    from lipdub.stages.base import StageContext
    from lipdub.workspace import ChunkedArray, StageStore
    from lipdub.workspace.folder import Workspace

CHUNK_FRAMES = 96
STAGE = "detect"
_LANDMARKS, _CHANGE, _TRACKS, _POSE, _CHECKS = "landmarks", "change", "tracks", "pose", "checks"


class TrackRecord(TypedDict):
    """What the summary tells of a track: source frames first..last inclusive, of which `frames` show the face."""

    id: int
    shot: int
    first: int
    last: int
    frames: int
    start: float  # seconds from the first frame
    end: float
    x: float  # median middle and size of the face, pixels
    y: float
    face_px: float
    yaw: list[float]  # least, median and largest, degrees
    mouth_px: float  # median distance between the corners of the mouth, pixels


class FalseTrackRecord(TypedDict):
    """What the summary tells of what was found like a face, but is none, or whose mouth the border cuts."""

    start: float  # seconds from the first frame
    end: float
    x: float  # median middle, pixels
    y: float


class DetectArrays:
    """The arrays while they are written, chunk by chunk of `CHUNK_FRAMES` frames."""

    def __init__(self, store: StageStore, frames: int, slots: int) -> None:
        self._store = store
        shape = (frames, slots, mesh.VERTICES, 3)
        self.landmarks = store.array(_LANDMARKS, shape=shape, dtype="float32", chunk=CHUNK_FRAMES)
        self.changes = store.array(_CHANGE, shape=(frames,), dtype="float32", chunk=CHUNK_FRAMES)
        checked = frames, slots, len(FaceScores._fields)
        self.checks = store.array(_CHECKS, shape=checked, dtype="float32", chunk=CHUNK_FRAMES)

    def missing(self) -> list[int]:
        """List the chunks that are not written yet."""
        return sorted({chunk for array in (self.landmarks, self.changes, self.checks) for chunk in array.missing()})

    def write(self, chunk: int, changes: F32, landmarks: F32, checks: F32) -> None:
        """Write one chunk."""
        self.changes.write(chunk, changes)
        self.checks.write(chunk, checks)
        self.landmarks.write(chunk, landmarks)

    def write_tracks(self, owners: I16, poses: F32) -> None:
        """Write which track each slot belongs to (frames, slots), and the head poses (frames, slots, 3)."""
        whole = max(len(owners), 1)
        self._store.array(_POSE, shape=poses.shape, dtype="float32", chunk=whole).write(0, poses)
        self._store.array(_TRACKS, shape=owners.shape, dtype="int16", chunk=whole).write(0, owners)


class DetectStore:
    """What the detect stage found in a video.

    Args:
        store: the stage's folder in the workspace.
        summary: the stage's summary.
        read_times: returns the times of the source's frames, (frames,) float64 seconds. Only `interval` and
            `landmarks` call it.
    """

    def __init__(
        self, store: StageStore, summary: Mapping[str, Any], read_times: Callable[[], F64] | None = None
    ) -> None:
        self._store = store
        self._read_times = read_times
        self.detector: str = summary["method"]
        self.tracks: Sequence[TrackRecord] = summary["tracks"]
        self.shots: list[tuple[int, int]] = [(first, end) for first, end in summary["shots"]]

    @classmethod
    def from_context(cls, ctx: StageContext) -> DetectStore:
        """Open the store that a later stage reads."""
        from lipdub.media.frame_index import read_frame_times

        return cls(ctx.upstream[STAGE], ctx.summaries[STAGE], lambda: read_frame_times(ctx.job.video))

    @classmethod
    def from_workspace(cls, workspace: Workspace, read_times: Callable[[], F64] | None = None) -> DetectStore | None:
        """Open the store of a workspace; None where the stage has not run."""
        record = workspace.record(STAGE)
        return cls(workspace.store(STAGE), record.summary, read_times) if record is not None else None

    @cached_property
    def interval(self) -> float:
        """Typical time between two frames, seconds."""
        from lipdub.faces.smoothing import estimate_frame_interval

        assert self._read_times is not None
        return estimate_frame_interval(self._read_times())

    @cached_property
    def owners(self) -> I16:
        """Ids of the tracks that the slots belong to: (frames, slots) int16, 0 for none."""
        return self._read(_TRACKS)

    @property
    def slots(self) -> int:
        """Most faces of a frame."""
        return self.all_landmarks.shape[1]

    @cached_property
    def all_landmarks(self) -> ChunkedArray:
        """Meshes of all slots: (frames, slots, 478, 3) float32."""
        return self._store.open(_LANDMARKS)

    def track(self, track_id: int) -> TrackRecord:
        """Return the record of a track."""
        return next(record for record in self.tracks if record["id"] == track_id)

    def landmarks(self, track_id: int) -> TrackLandmarks:
        """Return the smoothed landmarks of a track, read piece by piece."""
        record = self.track(track_id)
        first, last = record["first"], record["last"]
        return TrackLandmarks(self.all_landmarks, self.owners, track_id, first, last, self.interval)

    def read_poses(self) -> F32:
        """Read yaw, pitch and roll of all slots: (frames, slots, 3) float32 degrees."""
        return self._read(_POSE)

    def _read(self, name: str) -> Array:
        array = self._store.open(name)
        return array.read(0, len(array))
