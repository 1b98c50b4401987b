"""sync, method `units`: the talker's own mouth, frame by frame, in the shapes the speech asks for.

Besides what every method writes (`sync.stage`), the store holds JSON ``words``: [word, start s, end s, fit] of the
transcript, as they lie in the speech.
"""

from __future__ import annotations

import itertools
import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.memory import release_free_memory
from lipdub.stages import face_selection, visibility
from lipdub.stages.frames import consecutive_spans
from lipdub.stages.sync import store
from lipdub.stages.sync.method import SyncMethod
from lipdub.stages.sync.plan import plan_output
from lipdub.weights.requirement import Shipped

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lipdub.arrays import F32, Array
    from lipdub.stages.base import StageContext
    from lipdub.stages.sync.options import SyncOptions

LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """What every output frame shows; arrays over output frames.

    Attributes:
        source: (n,) int32 source frame.
        pts: (n,) int64 in the source's time base.
        time: (n,) float64 seconds from the first frame.
        track: (n,) int16 track of the dubbed face.
        amount: (n,) float32 0..1, how far the frame is dubbed.
        wanted: (n, 2) float64 mouth opening and width in eye distances.
        mixture: For each frame, the units it shows and their weights.
    """

    source: Array
    pts: Array
    time: Array
    track: Array
    amount: Array
    wanted: Array
    mixture: list[list[tuple[int, float]]]


@dataclass(frozen=True)
class TrackProfile:
    """A track with what neutralize measured of it."""

    row: dict[str, Any]
    view: Any
    canonical: Array
    response: Any
    motion: Array
    span: Any
    units: Any
    patches: Any
    points: Any
    skin: Any


class Units(SyncMethod):
    """Visual unit selection: the talker's own mouth pixels."""

    name = "units"
    summary = "the talker's own mouth pixels, chosen and warped to the shapes the speech asks for"
    weights = Shipped("lip-motion.safetensors", "mouth-response.safetensors")

    def hear(self, audio: F32, options: Any) -> Any:
        """Return what is said, a ``speech.recognition.Recognition``."""
        from lipdub.speech.recognition import recognize
        from lipdub.speech.transcript import read_transcript

        transcript = read_transcript(options.transcript) if options.transcript is not None else None
        return recognize(audio, transcript=transcript, language=options.language)

    def run(self, ctx: StageContext, options: Any) -> dict[str, Any]:
        """Plan the whole result from the speech and the tracks' tables, then render the chunks that are missing."""
        from lipdub.media.frame_index import read_frame_times

        times = read_frame_times(ctx.job.video)
        talkers = _open_talkers(ctx, options, times)
        LOG.debug("tracks to dub: %s", sorted(talkers) or "none")
        plan, facts = _plan(ctx, options, times, talkers)
        arrays = _create_arrays(ctx, plan, talkers)
        _write_tables(ctx, plan)
        release_free_memory()  # planning takes arrays as long as the speech, rendering pictures
        for first, last in consecutive_spans({i for array in arrays for i in array.missing()}):
            _render(ctx, plan, talkers, arrays, first, last)
        return _summary(plan, talkers, facts, options)


METHOD = Units()


def _open_talkers(ctx: StageContext, options: SyncOptions, times: Array) -> dict[int, TrackProfile]:
    from lipdub.faces import mouth_rendering, mouth_shapes, smoothing, unit_selection
    from lipdub.faces.talker_tables import UnitTable
    from lipdub.faces.track_landmarks import TrackLandmarks

    detect, neutral = ctx.upstream["detect"], ctx.upstream["neutralize"]
    chosen = face_selection.select_tracks(ctx, options)
    owner = detect.open("tracks").read(0, len(times))
    interval = smoothing.estimate_frame_interval(times)
    prior = mouth_shapes.load_prior()
    out = {}
    for row in ctx.summaries["detect"]["tracks"]:
        if row["id"] not in chosen:
            continue
        name = row["id"]
        face_of = neutral.open(f"face-{name}").read(0, 4)
        canonical, response, span = mouth_shapes.unpack_talker(face_of, neutral.json(f"track-{name}"))
        motion = neutral.open(f"motion-{name}")
        table = neutral.open(f"unit-{name}")
        out[name] = TrackProfile(
            row,
            TrackLandmarks(detect.open("landmarks"), owner, name, row["first"], row["last"], interval),
            canonical,
            response,
            motion.read(0, len(motion)).astype(np.float64),
            span,
            unit_selection.Inventory.from_table(UnitTable(table.read(0, len(table)))),
            neutral.open(f"patch-{name}"),
            neutral.open(f"points-{name}"),
            mouth_rendering.build_skin_mesh(canonical, prior),
        )
    return out


