"""sync, method `units`: the talker's own mouth, frame by frame, in the shapes the speech asks for.

Store, per output frame: ``crops`` (n, h, w, 4) uint8 or uint16 RGB and mask (what of it is changed); ``boxes`` (n, 4)
int32 where the crop lies in the frame, display pixels, empty where nothing is dubbed; ``wanted`` (n, 2) float32 mouth
opening and width in units of the eye distance; ``amount`` (n,) float32 0..1 how far the frame is dubbed; ``track``
(n,) int16; ``source`` (n,) int32 source frame; ``pts`` (n,) int64 in the source's time base; ``time`` (n,) float64
seconds from the first frame. JSON ``timeline``: when the speech starts and the result ends, source clock; ``words``:
[word, start s, end s, fit] of the text, as they lie in the speech.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError, UsageError
from lipdub.memory import hand_back
from lipdub.stages.base import StageContext, StageSpec
from lipdub.timeline import EXTENSIONS, LENGTHS

if TYPE_CHECKING:
    from lipdub.job import Job
    from lipdub.media.probe import MediaFacts
    from lipdub.speech.hearing import Heard

# Faces turned further than this are left as they are, fading over the last degrees.
PROFILE_DEGREES = 52.0
PROFILE_FADE = 12.0
# Where dubbing begins or ends inside a shot it fades over this time.
FADE_SECONDS = 0.16
CHUNK_BYTES = 16 << 20
MAX_CHUNK = 48
_LANGUAGE = re.compile(r"[a-z]{2,8}([-_][A-Za-z0-9]+)*")


@dataclass(frozen=True)
class SyncOptions:
    """face: which track (`lipdub.faces.choice`). start, end: dub only this part of the result, seconds from its
    first frame. strength: factor on the mouth's motion, 0 to 2. offset: seconds the speech starts after the first
    frame. length, extend: `lipdub.timeline`. text: a file with the words of the speech
    (`lipdub.speech.script`). language: of the text, "en" or another voice of espeak-ng, or "auto"."""

    method: str = "units"
    face: str = "largest"
    start: float | None = None
    end: float | None = None
    strength: float = 1.0
    offset: float = 0.0
    length: str = "longest"
    extend: str = "pingpong"
    text: str | None = None
    language: str = "auto"

    def __post_init__(self) -> None:
        if self.method != "units":
            raise UsageError(f"sync has no method {self.method!r}", hint="Methods: units")
        for name, value, known in (
            ("length", self.length, LENGTHS),
            ("extend", self.extend, EXTENSIONS),
        ):
            if value not in known:
                raise UsageError(f"--{name} {value!r} is unknown", hint=f"It takes {', '.join(known)}.")
        if self.text is not None:
            object.__setattr__(self, "text", str(self.text))
        if not _LANGUAGE.fullmatch(self.language):
            raise UsageError(f"--language {self.language!r} is no language", hint="It takes auto, or codes as en, de, fr.")
        if not 0 <= self.strength <= 2:
            raise UsageError(f"--strength must be 0 to 2, not {self.strength:g}")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise UsageError("--to must be later than --from")


@dataclass(frozen=True)
class Plan:
    """What every output frame shows; arrays over output frames."""

    source: np.ndarray
    pts: np.ndarray
    time: np.ndarray
    track: np.ndarray
    amount: np.ndarray
    wanted: np.ndarray
    mixture: list[list[tuple[int, float]]]


@dataclass(frozen=True)
class Talker:
    """A track with what neutralize found out about it."""

    row: dict[str, Any]
    view: Any
    canonical: np.ndarray
    response: Any
    motion: np.ndarray
    span: Any
    units: Any
    patches: Any
    points: Any
    skin: Any


def run(ctx: StageContext, options: SyncOptions) -> dict[str, Any]:
    """Plans the whole result from the speech and the tracks' tables, then renders the chunks that are missing."""
    from lipdub.media.probe import frame_times

    times = frame_times(ctx.job.video)
    talkers = _talkers(ctx, options, times)
    plan, heard = _plan(ctx, options, times, talkers)
    arrays = _arrays(ctx, plan, talkers)
    _write_tables(ctx, plan)
    hand_back()  # planning takes arrays as long as the speech, rendering pictures
    for first, last in _runs({i for a in arrays for i in a.missing()}):
        _render(ctx, plan, talkers, arrays, first, last)
    return _summary(plan, talkers, heard, options)


# Of the speech, so many seconds are heard beyond a result that ends before it.
_BEYOND_END = 0.5


