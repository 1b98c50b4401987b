"""The arrays of the neutralize stage, by name and type. ID stands for a track's id.

Of every talker that was measured:

- `face-ID` (4, 478, 3) float64: canonical mean face, response base, response gains (`mouth_shapes.unpack_talker`);
- `motion-ID` (frames, 10) float32: a motion table over the track's frames;
- JSON `track-ID`: a `TalkerRecord`.

Of each method, what it adds: the units of `rest` are `UnitArrays`, the drawn faces of others are `DrawnFaces`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np

from lipdub.errors import UsageError
from lipdub.faces.talker_tables import MotionTable, UnitColumn, UnitTable

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from lipdub.arrays import F32, F64, U8, Array, Mask
    from lipdub.faces.mouth_shapes import MouthResponse, SpeechRange
    from lipdub.stages.base import StageContext
    from lipdub.workspace import ChunkedArray, StageStore
    from lipdub.workspace.folder import Workspace

STAGE = "neutralize"
DRAWN_CHUNK = 32  # frames; drawing is slow, so an interrupted run loses few


class TalkerRecord(TypedDict):
    """What was measured of a talker, besides the arrays. Pairs are opening and width of the mouth in eye distances."""

    mean: list[float]
    low: list[float]
    rest: list[float]
    high: list[float]
    trust: float  # 0..1, how far the talker's own range is used
    slope: float
    open_std: float  # of the opening, eye distances
    units: int
    frames_of_units: list[int]


class TalkerSummary(TypedDict):
    """What the stage's summary says of a talker."""

    id: int
    usable: bool
    units: int
    trust: float
    open_std: float


@dataclass(frozen=True)
class Talker:
    """A talker as measured.

    Attributes:
        canonical: (478, 3) float64 mean face in the canonical pose.
        response: How the face follows the mouth.
        speech_range: The mouth's range in speech.
        motion: A row for each frame of the track.
    """

    canonical: F64
    response: MouthResponse
    speech_range: SpeechRange
    motion: MotionTable


class NeutralizeStore:
    """What the neutralize stage knows of each talker.

    Args:
        store: The stage's folder in the workspace.
        summary: The stage's summary; None while the stage itself writes.
    """

    def __init__(self, store: StageStore, summary: Mapping[str, Any] | None = None) -> None:
        self.store = store
        self.method: str = (summary or {}).get("method", "")
        self.talkers: Sequence[TalkerSummary] = (summary or {}).get("tracks", ())

    @classmethod
    def from_context(cls, ctx: StageContext) -> NeutralizeStore:
        """Open the store that a later stage reads."""
        return cls(ctx.upstream[STAGE], ctx.summaries[STAGE])

    @classmethod
    def from_workspace(cls, workspace: Workspace) -> NeutralizeStore | None:
        """Open the store of a workspace; None where the stage has not run."""
        record = workspace.record(STAGE)
        return cls(workspace.store(STAGE), record.summary) if record is not None else None

    @property
    def usable(self) -> set[int]:
        """Ids of the tracks that can be dubbed."""
        return {talker["id"] for talker in self.talkers if talker["usable"]}

    def has_talker(self, track: int) -> bool:
        """Return whether a track was measured."""
        return self.store.has(f"track-{track}")

    def write_talker(self, track: int, face: F64, motion: F32, record: TalkerRecord) -> None:
        """Write what was measured of a track: (4, 478, 3) `face-ID`, the rows of its motion table, its record."""
        self.store.array(f"face-{track}", shape=face.shape, dtype="float64", chunk=len(face)).write(0, face)
        self.store.array(f"motion-{track}", shape=motion.shape, dtype="float32", chunk=len(motion)).write(0, motion)
        self.store.put_json(f"track-{track}", record)  # last: it says that the others are complete

    def read_record(self, track: int) -> TalkerRecord:
        """Read the record of a track."""
        record: TalkerRecord = self.store.json(f"track-{track}")
        return record

    def read_mean_face(self, track: int) -> F64:
        """Read the canonical mean face of a track: (478, 3) float64."""
        face: F64 = self.store.open(f"face-{track}").read(0, 1)[0]
        return face

    def read_motion(self, track: int) -> MotionTable:
        """Read the motion table of a track."""
        array = self.store.open(f"motion-{track}")
        return MotionTable(array.read(0, len(array)))

    def read_talker(self, track: int) -> Talker:
        """Read all that was measured of a track."""
        from lipdub.faces.mouth_shapes import unpack_talker

        face = self.store.open(f"face-{track}")
        unpacked = unpack_talker(face.read(0, len(face)), dict(self.read_record(track)))
        return Talker(*unpacked, self.read_motion(track))

    def open_units(self, track: int) -> UnitArrays:
        """Open the units of a track, which the method `rest` wrote."""
        return UnitArrays(*(self.store.open(f"{name}-{track}") for name in UNIT_ARRAYS))

    def create_units(self, track: int, units: int, side: int, dtype: Any, chunk: int) -> UnitArrays:
        """Create the arrays of a track's units, or continue those that are there.

        Args:
            track: Its id.
            units: How many there are.
            side: Of a patch, pixels.
            dtype: Of the patches, uint8 or uint16.
            chunk: Units written at once.
        """
        from lipdub.faces.mouth_rendering import MOUTH_POINTS

        shapes: list[tuple[tuple[int, ...], Any]] = [
            ((units, side, side, 3), dtype),
            ((units, MOUTH_POINTS, 2), "float32"),
            ((units, len(UnitColumn)), "float32"),
        ]
        arrays = (
            self.store.array(f"{name}-{track}", shape=shape, dtype=kind, chunk=chunk)
            for name, (shape, kind) in zip(UNIT_ARRAYS, shapes, strict=True)
        )
        return UnitArrays(*arrays)