def _plan(
    ctx: StageContext, options: SyncOptions, times: Array, talkers: dict[int, TrackProfile]
) -> tuple[Plan, dict[str, Any]]:
    from lipdub.faces import mouth_shapes, smoothing, unit_selection
    from lipdub.faces.talker_tables import MotionTable
    from lipdub.speech.lip_motion import predict_lip_motion, sample_motion
    from lipdub.speech.text_alignment import describe_text_fit

    samples, speech = ctx.prefetched()
    for note in describe_text_fit(speech.text) if speech.text is not None else ():
        ctx.warn(note)
    source, pts, moments = plan_output(ctx, options, samples)
    ctx.store.put_json("words", [[word.text, word.start, word.end, round(word.fit, 3)] for word in speech.words])
    motion = predict_lip_motion(recognition=speech)
    lips = sample_motion(motion, moments - options.offset)
    column = {n: lips[:, i] for i, n in enumerate(motion.names)}
    seconds = samples / SAMPLE_RATE_HZ
    opening = column["opening"] * mouth_shapes.estimate_motion_gain(
        column["opening"], seconds, mouth_shapes.OPENING_GAIN_LIMITS
    )
    width = column["width"] * mouth_shapes.estimate_motion_gain(
        column["width"], seconds, mouth_shapes.WIDTH_GAIN_LIMITS
    )
    opening, width = opening * options.strength, np.clip(width * options.strength, -1, 1)
    n = len(source)
    track, amount, wanted = np.zeros(n, np.int16), np.zeros(n), np.full((n, 2), np.nan)
    mixture: list[list[tuple[int, float]]] = [[] for _ in range(n)]
    asked = visibility.range_weights(moments, options)
    interval = smoothing.estimate_frame_interval(times)
    for name, t in talkers.items():
        covered = np.zeros(len(t.motion), bool)
        covered[t.units.frame[t.units.is_covered] - t.row["first"]] = True
        shown = visibility.visibility_weights(t.motion, t.row, ctx.summaries["detect"]["shots"], interval, covered)
        inside = (source >= t.row["first"]) & (source <= t.row["last"])
        at = np.flatnonzero(inside)
        here = at[(shown[source[at] - t.row["first"]] * asked[at]) > 0]
        if len(here) == 0:
            continue
        rows = MotionTable(t.motion[source[here] - t.row["first"]])
        a = shown[source[here] - t.row["first"]] * asked[here]
        asked_for = mouth_shapes.map_motion_to_range(opening[here], width[here], t.span)
        track[here], amount[here] = name, a
        wanted[here] = rows.measures + a[:, None] * (asked_for - rows.measures)
        wanted[here, 0] = np.maximum(wanted[here, 0], 0)
        spread = np.maximum(t.span.high - t.span.low, 0.02)
        heights = mouth_shapes.predict_lip_heights(t.response, wanted[here])
        for i, j in _split_pieces(here):
            part = rows[i:j]
            targets = unit_selection.FrameTargets(
                measures=wanted[here[i:j]],
                heights=heights[i:j],
                angles=part.angles,
                scale=part.scale,
                frame=source[here[i:j]].astype(float),
            )
            costs = unit_selection.compute_target_costs(t.units, targets, spread)
            chosen = unit_selection.select_units(t.units, costs, wanted[here[i:j]], spread)
            shown_units = unit_selection.compute_crossfade_weights(t.units, chosen)
            wanted[here[i:j]] = unit_selection.clamp_to_reach(t.units, shown_units, wanted[here[i:j]])
            for k, parts in zip(here[i:j], shown_units, strict=True):
                mixture[k] = parts
    heard = {
        "phones": len(motion.phones),
        "speech_seconds": seconds,
        "heard": speech.source,
        "words": len(speech.words),
        "share_of_words": round(speech.text_coverage, 3),
    }
    if speech.text is not None:
        heard["text"] = {"words": speech.text.total, "found": speech.text.found, "language": speech.language}
    return Plan(source, pts, moments, track, amount.astype(np.float32), wanted, mixture), heard