def _hear(job: Job, facts: MediaFacts, options: SyncOptions) -> tuple[int, Heard]:
    """How long the speech is, in samples at 16 kHz, as far as the result needs it, and what is said in it."""
    from lipdub.media.audio import load_audio
    from lipdub.speech.hearing import hear
    from lipdub.speech.script import read_script

    if job.speech is None:
        raise UsageError("there is no speech to dub with")
    audio = load_audio(job.speech, rate=16000)
    if options.length in ("video", "shortest") and facts.video is not None:
        audio = audio[: round(16000 * max(float(facts.video.duration) - options.offset + _BEYOND_END, _BEYOND_END))]
    script = read_script(options.text) if options.text is not None else None
    return len(audio), hear(audio, script=script, language=options.language)


def _check(job: Job, facts: MediaFacts, options: SyncOptions) -> None:
    """Reads the text, so that one that will not do stops the run before its heavy work."""
    if options.text is not None:
        from lipdub.speech.pronounce import language_of, pronounce
        from lipdub.speech.script import read_script

        words = read_script(options.text).words
        pronounce(words[:1], language_of(words, options.language))  # tells whether there is such a voice


def _talkers(ctx: StageContext, options: SyncOptions, times: np.ndarray) -> dict[int, Talker]:
    from lipdub.faces import choice, reshape, shapes, smooth, units
    from lipdub.faces.view import TrackView

    detect, neutral = ctx.upstream["detect"], ctx.upstream["neutralize"]
    rows = ctx.summaries["detect"]["tracks"]
    usable = {r["id"] for r in ctx.summaries["neutralize"]["tracks"] if r["units"] > 0}
    if not usable:
        raise InputError("no face in the video is large and frontal enough to dub")
    face = choice.parse(options.face)
    if isinstance(face, Path):
        chosen = _like_picture(ctx, face, rows, usable)
    else:
        chosen = choice.choose(face, rows, usable)
    owner = detect.open("tracks").read(0, len(times))
    interval = smooth.interval(times)
    prior = shapes.load_prior()
    out = {}
    for row in rows:
        if row["id"] not in chosen:
            continue
        name = row["id"]
        face_of = neutral.open(f"face-{name}").read(0, 4)
        canonical, response, span = shapes.of_talker(face_of, neutral.json(f"track-{name}"))
        motion = neutral.open(f"motion-{name}")
        table = neutral.open(f"unit-{name}")
        out[name] = Talker(
            row,
            TrackView(detect.open("landmarks"), owner, name, row["first"], row["last"], interval),
            canonical,
            response,
            motion.read(0, len(motion)).astype(np.float64),
            span,
            units.Inventory.from_table(table.read(0, len(table))),
            neutral.open(f"patch-{name}"),
            neutral.open(f"points-{name}"),
            reshape.skin_mesh(canonical, prior),
        )
    return out


def _like_picture(ctx: StageContext, picture: Path, rows: list[dict[str, Any]], usable: set[int]) -> list[int]:
    """The track of each shot whose face is most like the one in the picture."""
    from lipdub.faces import choice, geometry
    from lipdub.faces.detect import FaceFinder
    from lipdub.media.read import read_frames

    with FaceFinder(1) as finder:
        found = [f for frame in read_frames(picture, 0, 1) for f in finder.faces(frame.picture.rgb())]
    if not found:
        raise InputError(f"there is no face in the reference picture {picture}")
    reference = geometry.upright(found[0])
    distance = {
        i: choice.likeness(ctx.upstream["neutralize"].open(f"face-{i}").read(0, 1)[0], reference) for i in usable
    }
    out: list[int] = []
    for shot in sorted({r["shot"] for r in rows}):
        here = sorted((r for r in rows if r["shot"] == shot and r["id"] in usable), key=lambda r: distance[r["id"]])
        out += [r["id"] for r in here[:1]]
    return out


