"""neutralize: what each talker's face does in speech; with method `rest` its rest mouth and the inventory of units too.

Store, per track id: ``face-ID`` (4, 478, 3) float64: canonical mean face, response base, response gains;
``motion-ID`` (frames of its span, 10) float32, columns `MOTION`, NaN where unseen;
units, the frames whose mouths may be shown elsewhere: ``unit-ID`` (u, 14) float32 (columns `UNIT`), ``patch-ID``
(u, h, w, 3) their mouths' pixels, ``points-ID`` (u, 100, 2) float32 mouth vertices in patch pixels. JSON ``track-ID``.
What methods `dnet` and `silent-lip` keep besides: `lipdub.stages.neutralize_dnet`, `neutralize_silent_lip`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import UsageError
from lipdub.stages import compute
from lipdub.stages.base import StageContext, StageSpec

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.job import Job
    from lipdub.media.probe import MediaFacts

METHODS = ("rest", "none", "dnet", "silent-lip")
DRAWING = ("dnet", "silent-lip")  # those that draw faces anew
# Columns of the tables.
MOTION = ("opening", "width", "yaw", "pitch", "roll", "scale", "upper", "lower", "x", "y")
UNIT = ("frame", *MOTION[:8], "sharpness", "red", "green", "blue", "usable")
# A talker's inventory; a minute of speech shows every mouth shape many times over.
MAX_UNITS = 1500
# Longer videos give runs of this many successive frames: natural motion needs successors.
RUN = 15
# Mouths narrower than this many pixels are not worth a dub.
MIN_MOUTH_PX = 10.0
CHUNK_BYTES = 12 << 20
BLOCK = 96


@dataclass(frozen=True)
class NeutralizeOptions:
    """method: `rest`; `none`, for methods of sync that take the faces as they are; `dnet`, which draws every face with one
    expression; or `silent-lip`, which shuts every mouth. For `dnet`: expression: `neutral`, `smile`, a picture of a face, or a
    file of 64 coefficients. For `silent-lip`: talker: the talking-face model, as in sync's options. For both: face: which tracks
    are drawn, and start, end: which of their frames, by seconds from the first one, as in sync's options; only what is drawn can
    be dubbed; precision, accel: of the networks (`lipdub.stages.compute`). They mean nothing to the other methods.
    """

    method: str = "rest"
    expression: str = "neutral"
    face: str = "largest"
    start: float | None = None
    end: float | None = None
    talker: str | None = None
    precision: str = "auto"
    accel: str = "auto"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"neutralize has no method {self.method!r}", hint=f"Methods: {', '.join(METHODS)}")
        object.__setattr__(self, "expression", str(self.expression))
        if self.talker and self.method != "silent-lip":
            raise UsageError(
                f"--talker is for neutralize's method silent-lip, not for {self.method}",
                hint="Take the recipe stabilized.",
            )
        object.__setattr__(self, "talker", str(self.talker) if self.talker else None)
        if self.method not in DRAWING:
            for name, value in (("face", "largest"), ("start", None), ("end", None)):
                object.__setattr__(self, name, value)
        compute.settle(self, networks=self.method in DRAWING)
        if self.expression != "neutral":
            from lipdub.faces.expression import parse

            if self.method != "dnet":
                raise UsageError(
                    f"--expression is for neutralize's method dnet, not for {self.method}",
                    hint="Take the recipe retalking.",
                )
            parse(self.expression)


def run(ctx: StageContext, options: NeutralizeOptions) -> dict[str, Any]:
    """Measures every track; then, for `rest`, gathers its units in one pass over the frames that are needed, and for
    `dnet` and `silent-lip` draws its references.
    """
    from lipdub.faces import shapes, smooth
    from lipdub.media.probe import frame_times

    times = frame_times(ctx.job.video)
    interval = smooth.interval(times)
    detect, rows = ctx.upstream["detect"], ctx.summaries["detect"]["tracks"]
    owner = detect.open("tracks").read(0, len(times))
    landmarks = detect.open("landmarks")
    prior = shapes.load_prior()
    talkers: list[dict[str, Any]] = []
    for row in rows:
        if row["mouth_px"] < MIN_MOUTH_PX:
            ctx.warn(f"face {row['id']} is too small to dub (its mouth is {row['mouth_px']:.0f} pixels wide)")
            continue
        if not ctx.store.has(f"track-{row['id']}"):
            _measure(ctx, _view(landmarks, owner, row, interval), prior)
        talkers.append({**row, **ctx.store.json(f"track-{row['id']}")})
    if options.method == "rest":
        _gather(ctx, talkers, landmarks, owner, interval)
    notes: list[str] = []
    if options.method in DRAWING:
        from lipdub.stages import neutralize_dnet, neutralize_silent_lip
        from lipdub.stages.dubbing import meant

        usable = {t["id"] for t in talkers if t["units"]}
        ids = meant(options.face, rows, usable, ctx.store) if usable else []
        views = [_view(landmarks, owner, t, interval) for t in talkers if t["id"] in ids]
        notes = (neutralize_dnet if options.method == "dnet" else neutralize_silent_lip).run(ctx, options, views)
    tracks = [
        {
            "id": t["id"],
            "usable": t["units"] > 0,
            "units": t["units"] if options.method == "rest" else 0,
            "trust": t["trust"],
            "open_std": t["open_std"],
        }
        for t in talkers
    ]
    return {"method": options.method, "tracks": tracks, "notes": notes}


def _view(landmarks: Any, owner: np.ndarray, row: dict[str, Any], interval: float) -> Any:
    from lipdub.faces.view import TrackView

    return TrackView(landmarks, owner, row["id"], row["first"], row["last"], interval)


def _measure(ctx: StageContext, view: Any, prior: Any) -> None:
    """Canonical face, motion table, response and unit choice of one track; all from landmarks."""
    from lipdub.faces import geometry, mesh, shapes

    span = view.last - view.first + 1
    seen = np.flatnonzero((view.owner[view.first : view.last + 1] == view.id).any(1)) + view.first
    pick = np.unique(seen[np.linspace(0, len(seen) - 1, min(len(seen), 400)).astype(int)])
    sample = _sample(view, pick)
    canonical = geometry.canonical_face(sample)
    motion = np.full((span, len(MOTION)), np.nan, np.float32)
    fit = shapes.ResponseFit(len(shapes.MEASURES))
    for start in range(view.first, view.last + 1, BLOCK):
        stop = min(start + BLOCK, view.last + 1)
        points = view.read(start, stop)
        valid = np.isfinite(points[:, 0, 0])
        if not valid.any():
            continue
        faces = points[valid].astype(np.float64)
        pose = geometry.head_pose(canonical, faces)
        shape = pose.invert(faces)
        measures = shapes.measure(shape)
        angles = pose.angles()
        middle = faces[:, mesh.LIPS_OUTER, :2].mean(1)
        motion[np.flatnonzero(valid) + start - view.first] = np.column_stack(
            [measures, angles, pose.scale, shapes.lip_heights(shape), middle]
        )
        frontal = np.abs(angles[:, 0]) < 35
        fit.add(shape[frontal], measures[frontal])
    response = fit.solve(canonical, prior)
    span_of_speech = shapes.speech_range(motion[:, :2].astype(np.float64), prior)
    units = _choose(motion, view.first)
    name = view.id
    store = ctx.store
    face = np.concatenate([canonical[None], response.base[None], response.gain])
    store.array(f"face-{name}", shape=face.shape, dtype="float64", chunk=len(face)).write(0, face)
    store.array(f"motion-{name}", shape=motion.shape, dtype="float32", chunk=span).write(0, motion)
    store.put_json(
        f"track-{name}",
        {
            "mean": response.mean.tolist(),
            "low": span_of_speech.low.tolist(),
            "rest": span_of_speech.rest.tolist(),
            "high": span_of_speech.high.tolist(),
            "trust": span_of_speech.trust,
            "slope": span_of_speech.slope,
            "open_std": float(np.nanstd(motion[:, 0])),
            "units": len(units),
            "frames_of_units": units.tolist(),
        },
    )


def _sample(view: Any, frames: np.ndarray) -> np.ndarray:
    out = []
    for start in range(view.first, view.last + 1, BLOCK):
        here = frames[(frames >= start) & (frames < start + BLOCK)]
        if len(here):
            out.append(view.read(start, start + BLOCK)[here - start])
    points = np.concatenate(out)
    return points[np.isfinite(points[:, 0, 0])]


def _choose(motion: np.ndarray, first: int) -> np.ndarray:
    """Source frames that become units: all usable ones, or, of a long track, runs that spread over mouth shapes,
    poses and time.
    """
    usable = np.isfinite(motion[:, 0]) & (np.abs(motion[:, 2]) < 40)
    frames = np.flatnonzero(usable)
    if len(frames) <= MAX_UNITS:
        return frames + first
    starts = np.arange(0, len(motion) - RUN + 1, RUN)
    whole = np.array([usable[s : s + RUN].all() for s in starts])
    starts = starts[whole] if whole.any() else starts
    block = np.stack([motion[s : s + RUN] for s in starts])
    spread = np.nanstd(motion[:, :5], axis=0) + 1e-6
    parts = (
        block[:, :, 0].max(1),
        block[:, :, 0].min(1),
        block[:, :, 1].mean(1),
        block[:, :, 2].mean(1),
        block[:, :, 3].mean(1),
    )
    scale = (spread[0], spread[0], spread[1], spread[2], spread[3])
    feature = np.stack([p / s for p, s in zip(parts, scale, strict=True)], 1)
    feature = np.column_stack([feature, starts / len(motion) * 4])
    # Farthest-point choice: each next run is the one least like those already taken.
    taken = [int(np.argmax(block[:, :, 0].max(1)))]
    distance = ((feature - feature[taken[0]]) ** 2).sum(1)
    while len(taken) < min(MAX_UNITS // RUN, len(starts)):
        taken.append(int(np.argmax(distance)))
        distance = np.minimum(distance, ((feature - feature[taken[-1]]) ** 2).sum(1))
    return np.sort((starts[taken][:, None] + np.arange(RUN)).ravel()) + first


def _gather(
    ctx: StageContext, talkers: list[dict[str, Any]], landmarks: Any, owner: np.ndarray, interval: float
) -> None:
    """Cuts the units' mouths out of the source."""
    from lipdub.media.read import read_order

    plans = [_Inventory(ctx, t, _view(landmarks, owner, t, interval)) for t in talkers if t["units"]]
    wanted: dict[int, list[tuple[_Inventory, int]]] = {}
    for plan in plans:
        for u in plan.todo():
            wanted.setdefault(plan.frames[u], []).append((plan, u))
    order = sorted(wanted)
    for done, frame in enumerate(read_order(ctx.job.video, order)):
        for plan, u in wanted[frame.index]:
            plan.add(u, frame.picture)
        ctx.progress(done + 1, len(order))


