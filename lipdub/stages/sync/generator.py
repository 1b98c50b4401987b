"""Base of the methods of sync whose network draws whole faces.

It finds where a face lies, makes the pass over the source, and composites the lower part of what the network draws at
the face's own size, inside the jaw's outline.
"""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from lipdub.arrays import Array
from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.faces import mesh
from lipdub.faces.compositing import composite_lower_face
from lipdub.faces.track_landmarks import LANDMARK_BLOCK
from lipdub.stages import face_selection, inference, visibility
from lipdub.stages.frames import consecutive_spans
from lipdub.stages.sync import store
from lipdub.stages.sync.method import SyncMethod
from lipdub.stages.sync.plan import FacePlan, plan_output
from lipdub.weights.store import WeightsStore

if TYPE_CHECKING:
    from lipdub.arrays import F64, I32
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.stages.base import StageContext
    from lipdub.stages.sync.options import SyncOptions

LOG = logging.getLogger(__name__)


Generate: TypeAlias = Callable[[list[int], list[Array]], "Array | list[Array]"]
"""Takes output frames and their faces (h, w, 3) uint8 or uint16 RGB. Returns faces that speak: (n, size, size, 3)
float32 RGB 0..1, or a list of (h, w, 4) float32 as large as the faces, with how far each pixel is to be used."""

Edit: TypeAlias = Callable[[list[Array]], list[Array]]
"""Takes faces (h, w, 3) uint8 or uint16 RGB, returns them with another upper half."""


@dataclass(frozen=True)
class GeneratorRun:
    """What a generator method is given for one run.

    Attributes:
        ctx: The stage's context.
        options: The stage's options, the method's own under ``own``.
        plan: What every output frame shows.
        heard: The result of the method's ``hear``: a spectrogram (80, columns) float32.
    """

    ctx: StageContext
    options: SyncOptions
    plan: FacePlan
    heard: Any

    def speech_times(self, frames: list[int]) -> F64:
        """Return the seconds of the speech at these output frames."""
        times: F64 = self.plan.time[frames] - self.options.offset
        return times