def _plan(
    ctx: StageContext, options: SyncOptions, times: np.ndarray, talkers: dict[int, Talker]
) -> tuple[Plan, dict[str, Any]]:
    from lipdub.faces import shapes, smooth, units
    from lipdub.media.probe import frame_pts
    from lipdub.speech.given import notes
    from lipdub.speech.lips import at_times, lip_motion
    from lipdub.timeline import plan_timeline

    samples, speech = ctx.ahead()
    for note in notes(speech.text) if speech.text is not None else ():
        ctx.warn(note)
    line = plan_timeline(
        frame_pts(ctx.job.video),
        ctx.video.time_base,
        Fraction(samples, 16000),
        length=options.length,
        extend=options.extend,
        offset=Fraction(options.offset).limit_denominator(10**6),
    )
    ctx.store.put_json(
        "timeline",
        {
            "speech_start": str(line.speech_start),
            "end": str(line.end),
            # Where the length asked for is the video's, the speech does not outlast it.
            "cut": options.length in ("video", "shortest"),
            "last_duration": int(line.duration[-1]),
        },
    )
    source, moments = np.asarray(line.source), np.asarray(line.time) - line.time[0]
    ctx.store.put_json("words", [[word.text, word.start, word.end, round(word.fit, 3)] for word in speech.words])
    motion = lip_motion(heard=speech)
    lips = at_times(motion, moments - options.offset)
    column = {n: lips[:, i] for i, n in enumerate(motion.names)}
    seconds = samples / 16000
    opening = column["opening"] * shapes.motion_gain(column["opening"], seconds, shapes.OPENING_GAIN)
    width = column["width"] * shapes.motion_gain(column["width"], seconds, shapes.WIDTH_GAIN)
    opening, width = opening * options.strength, np.clip(width * options.strength, -1, 1)
    n = len(source)
    track, amount, wanted = np.zeros(n, np.int16), np.zeros(n), np.full((n, 2), np.nan)
    mixture: list[list[tuple[int, float]]] = [[] for _ in range(n)]
    asked = _asked(moments, options)
    interval = smooth.interval(times)
    for name, t in talkers.items():
        shown = _shown(t, ctx.summaries["detect"]["shots"], interval)
        inside = (source >= t.row["first"]) & (source <= t.row["last"])
        at = np.flatnonzero(inside)
        here = at[(shown[source[at] - t.row["first"]] * asked[at]) > 0]
        if len(here) == 0:
            continue
        rows = t.motion[source[here] - t.row["first"]]
        a = shown[source[here] - t.row["first"]] * asked[here]
        asked_for = shapes.wanted_measures(opening[here], width[here], t.span)
        track[here], amount[here] = name, a
        wanted[here] = rows[:, :2] + a[:, None] * (asked_for - rows[:, :2])
        wanted[here, 0] = np.maximum(wanted[here, 0], 0)
        spread = np.maximum(t.span.high - t.span.low, 0.02)
        heights = shapes.wanted_lip_heights(t.response, wanted[here])
        for i, j in _pieces(here):
            part = rows[i:j]
            costs = units.target_costs(
                t.units, wanted[here[i:j]], heights[i:j], part[:, 2:5], part[:, 5], source[here[i:j]].astype(float), spread
            )
            chosen = units.choose(t.units, costs, wanted[here[i:j]], spread)
            shown_units = units.mixture(t.units, chosen)
            wanted[here[i:j]] = units.reachable(t.units, shown_units, wanted[here[i:j]])
            for k, parts in zip(here[i:j], shown_units, strict=True):
                mixture[k] = parts
    heard = {
        "phones": len(motion.phones),
        "speech_seconds": seconds,
        "heard": speech.way,
        "words": len(speech.words),
        "share_of_words": round(speech.share, 3),
    }
    if speech.text is not None:
        heard["text"] = {"words": speech.text.total, "found": speech.text.found, "language": speech.language}
    pts = np.asarray(line.pts, np.int64)
    return Plan(source.astype(np.int32), pts, moments, track, amount.astype(np.float32), wanted, mixture), heard


# Frames planned together: bounds the cost table; the seams between pieces cost one unit change each.
_PIECE = 1500


def _pieces(here: np.ndarray) -> Iterator[tuple[int, int]]:
    """Spans of `here` (ascending output frames) that are successive, at most `_PIECE` long."""
    breaks = np.flatnonzero(np.diff(here) != 1) + 1
    edges = [0, *breaks.tolist(), len(here)]
    for a, b in zip(edges, edges[1:], strict=False):
        for i in range(a, b, _PIECE):
            yield i, min(i + _PIECE, b)


def _asked(moments: np.ndarray, options: SyncOptions) -> np.ndarray:
    """1 inside the range asked for, fading to 0 over `FADE_SECONDS` inside its ends; (n,)."""
    out = np.ones(len(moments))
    if options.start is not None:
        out = np.minimum(out, (moments - options.start) / FADE_SECONDS if options.start > 0 else 1.0)
    if options.end is not None:
        out = np.minimum(out, (options.end - moments) / FADE_SECONDS)
    return np.clip(out, 0, 1)