class _Inventory:
    """The units of one track while they are being cut out, written chunk by chunk."""

    def __init__(self, ctx: StageContext, talker: dict[str, Any], view: Any) -> None:
        from lipdub.faces import reshape

        self.frames = talker["frames_of_units"]
        self._view = view
        motion = ctx.store.open(f"motion-{talker['id']}")
        self._motion = motion.read(0, len(motion))[np.array(self.frames) - talker["first"]]
        # Room for the widest mouth seen, its margin, and the interpolation at the patch's edge.
        scale = float(np.nanpercentile(self._motion[:, 5], 98))
        widest = float(np.nanpercentile(self._motion[:, 1], 99)) * scale * (1 + reshape.MARGIN_OF_RADIUS)
        tallest = (
            float(np.nanpercentile(self._motion[:, [0, 6, 7]].sum(1), 99.5)) * scale * (1 + reshape.MARGIN_OF_RADIUS)
        )
        tallest = max(tallest, tallest / (1 + reshape.MARGIN_OF_RADIUS) + reshape.MARGIN_OF_WIDTH * widest)
        side = 2 * int(np.ceil((max(widest, tallest) * 1.1 + 12) / 2))
        self._size = side
        units = len(self.frames)
        depth = ctx.video.bit_depth
        dtype = np.dtype("uint8" if depth <= 8 else "uint16")
        self._chunk = max(1, min(units, 64, CHUNK_BYTES // (side * side * 3 * dtype.itemsize)))
        shape = (units, side, side, 3)
        self._patches = ctx.store.array(f"patch-{talker['id']}", shape=shape, dtype=dtype, chunk=self._chunk)
        self._points = ctx.store.array(
            f"points-{talker['id']}", shape=(units, 100, 2), dtype="float32", chunk=self._chunk
        )
        self._table = ctx.store.array(
            f"unit-{talker['id']}", shape=(units, len(UNIT)), dtype="float32", chunk=self._chunk
        )
        self._buffer: dict[int, tuple[np.ndarray, np.ndarray, np.ndarray]] = {}
        self._block: tuple[int, np.ndarray] | None = None

    def todo(self) -> list[int]:
        missing = set(self._patches.missing()) | set(self._points.missing()) | set(self._table.missing())
        return [u for i in sorted(missing) for u in range(*self._patches.span(i))]

    def _landmarks(self, frame: int) -> np.ndarray:
        start = frame - frame % BLOCK
        if self._block is None or self._block[0] != start:
            self._block = (start, self._view.read(start, start + BLOCK))
        return self._block[1][frame - start]

    def add(self, u: int, picture: Any) -> None:
        from lipdub.faces import reshape

        points = reshape.mouth_points(self._landmarks(self.frames[u]))
        origin = np.floor(points[20:].mean(0) - self._size / 2).astype(int)
        patch = padded_crop(picture, origin, self._size, self._size)
        local = (points - origin).astype(np.float32)
        inside = bool((local > 1).all() and (local < self._size - 2).all())
        row = np.zeros(len(UNIT), np.float32)
        row[0] = self.frames[u]
        row[1:9] = self._motion[u, :8]
        row[9] = sharpness(patch, local)
        row[10:13] = ring_colour(patch, local)
        row[13] = inside
        self._buffer[u] = (patch, local, row)
        i = u // self._chunk
        start, stop = self._patches.span(i)
        if all(k in self._buffer for k in range(start, stop)):
            parts = [self._buffer.pop(k) for k in range(start, stop)]
            self._points.write(i, np.stack([p[1] for p in parts]))
            self._table.write(i, np.stack([p[2] for p in parts]))
            self._patches.write(i, np.stack([p[0] for p in parts]))


def padded_crop(picture: Any, origin: np.ndarray, width: int, height: int) -> np.ndarray:
    """RGB crop (height, width, 3) at `origin` (x, y); what lies outside the picture repeats its edge."""
    x0, y0 = int(origin[0]), int(origin[1])
    ax, ay = min(max(x0, 0), picture.width - 1), min(max(y0, 0), picture.height - 1)
    bx, by = max(min(x0 + width, picture.width), ax + 1), max(min(y0 + height, picture.height), ay + 1)
    crop = picture.rgb((ax, ay, bx, by))
    if crop.shape[:2] == (height, width):
        return crop
    rows = np.clip(np.arange(y0, y0 + height) - ay, 0, by - ay - 1)
    cols = np.clip(np.arange(x0, x0 + width) - ax, 0, bx - ax - 1)
    return crop[rows][:, cols]


def _grey(patch: np.ndarray) -> np.ndarray:
    import cv2

    scaled = patch if patch.dtype == np.uint8 else (patch >> 8).astype(np.uint8)
    return cv2.cvtColor(scaled, cv2.COLOR_RGB2GRAY)


def sharpness(patch: np.ndarray, points: np.ndarray) -> float:
    """Detail around the lips: mean absolute Laplacian in the box of the lip vertices (20.. of 100, patch pixels)."""
    import cv2

    low = np.maximum(points[20:].min(0).astype(int), 0)
    high = points[20:].max(0).astype(int) + 1
    box = _grey(patch)[low[1] : high[1], low[0] : high[0]]
    return float(np.abs(cv2.Laplacian(box, cv2.CV_32F)).mean()) if box.size else 0.0


def ring_colour(patch: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Mean RGB (0..1) of the skin between the lips' edge and the margin's outer ring."""
    import cv2

    mask = np.zeros(patch.shape[:2], np.uint8)
    cv2.fillPoly(mask, [np.round(points[:20]).astype(np.int32)], 1)
    cv2.fillPoly(mask, [np.round(points[20:40]).astype(np.int32)], 0)
    top = 255.0 if patch.dtype == np.uint8 else 65535.0
    return np.array(cv2.mean(patch, mask)[:3]) / top


def _weights(options: NeutralizeOptions) -> list[Path]:
    from lipdub.faces.shapes import PRIOR_WEIGHTS
    from lipdub.weights import shipped

    drawn: list[Path] = []
    if options.method == "dnet":
        from lipdub.stages.neutralize_dnet import weights_paths

        drawn = weights_paths(options.expression)
    if options.talker is not None:
        drawn = [Path(options.talker)]
    return [shipped(PRIOR_WEIGHTS), *drawn]


def _files(options: NeutralizeOptions) -> list[Path]:
    from lipdub.faces.expression import parse

    path = parse(options.expression)
    return [path] if isinstance(path, Path) else []


def _check(job: Job, facts: MediaFacts, options: NeutralizeOptions) -> None:
    """Reads the expression, so that a file that will not do stops the run before its heavy work."""
    from lipdub.faces.expression import check

    check(options.expression)


SPEC = StageSpec(
    name="neutralize",
    version=4,
    reads=("detect",),
    inputs=("video",),
    options=NeutralizeOptions,
    run=run,
    weights=_weights,
    files=_files,
    check=_check,
    settle=lambda options, job, digest: _settled(options, digest),
)


def _settled(options: NeutralizeOptions, digest: Callable[[], str]) -> NeutralizeOptions:
    if options.method != "silent-lip":
        return options
    from lipdub.stages import talkers

    return talkers.settled(options, digest)