UNIT_ARRAYS = ("patch", "points", "unit")


@dataclass(frozen=True)
class UnitArrays:
    """The units of a track.

    Attributes:
        patches: `patch-ID` (units, side, side, 3) uint8 or uint16 RGB, the mouth and what is around it.
        points: `points-ID` (units, 100, 2) float32 mouth points, pixels of the patch.
        table: `unit-ID` (units, 17) float32, the rows of a unit table.
    """

    patches: ChunkedArray
    points: ChunkedArray
    table: ChunkedArray

    @property
    def arrays(self) -> tuple[ChunkedArray, ...]:
        """All of them."""
        return self.patches, self.points, self.table

    def read_table(self) -> UnitTable:
        """Read the unit table."""
        return UnitTable(self.table.read(0, len(self.table)))


class DrawnFaces:
    """The faces of a track that a method drew, and where they lie in the frames.

    Args:
        store: The stage's folder.
        track: The track's id.
        place_name: Name of the array of places before the id.

    Arrays:
        `reference-ID` (frames, side, side, 3) uint8 RGB, the faces.
        `PLACE-ID` (frames, 4), where they lie, as the method's alignment defines it.
    """

    def __init__(self, store: StageStore, track: int, place_name: str) -> None:
        self._store = store
        self._track = track
        self._place = f"{place_name}-{track}"
        self._face = f"reference-{track}"

    def exists(self) -> bool:
        """Return whether the method drew this track."""
        return self._store.has(self._place)

    def write_places(self, fit: Callable[[], Array], frames: int, dtype: str) -> Array:
        """Return the places, (frames, 4), of `fit()`; they are computed once and stored."""
        places = self._store.array(self._place, shape=(frames, 4), dtype=dtype, chunk=frames)
        if places.missing():
            places.write(0, fit())
        return places.read(0, frames)

    def create_faces(self, frames: int, side: int) -> ChunkedArray:
        """Create the array of the faces, or continue the one that is there."""
        return self._store.array(self._face, shape=(frames, side, side, 3), dtype="uint8", chunk=DRAWN_CHUNK)

    def read_places(self) -> Array:
        """Read all places: (frames, 4).

        Raises:
            UsageError: The method drew none of this track.
        """
        if not self.exists():
            raise UsageError(
                f"neutralize drew no references of face {self._track}",
                hint="Run lipdub neutralize with the same --face first.",
            )
        array = self._store.open(self._place)
        return array.read(0, len(array))

    def read_place(self, index: int) -> Array:
        """Read the place of one frame of the track: (4,)."""
        place: Array = self._store.open(self._place).read(index, index + 1)[0]
        return place

    def read_face(self, index: int) -> U8:
        """Read the face of one frame of the track: (side, side, 3) uint8 RGB."""
        face: U8 = self._store.open(self._face).read(index, index + 1)[0]
        return face


def drawn_heads(store: StageStore, track: int) -> DrawnFaces:
    """Return the faces of method `dnet`: ``box-ID`` int32 of `faces.alignment.head`, empty where nothing is drawn."""
    return DrawnFaces(store, track, "box")


def drawn_full_faces(store: StageStore, track: int) -> DrawnFaces:
    """Return the faces of method `silent-lip`: ``placement-ID`` float64 of `faces.alignment.full_face`, or NaN."""
    return DrawnFaces(store, track, "placement")


def has_box(boxes: Array) -> Mask:
    """Return which boxes (n, 4) are not empty."""
    result: Mask = boxes[:, 2] > boxes[:, 0]
    return result


def has_placement(places: Array) -> Mask:
    """Return which placements (n, 4) are known."""
    result: Mask = np.isfinite(places[:, 0])
    return result