def _shown(t: Talker, shots: list[list[int]], interval: float) -> np.ndarray:
    """How far each source frame of the track can be dubbed, 0..1: seen, not in profile, fading at its ends."""
    from lipdub.faces import smooth, tracks

    valid = np.isfinite(t.motion[:, 0])
    out = np.where(valid, np.clip((PROFILE_DEGREES - np.abs(np.nan_to_num(t.motion[:, 2]))) / PROFILE_FADE, 0, 1), 0.0)
    # A hand or a microphone before the mouth: left alone, from two such frames on (one may be a flash).
    covered = np.zeros(len(valid), bool)
    covered[t.units.frame[t.units.covered] - t.row["first"]] = True
    for a, b in smooth.runs(covered):
        valid[a:b] &= b - a < 2
    out = smooth.savgol(out * valid, 5, 1).clip(0, 1) * valid
    steps = max(1, round(FADE_SECONDS / interval))
    first, end = shots[t.row["shot"]]
    for a, b in smooth.runs(valid):
        ramp = np.arange(1, b - a + 1) / steps
        # A shot's own first and last frames need no fade: the cut hides the change.
        if t.row["first"] + a > first + tracks.FILL_FRAMES:
            out[a:b] *= np.minimum(ramp, 1)
        if t.row["first"] + b < end - tracks.FILL_FRAMES:
            out[a:b] *= np.minimum(ramp[::-1], 1)
    return out


