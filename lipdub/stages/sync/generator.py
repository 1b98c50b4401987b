"""Base of the methods of sync whose network draws whole faces.

It finds where a face lies, makes the pass over the source, and composites the lower part of what the network draws at
the face's own size, inside the jaw's outline.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from lipdub.arrays import Array
from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.faces import mesh
from lipdub.faces.compositing import composite_lower_face
from lipdub.faces.track_landmarks import LANDMARK_BLOCK
from lipdub.speech.audio_features import FEATURES
from lipdub.stages import inference, visibility
from lipdub.stages.detect.store import DetectStore
from lipdub.stages.frame_pass import FaceMeshes, FrameBatch, FramePass, run_frame_passes
from lipdub.stages.neutralize.store import NeutralizeStore
from lipdub.stages.sync.method import HeardSpeech, SyncMethod
from lipdub.stages.sync.plan import FacePlan, describe_delay, plan_output, speech_delay
from lipdub.stages.sync.store import SyncArrays
from lipdub.stages.targets import select_tracks
from lipdub.weights.store import WeightsStore

if TYPE_CHECKING:
    from lipdub.arrays import F32, F64, I8, I32
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.media.pixels import Picture
    from lipdub.stages.base import StageContext
    from lipdub.stages.sync.options import SyncOptions
    from lipdub.workspace import ChunkedArray

LOG = logging.getLogger(__name__)
_TURN_DEGREES = 60  # from the turn so far, from which a face is turned otherwise
# Where the chin is in the picture, by the turns that bring the face upright: which end (1 or -1) of which axis.
_CHIN_SIDES = ((1, 1), (-1, 0), (-1, 1), (1, 0))


Generate: TypeAlias = Callable[[list[int], list[Array]], "Array | list[Array]"]
"""Takes output frames and their faces (h, w, 3) uint8 or uint16 RGB. Returns faces that speak, upright as by
`GeneratorRun.turn_upright`: (n, size, size, 3) float32 RGB 0..1, or a list of (h, w, 4) float32 as large as the faces,
with how far each pixel is to be used."""

Edit: TypeAlias = Callable[[list[int], list[Array]], list[Array]]
"""Takes output frames and their faces (h, w, 3) uint8 or uint16 RGB, returns these with another upper half."""


@dataclass(frozen=True)
class GeneratorRun:
    """What a generator method is given for one run.

    Attributes:
        ctx: The stage's context.
        options: The stage's options, the method's own under ``own``.
        plan: What every output frame shows.
        features: The method's audio feature of the speech.
    """

    ctx: StageContext
    options: SyncOptions
    plan: FacePlan
    features: Any

    def speech_times(self, frames: list[int]) -> F64:
        """Return the seconds of the speech at these output frames."""
        times: F64 = self.plan.time[frames] - speech_delay(self.ctx.facts, self.options)
        return times

    def turn_upright(self, frames: list[int], faces: Iterable[Array]) -> list[Array]:
        """Return faces (h, w, ...) of these output frames, turned by quarters so that people are upright."""
        turns = self.plan.turns[frames]
        return [np.ascontiguousarray(np.rot90(face, turn)) for face, turn in zip(faces, turns, strict=True)]

    def turn_back(self, frames: list[int], faces: Iterable[Array]) -> list[Array]:
        """Undo `turn_upright`."""
        turns = self.plan.turns[frames]
        return [np.ascontiguousarray(np.rot90(face, -turn)) for face, turn in zip(faces, turns, strict=True)]


class GeneratorMethod(SyncMethod):
    """A method whose network draws whole faces. Of what it draws, only the lower face inside the jaw's outline is used.

    The class finds where each face lies, cuts faces out in one pass over the source, runs the network in batches, and
    writes crops at the face's own size. A subclass says how its network is loaded and called.

    Attributes:
        audio_feature: What it reads of the speech, a name in `speech.audio_features.FEATURES`. A method whose model
            decides that has its own `hear`.
        below_chin: How far under the chin its faces reach, as a share of the face's height.
        sees_upright: Whether faces of turned people are turned upright for the network.
        traits: How its network runs best.
    """

    uses_networks: ClassVar[bool] = True
    audio_feature: ClassVar[str]
    below_chin: ClassVar[float] = 0.0
    sees_upright: ClassVar[bool] = True
    traits: ClassVar[inference.NetworkTraits]

    def hear(self, audio: F32, options: Any) -> Array:
        """Compute the audio feature of the speech."""
        return FEATURES.get(self.audio_feature).compute(audio)

    @abstractmethod
    def prepare(self, run: GeneratorRun) -> Generate:
        """Load the network and return what generates. Called only where there is something to generate."""

    def prepare_edit(self, run: GeneratorRun) -> Edit | None:
        """Return what changes the upper faces first; None where they stay the source's."""
        return None

    def notes(self, ctx: StageContext, options: SyncOptions) -> list[str]:
        """Return what a person should know of the weights."""
        return [item.trust_note for item in self.weights.verify_files(WeightsStore())]

    def track_weights(self, ctx: StageContext, track: int) -> F64 | None:
        """Return how far each frame of a track can be dubbed, (frames,) 0..1; None where the method sets no limit."""
        return None

    def face_boxes(self, ctx: StageContext, track: TrackLandmarks, turns: I8) -> I32:
        """Return where the face lies in each source frame of a track.

        Args:
            ctx: The stage's context.
            track: The track.
            turns: (frames,) counter-clockwise quarter turns that bring the face upright.

        Returns:
            (frames, 4) int32 of even corners in display pixels, empty where there is no face.
        """
        return find_face_boxes(track, turns, ctx.video.width, ctx.video.height, self.below_chin)

    def run(self, ctx: StageContext, options: SyncOptions) -> dict[str, Any]:
        """Plan the whole result from the tracks, then generate the chunks that are missing."""
        detect = DetectStore.from_context(ctx)
        tracks = {track: detect.landmarks(track) for track in select_tracks(ctx, options)}
        heard: HeardSpeech = ctx.prefetched()
        for note in heard.notes:
            ctx.warn(note)
        plan = _plan(ctx, options, self, heard.samples, tracks)
        sizes = (plan.box[:, 2:] - plan.box[:, :2]).max(0, initial=16)
        arrays = SyncArrays(ctx)
        crops, boxes = arrays.create_crops(len(plan.source), int(sizes[0]), int(sizes[1]))
        arrays.write_plan(plan)
        if crops.missing() or boxes.missing():
            run = GeneratorRun(ctx, options, plan, heard.features)
            batch = inference.preferred_batch(ctx, self.traits)
            mask = self.choose_mask(options)
            frames = _frame_pass(plan, tracks, self.prepare(run), self.prepare_edit(run), (crops, boxes), batch, mask)
            run_frame_passes(ctx, frames)
        return {
            "method": self.name,
            "frames": len(plan.source),
            "dubbed": plan.dubbed,
            "tracks": sorted(tracks),
            "untouched": visibility.passthrough_spans(plan.time, plan.amount),
            "notes": [*describe_delay(ctx.facts), *(note for note in self.notes(ctx, options) if note)],
            "offset": speech_delay(ctx.facts, options),
            "speech_seconds": heard.samples / SAMPLE_RATE_HZ,
        }


