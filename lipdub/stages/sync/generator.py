"""What those methods of sync share that generate a whole face: where it lies, the pass over the source, and how the
lower part of what a network gives is laid back at the face's own size, inside the jaw's outline.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.faces.compositing import composite_lower_face
from lipdub.stages import face_selection
from lipdub.stages.frames import LANDMARK_BLOCK, consecutive_spans
from lipdub.stages.sync import store, visibility
from lipdub.stages.sync.plan import FacePlan, plan_output

if TYPE_CHECKING:
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.stages.base import StageContext
    from lipdub.stages.sync.options import SyncOptions


Generate: TypeAlias = Callable[[list[int], list[np.ndarray]], np.ndarray | list[np.ndarray]]
"""Output frames and their faces (h, w, 3) RGB, uint8 or uint16, to faces that speak: float32 (n, size, size, 3) RGB 0..1; or
float32 (h, w, 4) each, as large as they were, with how far each pixel is to be taken."""

Edit: TypeAlias = Callable[[list[np.ndarray]], list[np.ndarray]]
"""Faces (h, w, 3) RGB, uint8 or uint16, to the same with another upper half."""


@dataclass(frozen=True)
class Method:
    """A method that generates faces.

    name: as it is called. below: how far under the chin its faces reach, as a share of the face's height. batch: faces
    generated at once. prepare: from the plan and the speech's spectrogram to what generates; called only when there is
    something to generate. notes: what a person should know of its weights. able: from a track's id to how far each frame
    of it can be dubbed (frames,) 0..1, where the method itself sets a limit. edit: makes what changes the upper
    faces beforehand, where they are not to stay the source's; called when `prepare` is. boxes: where the faces lie in a
    track's frames, as `face_boxes` gives them, where the method goes by something else.
    """

    name: str
    below: float
    batch: int
    prepare: Callable[[FacePlan, np.ndarray], Generate]
    notes: tuple[str, ...] = ()
    able: Callable[[int], np.ndarray] | None = None
    edit: Callable[[FacePlan], Edit] | None = None
    boxes: Callable[[TrackLandmarks], np.ndarray] | None = None


def run_generator(ctx: StageContext, options: SyncOptions, method: Method) -> dict[str, Any]:
    """Plans the whole result from the tracks, then generates the chunks that are missing."""
    views = face_selection.open_tracks(ctx, face_selection.select_tracks(ctx, options))
    samples, mel = ctx.ahead()
    plan = _plan(ctx, options, method, samples, views)
    sizes = (plan.box[:, 2:] - plan.box[:, :2]).max(0, initial=16)
    arrays = store.create_crop_arrays(ctx, len(plan.source), int(sizes[0]), int(sizes[1]))
    nothing = np.full((len(plan.source), 2), np.nan, np.float32)
    store.write_tables(
        ctx, source=plan.source, pts=plan.pts, time=plan.time, track=plan.track, amount=plan.amount, wanted=nothing
    )
    spans = list(consecutive_spans({i for a in arrays for i in a.missing()}))
    if spans:
        generate = method.prepare(plan, mel)
        edit = method.edit(plan) if method.edit is not None else None
        for first, last in spans:
            _render(ctx, plan, views, generate, edit, method.batch, arrays, first, last)
    return {
        "method": method.name,
        "frames": len(plan.source),
        "dubbed": plan.dubbed,
        "tracks": sorted(views),
        "untouched": visibility.passthrough_spans(plan.time, plan.amount),
        "notes": [note for note in method.notes if note],
        "offset": options.offset,
        "speech_seconds": samples / SAMPLE_RATE_HZ,
    }


def _plan(
    ctx: StageContext,
    options: SyncOptions,
    method: Method,
    samples: int,
    views: Mapping[int, TrackLandmarks],
) -> FacePlan:
    source, pts, moments = plan_output(ctx, options, samples)
    n = len(source)
    track, amount, box = np.zeros(n, np.int16), np.zeros(n, np.float32), np.zeros((n, 4), np.int32)
    asked = visibility.range_weights(moments, options)
    rows = {row["id"]: row for row in ctx.summaries["detect"]["tracks"]}
    for name, view in views.items():
        motion = ctx.upstream["neutralize"].open(f"motion-{name}")
        shots = ctx.summaries["detect"]["shots"]
        shown = visibility.visibility_weights(motion.read(0, len(motion)), rows[name], shots, view.interval)
        if method.able is not None:
            shown = shown * method.able(name)
        boxes = (
            method.boxes(view)
            if method.boxes is not None
            else face_boxes(view, ctx.video.width, ctx.video.height, method.below)
        )
        at = np.flatnonzero((source >= view.first) & (source <= view.last))
        here = source[at] - view.first
        much = shown[here] * asked[at] * (boxes[here, 2] > boxes[here, 0])
        at, here, much = at[much > 0], here[much > 0], much[much > 0]
        track[at], amount[at], box[at] = name, much, boxes[here]
    return FacePlan(source, pts, moments, track, amount, box)


def face_boxes(view: TrackLandmarks, width: int, height: int, below: float) -> np.ndarray:
    """Where the face lies in each source frame of a track, int32 (frames, 4) of even corners inside a picture of this
    size; empty where it is not seen. below: share of its height that is added under the chin.
    """
    from lipdub.faces import mesh

    out = np.zeros((view.last - view.first + 1, 4), np.int32)
    for start in range(view.first, view.last + 1, LANDMARK_BLOCK):
        oval = view.read(start, min(start + LANDMARK_BLOCK, view.last + 1))[:, list(mesh.OVAL), :2]
        low, high = oval.min(1), oval.max(1)
        high[:, 1] += below * (high[:, 1] - low[:, 1])
        seen = np.isfinite(low[:, 0])
        low = np.clip(np.nan_to_num(low), 0, [width, height]).astype(np.int32)
        high = np.clip(np.ceil(np.nan_to_num(high)), 0, [width, height]).astype(np.int32)
        low -= low % 2
        out[start - view.first :][: len(low)] = np.where(seen[:, None], np.concatenate([low, high], 1), 0)
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
    """Chunks first..last in one pass over their source frames, in batches of at most this size; none reaches over a chunk's end.

    The faces of the next batches are cut out, and those of the last ones laid and written, beside the network.
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

    def cut(batch: _Batch) -> list[np.ndarray]:
        return [next(frames).picture.rgb(tuple(plan.box[k])) for k in batch.frames]

    def made() -> Iterator[tuple[_Batch, list[np.ndarray], list[np.ndarray], Any]]:
        for batch, shown in zip(batches, map_ordered(cut, batches, 1), strict=True):
            faces = edit(shown) if edit is not None and shown else shown
            yield batch, shown, faces, generate(batch.frames, faces) if shown else np.empty(0)

    def lay(item: tuple[_Batch, list[np.ndarray], list[np.ndarray], Any]) -> int:
        nonlocal pixels, places
        batch, shown, faces, new = item
        a, b = crops.span(batch.chunk)
        if batch.begins:
            pixels, places = np.zeros((b - a, *pixels.shape[1:]), pixels.dtype), np.zeros((b - a, 4), np.int32)
        for j, (k, mesh) in enumerate(zip(batch.frames, _meshes(views, plan, batch.frames), strict=True)):
            points = mesh - plan.box[k, :2]
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


def _meshes(views: Mapping[int, TrackLandmarks], plan: FacePlan, frames: list[int]) -> np.ndarray:
    """The landmarks (n, 478, 2) of the faces dubbed in these output frames."""
    out = np.empty((len(frames), 478, 2), np.float32)
    at = np.array(frames, int)
    for name, view in views.items():
        mine = np.flatnonzero(plan.track[at] == name)
        if len(mine):
            sources = plan.source[at[mine]]
            low = int(sources.min())
            out[mine] = view.read(low, int(sources.max()) + 1)[sources - low, :, :2]
    return out