def _arrays(ctx: StageContext, plan: Plan, talkers: dict[int, Talker]) -> tuple[Any, Any]:
    """The crop store, sized for the largest lower face of the chosen tracks."""
    from lipdub.faces import geometry

    video = ctx.video
    width = height = 16
    for t in talkers.values():
        skin = t.skin
        points = np.concatenate([t.canonical[skin.vertices], skin.anchors[: len(skin.anchors) // 2]])
        rows = t.motion[np.isfinite(t.motion[:, 0])]
        # The largest scale with a few rolls bounds every frame's extent; angles only shrink it otherwise.
        for roll in np.unique(np.round(np.percentile(rows[:, 4], [0, 25, 50, 75, 100]))):
            c, s = np.cos(np.radians(roll)), np.sin(np.radians(roll))
            pose = geometry.Pose(
                np.array([rows[:, 5].max()]), np.array([[[c, -s, 0], [s, c, 0], [0, 0, 1]]]), np.zeros((1, 3))
            )
            flat = pose.apply(points[None])[0, :, :2]
            extent = (flat.max(0) - flat.min(0)) * 1.22 + 24
            width, height = max(width, int(extent[0])), max(height, int(extent[1]))
    width, height = min(width + width % 2, video.width), min(height + height % 2, video.height)
    dtype = np.dtype("uint8" if video.bit_depth <= 8 else "uint16")
    chunk = max(1, min(MAX_CHUNK, CHUNK_BYTES // (width * height * 4 * dtype.itemsize)))
    n = len(plan.source)
    crops = ctx.store.array("crops", shape=(n, height, width, 4), dtype=dtype, chunk=chunk)
    boxes = ctx.store.array("boxes", shape=(n, 4), dtype="int32", chunk=chunk)
    return crops, boxes


def _write_tables(ctx: StageContext, plan: Plan) -> None:
    n = len(plan.source)
    for name, data in (
        ("source", plan.source),
        ("pts", plan.pts),
        ("time", plan.time),
        ("track", plan.track),
        ("amount", plan.amount),
        ("wanted", plan.wanted.astype(np.float32)),
    ):
        array = ctx.store.array(name, shape=data.shape, dtype=data.dtype, chunk=max(n, 1))
        if not array.done(0):
            array.write(0, data)


def _runs(chunks: set[int]) -> Iterator[tuple[int, int]]:
    """Successive chunk numbers as inclusive spans."""
    for i in sorted(chunks):
        if i - 1 not in chunks:
            last = i
            while last + 1 in chunks:
                last += 1
            yield i, last


def _render(ctx: StageContext, plan: Plan, talkers: dict[int, Talker], arrays: tuple[Any, Any], first: int, last: int) -> None:
    """Chunks first..last in one pass over their source frames."""
    from lipdub.media.read import read_order
    from lipdub.parallel import ahead

    crops, boxes = arrays
    start, stop = crops.span(first)[0], crops.span(last)[1]
    n, height, width, _ = crops.shape
    dubbed = [k for k in range(start, stop) if plan.amount[k] > 0]
    frames = read_order(ctx.job.video, [int(plan.source[k]) for k in dubbed])
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

        def draw(job: tuple[int, Any, list[Any]], pixels: np.ndarray = pixels, a: int = a) -> tuple[int, Any]:
            k, picture, units = job
            return k, renderers[int(plan.track[k])].draw(k, picture, units, pixels[k - a])

        for k, box in ahead(draw, jobs(), ctx.threads):
            places[k - a] = box
            ctx.progress(k + 1, n)
        boxes.write(chunk, places)
        crops.write(chunk, pixels)
        ctx.progress(b, n)


class _Renderer:
    """Draws the dubbed crops of one talker."""

    def __init__(self, talker: Talker, plan: Plan, dtype: np.dtype[Any], width: int, height: int) -> None:
        from lipdub.faces import landmarks

        self._t, self._plan, self._dtype = talker, plan, dtype
        self._width, self._height = width, height
        self._skin = talker.skin
        self._follow = landmarks.follow_weight(self._skin)
        self._near = len(self._skin.anchors) // 2
        self._ready: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray, float]] = {}
        self._cache: dict[int, tuple[np.ndarray, np.ndarray]] = {}

    def prepare(self, frames: list[int]) -> None:
        """Works out landmarks, target landmarks and anchors (display pixels) of the output frames of a chunk."""
        from lipdub.faces import landmarks, reshape

        self._ready = {}
        if not frames:
            return
        sources = self._plan.source[frames]
        # Frames of a chunk lie together in the source, except across a loop's seam.
        for low, high in _spans(sources, 4 * landmarks.residual_margin(self._t.view)):
            found = landmarks.posed(self._t.view, self._t.canonical, self._t.response, low, high)
            if found is None:
                continue
            here = np.array(frames)[(sources >= low) & (sources <= high)]
            rows = found.rows(self._plan.source[here])
            here, rows = here[rows >= 0], rows[rows >= 0]
            if not len(here):
                continue
            target = reshape.wanted_shape(
                self._t.response, found.residual[rows], self._plan.wanted[here], found.shape[rows], self._follow
            )
            poses = found.pose[rows]
            moved = poses.apply(target)[..., :2]
            anchors = poses.apply(np.broadcast_to(self._skin.anchors, (len(rows), *self._skin.anchors.shape)))[..., :2]
            for i, k in enumerate(here.tolist()):
                self._ready[k] = (found.points[rows[i], :, :2], moved[i], anchors[i], float(poses.scale[i]))

    def units(self, k: int) -> list[Any]:
        """The mouths that output frame `k` shows."""
        from lipdub.faces.reshape import Unit

        if k not in self._ready:
            return []
        scale = self._ready[k][3]
        return [Unit(*self._unit(u), share, float(self._t.units.scale[u]) / scale) for u, share in self._plan.mixture[k]]

    def draw(self, k: int, picture: Any, units: list[Any], out: np.ndarray) -> tuple[int, int, int, int]:
        """Output frame `k` from its source picture and `units` into `out` (h, w, 4); returns its box, empty if it
        cannot be drawn. May run in several threads at once."""
        from lipdub.faces import masks, reshape

        if k not in self._ready:
            return 0, 0, 0, 0
        source, target, anchors, _ = self._ready[k]
        box = self._box(np.concatenate([source[self._skin.vertices], target[self._skin.vertices], anchors[: self._near]]),
                        picture.width, picture.height)  # fmt: skip
        x0, y0, x1, y1 = box
        if x1 - x0 < 16 or y1 - y0 < 16:
            return 0, 0, 0, 0
        origin = np.array([x0, y0])
        image = picture.rgb(box)
        crop, moved = reshape.bend_skin(image, self._skin, source - origin, target - origin, anchors - origin)
        flat = np.concatenate([target - origin, np.zeros((478, 1))], 1)
        points = reshape.mouth_points(flat)
        crop = crop if crop is not image else image.copy()
        mask, _ = reshape.lay_mouth(crop, points, units, float(self._plan.amount[k]))
        # Nothing outside the lower face and the ring of anchors round its jaw is ever changed.
        h, w = crop.shape[:2]
        face = masks.lower_face(target - origin, h, w, reshape.ANCHOR_REACH)
        changed = np.clip((moved - 0.05) / 0.3, 0, 1) * face
        bx0, by0, bx1, by1 = reshape.mouth_box(points, h, w)
        changed[by0:by1, bx0:bx1] = np.maximum(changed[by0:by1, bx0:bx1], (mask > 0.004).astype(np.float32))
        top = 255 if crop.dtype == np.uint8 else 65535
        out[:h, :w, :3] = crop
        out[:h, :w, 3] = _grown(changed, 0.02 * w) * top
        return box

    def _box(self, points: np.ndarray, width: int, height: int) -> tuple[int, int, int, int]:
        """Even-cornered box round the points, inside the picture, no larger than the crop store has room for."""
        margin = 4 + 0.06 * np.ptp(points[:, 0])
        low = np.maximum(np.floor(points.min(0) - margin), 0).astype(int)
        high = np.minimum(np.ceil(points.max(0) + margin), [width, height]).astype(int)
        low -= low % 2
        size = np.minimum(high - low, [self._width, self._height])
        return int(low[0]), int(low[1]), int(low[0] + size[0]), int(low[1] + size[1])

    def _unit(self, u: int) -> tuple[np.ndarray, np.ndarray]:
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


def _grown(changed: np.ndarray, reach: float) -> np.ndarray:
    """The mask (h, w) 0..1 for what `changed` (h, w): it goes beyond it by about `reach` pixels, so that its soft edge
    lies where both pictures are alike, and is 0 along the crop's border. Worked out at half the size."""
    import cv2

    h, w = changed.shape
    small = cv2.resize(changed, ((w + 1) // 2, (h + 1) // 2), interpolation=cv2.INTER_AREA)
    side = 2 * max(1, round(reach / 2)) + 1
    small = cv2.dilate((small * 255).astype(np.uint8), np.ones((side, side), np.uint8))
    edge = side + 1
    small[:edge], small[-edge:], small[:, :edge], small[:, -edge:] = 0, 0, 0, 0
    return cv2.resize(cv2.blur(small, (side, side)), (w, h), interpolation=cv2.INTER_LINEAR).astype(np.float32) / 255


def _spans(frames: np.ndarray, gap: int) -> list[tuple[int, int]]:
    """Inclusive spans that hold the frames, joined where they are no further apart than `gap`."""
    ordered = np.unique(frames)
    cut = np.flatnonzero(np.diff(ordered) > gap) + 1
    return [(int(p[0]), int(p[-1])) for p in np.split(ordered, cut)]


def _summary(plan: Plan, talkers: dict[int, Talker], heard: dict[str, Any], options: SyncOptions) -> dict[str, Any]:
    from lipdub.faces import smooth

    dubbed = plan.amount > 0
    notes = []
    stretched = 0
    for name, t in talkers.items():
        mine = np.flatnonzero(plan.track == name)
        have = np.array([sum(w * t.units.measures[u, 0] for u, w in plan.mixture[k]) for k in mine])
        stretched += int(((plan.wanted[mine, 0] > 2.5 * np.maximum(have, 0.004)) & (plan.wanted[mine, 0] > 0.04)).sum())
        if t.span.trust < 0.35:
            notes.append(
                f"face {name} hardly moves its mouth in this footage: openings are borrowed from general knowledge and "
                "the mouth's inside is painted where the footage shows none, so expect a weaker result"
            )
        elif len(mine) and stretched > 0.1 * len(mine):
            notes.append(f"face {name} is seldom seen with its mouth as open as the speech asks: its inside is painted there")
    passed = [[float(plan.time[a]), float(plan.time[b - 1])] for a, b in smooth.runs(~dubbed)]
    return {
        "method": "units",
        "frames": len(plan.source),
        "dubbed": int(dubbed.sum()),
        "tracks": sorted(talkers),
        "painted_frames": stretched,
        "untouched": passed,
        "notes": notes,
        "offset": options.offset,
        **heard,
    }


SPEC = StageSpec(
    name="sync",
    version=6,
    reads=("detect", "neutralize"),
    inputs=("video", "speech"),
    options=SyncOptions,
    run=run,
    weights=lambda options: _weights(options),
    ahead=_hear,
    files=lambda options: _files(options),
    check=_check,
)


def _files(options: SyncOptions) -> list[Path]:
    picture = [Path(options.face)] if _is_picture(options.face) else []
    return picture + ([Path(options.text)] if options.text is not None else [])


def _weights(options: SyncOptions) -> list[Path]:
    from lipdub.weights import shipped

    return [shipped("lip-motion.safetensors"), shipped("mouth-response.safetensors")]


def _is_picture(face: str) -> bool:
    from lipdub.faces.choice import parse

    return isinstance(parse(face), Path)