class GeneratorMethod(SyncMethod):
    """A method whose network draws whole faces. Of what it draws, only the lower face inside the jaw's outline is used.

    The class finds where each face lies, cuts faces out in one pass over the source, runs the network in batches, and
    writes crops at the face's own size. A subclass says how its network is loaded and called.

    Attributes:
        below_chin: How far under the chin its faces reach, as a share of the face's height.
        profile: How its network runs best.
    """

    uses_networks: ClassVar[bool] = True
    below_chin: ClassVar[float] = 0.0
    profile: ClassVar[inference.NetworkProfile]

    @abstractmethod
    def prepare(self, run: GeneratorRun) -> Generate:
        """Load the network and return what generates. Called only where there is something to generate."""

    def prepare_edit(self, run: GeneratorRun) -> Edit | None:
        """Return what changes the upper faces first; None where they stay the source's."""
        return None

    def notes(self, ctx: StageContext, options: SyncOptions) -> list[str]:
        """Return what a person should know of the weights."""
        return [item.trust_note for item in self.weights.verified(WeightsStore())]

    def track_weights(self, ctx: StageContext, track: int) -> F64 | None:
        """Return how far each frame of a track can be dubbed, (frames,) 0..1; None where the method sets no limit."""
        return None

    def face_boxes(self, ctx: StageContext, track: TrackLandmarks) -> I32:
        """Return where the face lies in each source frame of a track.

        Returns:
            (frames, 4) int32 of even corners in display pixels, empty where there is no face.
        """
        return find_face_boxes(track, ctx.video.width, ctx.video.height, self.below_chin)

    def run(self, ctx: StageContext, options: SyncOptions) -> dict[str, Any]:
        """Plan the whole result from the tracks, then generate the chunks that are missing."""
        tracks = face_selection.open_tracks(ctx, face_selection.select_tracks(ctx, options))
        samples, heard = ctx.prefetched()
        plan = _plan(ctx, options, self, samples, tracks)
        sizes = (plan.box[:, 2:] - plan.box[:, :2]).max(0, initial=16)
        arrays = store.create_crop_arrays(ctx, len(plan.source), int(sizes[0]), int(sizes[1]))
        no_target = np.full((len(plan.source), 2), np.nan, np.float32)
        store.write_tables(
            ctx,
            source=plan.source,
            pts=plan.pts,
            time=plan.time,
            track=plan.track,
            amount=plan.amount,
            wanted=no_target,
        )
        spans = list(consecutive_spans({i for array in arrays for i in array.missing()}))
        if spans:
            run = GeneratorRun(ctx, options, plan, heard)
            generate, edit = self.prepare(run), self.prepare_edit(run)
            batch = inference.preferred_batch(ctx, self.profile)
            for first, last in spans:
                _render(ctx, plan, tracks, generate, edit, batch, arrays, first, last)
        return {
            "method": self.name,
            "frames": len(plan.source),
            "dubbed": plan.dubbed,
            "tracks": sorted(tracks),
            "untouched": visibility.passthrough_spans(plan.time, plan.amount),
            "notes": [note for note in self.notes(ctx, options) if note],
            "offset": options.offset,
            "speech_seconds": samples / SAMPLE_RATE_HZ,
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
    in_range = visibility.range_weights(times, options)
    rows = {row["id"]: row for row in ctx.summaries["detect"]["tracks"]}
    shots = ctx.summaries["detect"]["shots"]
    for track_id, track in tracks.items():
        motion = ctx.upstream["neutralize"].open(f"motion-{track_id}")
        weights = visibility.visibility_weights(motion.read(0, len(motion)), rows[track_id], shots, track.interval)
        limit = method.track_weights(ctx, track_id)
        if limit is not None:
            weights = weights * limit
        boxes = method.face_boxes(ctx, track)
        shown = np.flatnonzero((source >= track.first) & (source <= track.last))
        frames = source[shown] - track.first
        share = weights[frames] * in_range[shown] * (boxes[frames, 2] > boxes[frames, 0])
        shown, frames, share = shown[share > 0], frames[share > 0], share[share > 0]
        track_ids[shown], amount[shown], box[shown] = track_id, share, boxes[frames]
        LOG.debug("track %d: %d frames of the result are dubbed", track_id, len(shown))
    return FacePlan(source, pts, times, track_ids, amount, box)


def find_face_boxes(track: TrackLandmarks, width: int, height: int, below_chin: float) -> I32:
    """Return where the face lies in each source frame of a track.

    Args:
        track: The track.
        width: Of the picture, pixels.
        height: Of the picture, pixels.
        below_chin: Share of the face's height that is added under the chin.

    Returns:
        (frames, 4) int32 of even corners inside the picture, empty where the face is not seen.
    """
    out = np.zeros((track.last - track.first + 1, 4), np.int32)
    for start in range(track.first, track.last + 1, LANDMARK_BLOCK):
        oval = track.read(start, min(start + LANDMARK_BLOCK, track.last + 1))[:, list(mesh.OVAL), :2]
        low, high = oval.min(1), oval.max(1)
        high[:, 1] += below_chin * (high[:, 1] - low[:, 1])
        seen = np.isfinite(low[:, 0])
        low = np.clip(np.nan_to_num(low), 0, [width, height]).astype(np.int32)
        high = np.clip(np.ceil(np.nan_to_num(high)), 0, [width, height]).astype(np.int32)
        low -= low % 2
        out[start - track.first :][: len(low)] = np.where(seen[:, None], np.concatenate([low, high], 1), 0)
    return out


def _render(
    ctx: StageContext,
    plan: FacePlan,
    views: Mapping[int, TrackLandmarks],
    generate: Generate,
    edit: Edit | None,
    size: int,
    arrays: tuple[Any, Any],
    first: int,
    last: int,
) -> None:
    """Render chunks first..last in one pass over their source frames.

    A batch never crosses a chunk boundary. While the network runs, the next batches are cropped and the previous ones
    composited and written.
    """
    from lipdub.media.read import read_frames_in_order
    from lipdub.parallel import map_ordered

    crops, boxes = arrays
    n, height, width, _ = crops.shape
    pixels, places = np.zeros((0, height, width, 4), crops.dtype), np.zeros((0, 4), np.int32)
    batches: list[_Batch] = []
    for chunk in range(first, last + 1):
        a, b = crops.span(chunk)
        todo = [k for k in range(a, b) if plan.amount[k] > 0]
        count = max(1, -(-len(todo) // size))
        parts = [part.tolist() for part in np.array_split(np.array(todo, int), count)]
        batches += [_Batch(chunk, part, i == 0, i == count - 1) for i, part in enumerate(parts)]
    frames = read_frames_in_order(ctx.job.video, [int(plan.source[k]) for batch in batches for k in batch.frames])

    def cut(batch: _Batch) -> list[Array]:
        return [next(frames).picture.rgb(tuple(plan.box[k])) for k in batch.frames]

    def made() -> Iterator[tuple[_Batch, list[Array], list[Array], Any]]:
        for batch, shown in zip(batches, map_ordered(cut, batches, 1), strict=True):
            faces = edit(shown) if edit is not None and shown else shown
            yield batch, shown, faces, generate(batch.frames, faces) if shown else np.empty(0)

    def lay(item: tuple[_Batch, list[Array], list[Array], Any]) -> int:
        nonlocal pixels, places
        batch, shown, faces, new = item
        a, b = crops.span(batch.chunk)
        if batch.begins:
            pixels, places = np.zeros((b - a, *pixels.shape[1:]), pixels.dtype), np.zeros((b - a, 4), np.int32)
        for j, (k, landmarks) in enumerate(zip(batch.frames, _meshes(views, plan, batch.frames), strict=True)):
            points = landmarks - plan.box[k, :2]
            h, w = shown[j].shape[:2]
            upper = faces[j] if edit is not None else None
            pixels[k - a, :h, :w] = composite_lower_face(shown[j], new[j], points, float(plan.amount[k]), upper)
            places[k - a] = plan.box[k]
        if not batch.ends:
            return batch.frames[-1] + 1
        boxes.write(batch.chunk, places)
        crops.write(batch.chunk, pixels)
        return int(b)

    for done in map_ordered(lay, made(), 1):
        ctx.progress(done, n)


@dataclass(frozen=True)
class _Batch:
    """Output frames whose faces are generated at once, of one chunk; whether they are its first, and its last."""

    chunk: int
    frames: list[int]
    begins: bool
    ends: bool


def _meshes(views: Mapping[int, TrackLandmarks], plan: FacePlan, frames: list[int]) -> Array:
    """Read the landmarks (n, 478, 2) of the faces dubbed in these output frames."""
    out = np.empty((len(frames), mesh.VERTICES, 2), np.float32)
    at = np.array(frames, int)
    for name, view in views.items():
        mine = np.flatnonzero(plan.track[at] == name)
        if len(mine):
            sources = plan.source[at[mine]]
            low = int(sources.min())
            out[mine] = view.read(low, int(sources.max()) + 1)[sources - low, :, :2]
    return out