# Frames planned together: bounds the cost table; the seams between pieces cost one unit change each.
_PIECE = 1500


def _split_pieces(here: Array) -> Iterator[tuple[int, int]]:
    """Yield spans of output frames that are successive, at most `_PIECE` long."""
    breaks = np.flatnonzero(np.diff(here) != 1) + 1
    edges = [0, *breaks.tolist(), len(here)]
    for a, b in itertools.pairwise(edges):
        for i in range(a, b, _PIECE):
            yield i, min(i + _PIECE, b)


def _create_arrays(ctx: StageContext, plan: Plan, talkers: dict[int, TrackProfile]) -> tuple[Any, Any]:
    """Create the crop arrays, sized for the largest lower face of the tracks."""
    from lipdub.faces import geometry
    from lipdub.faces.talker_tables import MotionTable

    width = height = 16
    for t in talkers.values():
        skin = t.skin
        points = np.concatenate([t.canonical[skin.vertices], skin.anchors[: len(skin.anchors) // 2]])
        motion = MotionTable(t.motion)
        visible = motion[motion.is_visible]
        # The largest scale with a few rolls bounds every frame's extent; angles only shrink it otherwise.
        for roll in np.unique(np.round(np.percentile(visible.roll, [0, 25, 50, 75, 100]))):
            c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
            pose = geometry.Pose(
                np.array([visible.scale.max()]), np.array([[[c, -s, 0], [s, c, 0], [0, 0, 1]]]), np.zeros((1, 3))
            )
            flat = pose.apply(points[None])[0, :, :2]
            extent = (flat.max(0) - flat.min(0)) * 1.22 + 24
            width, height = max(width, int(extent[0])), max(height, int(extent[1]))
    return store.create_crop_arrays(ctx, len(plan.source), width, height)


def _write_tables(ctx: StageContext, plan: Plan) -> None:
    store.write_tables(
        ctx,
        source=plan.source,
        pts=plan.pts,
        time=plan.time,
        track=plan.track,
        amount=plan.amount,
        wanted=plan.wanted.astype(np.float32),
    )


def _render(
    ctx: StageContext, plan: Plan, talkers: dict[int, TrackProfile], arrays: tuple[Any, Any], first: int, last: int
) -> None:
    """Render chunks first..last in one pass over their source frames."""
    from lipdub.media.read import read_frames_in_order
    from lipdub.parallel import map_ordered

    crops, boxes = arrays
    start, stop = crops.span(first)[0], crops.span(last)[1]
    n, height, width, _ = crops.shape
    dubbed = [k for k in range(start, stop) if plan.amount[k] > 0]
    frames = read_frames_in_order(ctx.job.video, [int(plan.source[k]) for k in dubbed])
    renderers = {name: _Renderer(t, plan, crops.dtype, width, height) for name, t in talkers.items()}
    for chunk in range(first, last + 1):
        a, b = crops.span(chunk)
        pixels = np.zeros((b - a, height, width, 4), crops.dtype)
        places = np.zeros((b - a, 4), np.int32)
        todo = [k for k in range(a, b) if plan.amount[k] > 0]
        for name, renderer in renderers.items():
            renderer.prepare([k for k in todo if plan.track[k] == name])

        def jobs(todo: list[int] = todo) -> Iterator[tuple[int, Any, list[Any]]]:
            # Units are looked up here, in one thread: their cache is not made for several.
            for k, frame in zip(todo, frames, strict=False):
                yield k, frame.picture, renderers[int(plan.track[k])].units(k)

        def draw(job: tuple[int, Any, list[Any]], pixels: Array = pixels, a: int = a) -> tuple[int, Any]:
            k, picture, units = job
            return k, renderers[int(plan.track[k])].draw(k, picture, units, pixels[k - a])

        for k, box in map_ordered(draw, jobs(), ctx.threads):
            places[k - a] = box
            ctx.progress(k + 1, n)
        boxes.write(chunk, places)
        crops.write(chunk, pixels)
        ctx.progress(b, n)


class _Renderer:
    """Draws the dubbed crops of one talker."""

    def __init__(self, talker: TrackProfile, plan: Plan, dtype: np.dtype[Any], width: int, height: int) -> None:
        from lipdub.faces import landmark_animation

        self._t, self._plan, self._dtype = talker, plan, dtype
        self._width, self._height = width, height
        self._skin = talker.skin
        self._follow = landmark_animation.compute_follow_weights(self._skin)
        self._near = len(self._skin.anchors) // 2
        self._ready: dict[int, tuple[Array, Array, Array, float]] = {}
        self._cache: dict[int, tuple[Array, Array]] = {}

    def prepare(self, frames: list[int]) -> None:
        """Compute landmarks, target landmarks and anchors (display pixels) of the output frames of a chunk."""
        from lipdub.faces import landmark_animation, mouth_rendering

        self._ready = {}
        if not frames:
            return
        sources = self._plan.source[frames]
        # Frames of a chunk lie together in the source, except across a loop's seam.
        for low, high in _spans(sources, 4 * landmark_animation.count_residual_margin(self._t.view)):
            found = landmark_animation.pose_frames(self._t.view, self._t.canonical, self._t.response, low, high)
            if found is None:
                continue
            here = np.array(frames)[(sources >= low) & (sources <= high)]
            rows = found.rows(self._plan.source[here])
            here, rows = here[rows >= 0], rows[rows >= 0]
            if not len(here):
                continue
            target = mouth_rendering.build_target_shapes(
                self._t.response, found.residual[rows], self._plan.wanted[here], found.shape[rows], self._follow
            )
            poses = found.pose[rows]
            moved = poses.apply(target)[..., :2]
            anchors = poses.apply(np.broadcast_to(self._skin.anchors, (len(rows), *self._skin.anchors.shape)))[..., :2]
            for i, k in enumerate(here.tolist()):
                self._ready[k] = (found.points[rows[i], :, :2], moved[i], anchors[i], float(poses.scale[i]))

    def units(self, k: int) -> list[Any]:
        """Return the mouths that output frame `k` shows."""
        from lipdub.faces.mouth_rendering import MouthUnit

        if k not in self._ready:
            return []
        scale = self._ready[k][3]
        return [
            MouthUnit(*self._unit(u), share, float(self._t.units.scale[u]) / scale)
            for u, share in self._plan.mixture[k]
        ]

    def draw(self, k: int, picture: Any, units: list[Any], out: Array) -> tuple[int, int, int, int]:
        """Draw an output frame from its source picture and its units into `out` (h, w, 4). Threads may call it at once.

        Returns:
            Its box, empty if it cannot be drawn.
        """
        from lipdub.faces import masks, mouth_rendering

        if k not in self._ready:
            return 0, 0, 0, 0
        source, target, anchors, _ = self._ready[k]
        box = self._box(
            np.concatenate([source[self._skin.vertices], target[self._skin.vertices], anchors[: self._near]]),
            picture.width,
            picture.height,
        )
        x0, y0, x1, y1 = box
        if x1 - x0 < 16 or y1 - y0 < 16:
            return 0, 0, 0, 0
        origin = np.array([x0, y0])
        image = picture.rgb(box)
        crop, moved = mouth_rendering.warp_skin(image, self._skin, source - origin, target - origin, anchors - origin)
        flat = np.concatenate([target - origin, np.zeros((len(target), 1))], 1)
        points = mouth_rendering.extract_mouth_points(flat)
        crop = crop if crop is not image else image.copy()
        mask, _ = mouth_rendering.composite_mouth(crop, points, units, float(self._plan.amount[k]))
        # Nothing outside the lower face and the ring of anchors round its jaw is ever changed.
        h, w = crop.shape[:2]
        face = masks.draw_lower_face(target - origin, h, w, mouth_rendering.ANCHOR_REACH)
        changed = np.clip((moved - 0.05) / 0.3, 0, 1) * face
        bx0, by0, bx1, by1 = mouth_rendering.compute_mouth_box(points, h, w)
        changed[by0:by1, bx0:bx1] = np.maximum(changed[by0:by1, bx0:bx1], (mask > 0.004).astype(np.float32))
        top = 255 if crop.dtype == np.uint8 else 65535
        out[:h, :w, :3] = crop
        out[:h, :w, 3] = _grow_mask(changed, 0.02 * w) * top
        return box

    def _box(self, points: Array, width: int, height: int) -> tuple[int, int, int, int]:
        """Return a box with even corners around the points, inside the picture and no larger than the crop array."""
        margin = 4 + 0.06 * np.ptp(points[:, 0])
        low = np.maximum(np.floor(points.min(0) - margin), 0).astype(int)
        high = np.minimum(np.ceil(points.max(0) + margin), [width, height]).astype(int)
        low -= low % 2
        size = np.minimum(high - low, [self._width, self._height])
        return int(low[0]), int(low[1]), int(low[0] + size[0]), int(low[1] + size[1])

    def _unit(self, u: int) -> tuple[Array, Array]:
        if u not in self._cache:
            if len(self._cache) >= 192:
                # Oldest first: neighbours in time are what comes next.
                for old in list(self._cache)[:64]:
                    del self._cache[old]
            chunk = u // self._t.patches.chunk
            a, b = self._t.patches.span(chunk)
            patches, points = self._t.patches.read(a, b), self._t.points.read(a, b)
            for i in range(a, b):
                if i not in self._cache and abs(i - u) <= 16:
                    self._cache[i] = (patches[i - a].copy(), points[i - a].astype(np.float64))
        return self._cache[u]


def _grow_mask(changed: Array, reach: float) -> Array:
    """Return the mask of what was changed, grown by about `reach` pixels.

    So its soft edge lies where both pictures are alike. It is 0 along the crop's border. Computed at half the size.

    Args:
        changed: (h, w).
        reach: Pixels.

    Returns:
        (h, w) float32 0..1.
    """
    import cv2

    h, w = changed.shape
    small = cv2.resize(changed, ((w + 1) // 2, (h + 1) // 2), interpolation=cv2.INTER_AREA)
    side = 2 * max(1, round(reach / 2)) + 1
    small = cv2.dilate((small * 255).astype(np.uint8), np.ones((side, side), np.uint8))
    edge = side + 1
    small[:edge], small[-edge:], small[:, :edge], small[:, -edge:] = 0, 0, 0, 0
    result: Array = (
        cv2.resize(cv2.blur(small, (side, side)), (w, h), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255
    )
    return result


def _spans(frames: Array, gap: int) -> list[tuple[int, int]]:
    """Return inclusive spans that hold the frames, joined where they are at most `gap` apart."""
    ordered = np.unique(frames)
    cut = np.flatnonzero(np.diff(ordered) > gap) + 1
    return [(int(p[0]), int(p[-1])) for p in np.split(ordered, cut)]


def _summary(
    plan: Plan, talkers: dict[int, TrackProfile], heard: dict[str, Any], options: SyncOptions
) -> dict[str, Any]:
    from lipdub.faces import mouth_shapes

    dubbed = plan.amount > 0
    notes = []
    stretched = 0
    for name, t in talkers.items():
        mine = np.flatnonzero(plan.track == name)
        have = np.array([sum(w * t.units.measures[u, 0] for u, w in plan.mixture[k]) for k in mine])
        target = plan.wanted[mine, 0]
        painted = int(((target > 2.5 * np.maximum(have, 0.004)) & (target > 0.04)).sum())
        stretched += painted
        if t.span.trust < mouth_shapes.WEAK_TRUST:
            notes.append(
                f"face {name} hardly moves its mouth in this footage: openings are borrowed from general knowledge and "
                "the mouth's inside is painted where the footage shows none, so expect a weaker result"
            )
        elif painted > 0.1 * len(mine):
            notes.append(
                f"face {name} is seldom seen with its mouth as open as the speech asks: its inside is painted there"
            )
    return {
        "method": "units",
        "frames": len(plan.source),
        "dubbed": int(dubbed.sum()),
        "tracks": sorted(talkers),
        "painted_frames": stretched,
        "untouched": visibility.passthrough_spans(plan.time, plan.amount),
        "notes": notes,
        "offset": options.offset,
        **heard,
    }