def _plan(
    ctx: StageContext,
    options: SyncOptions,
    method: GeneratorMethod,
    samples: int,
    tracks: Mapping[int, TrackLandmarks],
) -> FacePlan:
    source, pts, times = plan_output(ctx, options, samples)
    n = len(source)
    track_ids, amount, box = np.zeros(n, np.int16), np.zeros(n, np.float32), np.zeros((n, 4), np.int32)
    turns = np.zeros(n, np.int8)
    in_range = visibility.range_weights(times, options)
    detect, neutralize = DetectStore.from_context(ctx), NeutralizeStore.from_context(ctx)
    for track_id, track in tracks.items():
        motion, record = neutralize.read_motion(track_id), detect.track(track_id)
        weights = visibility.visibility_weights(motion, record, detect.shots, track.interval)
        limit = method.track_weights(ctx, track_id)
        if limit is not None:
            weights = weights * limit
        upright = np.zeros(track.last - track.first + 1, np.int8)
        if method.sees_upright:
            upright = find_quarter_turns(track)
        boxes = method.face_boxes(ctx, track, upright)
        shown = np.flatnonzero((source >= track.first) & (source <= track.last))
        frames = source[shown] - track.first
        share = weights[frames] * in_range[shown] * (boxes[frames, 2] > boxes[frames, 0])
        shown, frames, share = shown[share > 0], frames[share > 0], share[share > 0]
        track_ids[shown], amount[shown], box[shown], turns[shown] = track_id, share, boxes[frames], upright[frames]
        LOG.debug("track %d: %d frames of the result are dubbed", track_id, len(shown))
    return FacePlan(source, pts, times, track_ids, amount, box, turns)


def describe_softness(pixels: int) -> str:
    """Return a note for a person on a network that draws faces of this side in pixels."""
    return (
        f"the mouths are drawn at {pixels} pixels a face, so those of larger faces are soft unless they are restored "
        "(--enhance vqfr or gfpgan, with published weights)"
    )


def describe_mask(mask: str, learnt: str) -> str:
    """Return a note for a person on a mask that a model was not trained with; "" for its own."""
    if mask == learnt:
        return ""
    return f"the model learnt to draw inside the mask {learnt}: with {mask} expect edges and smears"


def find_face_boxes(track: TrackLandmarks, turns: I8, width: int, height: int, below_chin: float) -> I32:
    """Return where the face lies in each source frame of a track.

    Args:
        track: The track.
        turns: (frames,) of `find_quarter_turns`.
        width: Of the picture, pixels.
        height: Of the picture, pixels.
        below_chin: Share of the face's height that is added under the chin.

    Returns:
        (frames, 4) int32 of even corners inside the picture, empty where the face is not seen.
    """
    out = np.zeros((len(turns), 4), np.int32)
    for rows, points in _read_blocks(track):
        oval = points[:, list(mesh.OVAL), :2]
        low, high = oval.min(1), oval.max(1)
        beyond = below_chin * (high - low)
        for turn, (side, axis) in enumerate(_CHIN_SIDES):
            edge, is_there = high if side > 0 else low, turns[rows] == turn
            edge[is_there, axis] += side * beyond[is_there, axis]
        seen = np.isfinite(low[:, 0])
        low = np.clip(np.nan_to_num(low), 0, [width, height]).astype(np.int32)
        high = np.clip(np.ceil(np.nan_to_num(high)), 0, [width, height]).astype(np.int32)
        low -= low % 2
        out[rows] = np.where(seen[:, None], np.concatenate([low, high], 1), 0)
    return out


def find_quarter_turns(track: TrackLandmarks) -> I8:
    """Find the counter-clockwise quarter turns that bring the face upright in each source frame of a track.

    A head that tilts about half a quarter keeps its turn, so that the turn does not change to and fro.

    Returns:
        (frames,) int8, 0 to 3; as in the frame before where the face is not seen.
    """
    out = np.zeros(track.last - track.first + 1, np.int8)
    turn = 0
    for rows, points in _read_blocks(track):
        up = points[:, mesh.FOREHEAD[0], :2] - points[:, mesh.CHIN, :2]
        angles = np.degrees(np.arctan2(up[:, 0], -up[:, 1]))  # clockwise from upright
        for row, angle in enumerate(angles.tolist(), rows.start):
            if np.isfinite(angle) and abs((angle - 90 * turn + 180) % 360 - 180) > _TURN_DEGREES:
                turn = round(angle / 90) % 4
            out[row] = turn
    return out


def _read_blocks(track: TrackLandmarks) -> Iterator[tuple[slice, F32]]:
    """Yield blocks of a track's meshes (n, 478, 3), and which of its frames they are of."""
    for start in range(track.first, track.last + 1, LANDMARK_BLOCK):
        points = track.read(start, min(start + LANDMARK_BLOCK, track.last + 1))
        yield slice(start - track.first, start - track.first + len(points)), points


def _frame_pass(
    plan: FacePlan,
    tracks: Mapping[int, TrackLandmarks],
    generate: Generate,
    edit: Edit | None,
    arrays: tuple[ChunkedArray, ChunkedArray],
    batch_size: int,
    mask: str,
) -> FramePass:
    """Describe the pass that cuts faces out, generates new ones, and composites their lower parts."""
    meshes = FaceMeshes(tracks)

    def cut(picture: Picture, k: int) -> Array:
        return picture.rgb(tuple(plan.box[k]))

    def draw(batch: FrameBatch) -> tuple[list[Array], Any]:
        if not batch.items:
            return [], np.empty(0)
        faces = edit(batch.items, batch.inputs) if edit is not None else batch.inputs
        return faces, generate(batch.items, faces)

    def composite(batch: FrameBatch, drawn: tuple[list[Array], Any]) -> None:
        pixels, boxes = batch.out
        for row, k, face, edited, new in zip(batch.rows, batch.items, batch.inputs, *drawn, strict=True):
            points = meshes.read(int(plan.track[k]), int(plan.source[k])).astype(np.float64)
            h, w = face.shape[:2]
            turns = int(plan.turns[k])
            points[:, :2] = turn_points(points[:, :2] - plan.box[k, :2], h, w, turns)
            upper = np.rot90(edited, turns) if edit is not None else None
            composed = composite_lower_face(np.rot90(face, turns), new, points, float(plan.amount[k]), upper, mask)
            pixels[row, :h, :w] = np.rot90(composed, -turns)
            boxes[row] = plan.box[k]

    return FramePass(arrays, plan.source, plan.is_dubbed, draw, composite, load=cut, batch=batch_size, balanced=True)


def turn_points(points: F32, height: int, width: int, turns: int) -> F32:
    """Turn points (n, 2) of a picture as `np.rot90` turns its pixels, by counter-clockwise quarter turns."""
    x, y = points.T
    turned = ((x, y), (y, width - 1 - x), (width - 1 - x, height - 1 - y), (height - 1 - y, x))
    return np.stack(turned[turns], 1)
