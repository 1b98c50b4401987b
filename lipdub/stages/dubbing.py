"""What every sync method shares: which source frame is shown when, whose lips are dubbed, how far, and the tables of it."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from lipdub.faces.view import TrackView
    from lipdub.stages.base import StageContext
    from lipdub.stages.sync import SyncOptions
    from lipdub.weights.store import Kept
    from lipdub.workspace.store import Store

# Faces turned further than this are left as they are, fading over the last degrees.
PROFILE_DEGREES = 52.0
PROFILE_FADE = 12.0
# Where dubbing begins or ends inside a shot it fades over this time.
FADE_SECONDS = 0.16
# Speech is heard at this rate.
SPEECH_RATE = 16000
# Crops are written in chunks of so many bytes, or frames.
CHUNK_BYTES = 16 << 20
MAX_CHUNK = 48


def timeline(ctx: StageContext, options: SyncOptions, samples: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The frames of the result, for a speech of so many samples at `SPEECH_RATE`; keeps the JSON ``timeline``.

    Returns source (n,) int32 frame shown; pts (n,) int64; moments (n,) float64 seconds from the first frame.
    """
    from lipdub.media.probe import frame_pts
    from lipdub.timeline import plan_timeline

    line = plan_timeline(
        frame_pts(ctx.job.video),
        ctx.video.time_base,
        Fraction(samples, SPEECH_RATE),
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
    moments = np.asarray(line.time) - line.time[0]
    return np.asarray(line.source).astype(np.int32), np.asarray(line.pts, np.int64), moments


def chosen(ctx: StageContext, options: SyncOptions) -> list[int]:
    """The ids of the tracks to dub. Raises InputError when no face can be, UsageError as `faces.choice.choose`."""
    usable = {r["id"] for r in ctx.summaries["neutralize"]["tracks"] if r["usable"]}
    return meant(options.face, ctx.summaries["detect"]["tracks"], usable, ctx.upstream["neutralize"])


def meant(asked_for: str, rows: list[dict[str, Any]], usable: set[int], neutral: Store) -> list[int]:
    """The ids of the tracks that `--face` means, of detect's rows. neutral: the store with their mean faces. Raises as
    `chosen`.
    """
    from lipdub.faces import choice

    if not usable:
        raise InputError("no face in the video is large and frontal enough to dub")
    face = choice.parse(asked_for)
    if isinstance(face, Path):
        return _like_picture(face, rows, usable, neutral)
    return list(choice.choose(face, rows, usable))


def _like_picture(picture: Path, rows: list[dict[str, Any]], usable: set[int], neutral: Store) -> list[int]:
    """The track of each shot whose face is most like the one in the picture."""
    from lipdub.faces import choice, geometry
    from lipdub.faces.detect import FaceFinder
    from lipdub.media.read import read_frames

    with FaceFinder(1) as finder:
        found = [f for frame in read_frames(picture, 0, 1) for f in finder.faces(frame.picture.rgb())]
    if not found:
        raise InputError(f"there is no face in the reference picture {picture}")
    reference = geometry.upright(found[0])
    distance = {i: choice.likeness(neutral.open(f"face-{i}").read(0, 1)[0], reference) for i in usable}
    out: list[int] = []
    for shot in sorted({r["shot"] for r in rows}):
        here = sorted((r for r in rows if r["shot"] == shot and r["id"] in usable), key=lambda r: distance[r["id"]])
        out += [r["id"] for r in here[:1]]
    return out


def views(ctx: StageContext, ids: Collection[int]) -> dict[int, TrackView]:
    """The landmarks of these tracks, by id."""
    from lipdub.faces import smooth
    from lipdub.faces.view import TrackView
    from lipdub.media.probe import frame_times

    detect, times = ctx.upstream["detect"], frame_times(ctx.job.video)
    owner, landmarks = detect.open("tracks").read(0, len(times)), detect.open("landmarks")
    rows = (row for row in ctx.summaries["detect"]["tracks"] if row["id"] in ids)
    interval = smooth.interval(times)
    return {r["id"]: TrackView(landmarks, owner, r["id"], r["first"], r["last"], interval) for r in rows}


def load(ctx: StageContext, kept: Kept) -> Any:
    """The network of verified weights, on the run's device."""
    import torch

    from lipdub.weights.checkpoint import load_network

    torch.set_num_threads(ctx.threads)
    return load_network(kept.path, kept.entry).to(ctx.device)


def used(ctx: StageContext, start: float | None, end: float | None) -> np.ndarray:
    """Which of the source's frames can be dubbed by the range asked for, seconds from its first one: bool (frames,). Beyond the
    video's end its frames come again in an order that is not known yet.
    """
    from lipdub.media.probe import frame_times

    times = frame_times(ctx.job.video)
    times = times - times[0]
    if end is None or end > times[-1]:
        return np.ones(len(times), bool)
    return (times >= (start or 0.0)) & (times <= end)


def asked(moments: np.ndarray, options: SyncOptions) -> np.ndarray:
    """1 inside the range asked for, fading to 0 over `FADE_SECONDS` inside its ends; (n,)."""
    out = np.ones(len(moments))
    if options.start is not None:
        out = np.minimum(out, (moments - options.start) / FADE_SECONDS if options.start > 0 else 1.0)
    if options.end is not None:
        out = np.minimum(out, (options.end - moments) / FADE_SECONDS)
    return np.clip(out, 0, 1)


def shown(
    motion: np.ndarray,
    row: Mapping[str, Any],
    shots: list[list[int]],
    interval: float,
    covered: np.ndarray | None = None,
) -> np.ndarray:
    """How far each source frame of a track can be dubbed, (frames,) 0..1: seen, not in profile, fading at its ends.

    Args:
        motion: of the neutralize stage (its `MOTION` columns). row: the track's, of detect. interval: seconds between
            frames. covered: bool (frames,) where something lies before the mouth.
    """
    from lipdub.faces import smooth, tracks

    valid = np.isfinite(motion[:, 0])
    out = np.where(valid, np.clip((PROFILE_DEGREES - np.abs(np.nan_to_num(motion[:, 2]))) / PROFILE_FADE, 0, 1), 0.0)
    # A hand or a microphone before the mouth: left alone, from two such frames on (one may be a flash).
    for a, b in smooth.runs(covered) if covered is not None else ():
        valid[a:b] &= b - a < 2
    out = smooth.savgol(out * valid, 5, 1).clip(0, 1) * valid
    steps = max(1, round(FADE_SECONDS / interval))
    first, end = shots[row["shot"]]
    for a, b in smooth.runs(valid):
        ramp = np.arange(1, b - a + 1) / steps
        # A shot's own first and last frames need no fade: the cut hides the change.
        if row["first"] + a > first + tracks.FILL_FRAMES:
            out[a:b] *= np.minimum(ramp, 1)
        if row["first"] + b < end - tracks.FILL_FRAMES:
            out[a:b] *= np.minimum(ramp[::-1], 1)
    return out


def crop_store(ctx: StageContext, frames: int, width: int, height: int) -> tuple[Any, Any]:
    """The arrays ``crops`` and ``boxes`` for crops of at most this size, of even sides, inside the picture."""
    video = ctx.video
    width, height = min(width + width % 2, video.width), min(height + height % 2, video.height)
    dtype = np.dtype("uint8" if video.bit_depth <= 8 else "uint16")
    chunk = max(1, min(MAX_CHUNK, CHUNK_BYTES // (width * height * 4 * dtype.itemsize)))
    crops = ctx.store.array("crops", shape=(frames, height, width, 4), dtype=dtype, chunk=chunk)
    boxes = ctx.store.array("boxes", shape=(frames, 4), dtype="int32", chunk=chunk)
    return crops, boxes


def write_tables(ctx: StageContext, **tables: np.ndarray) -> None:
    """Keeps arrays over the output frames, each in one chunk."""
    for name, data in tables.items():
        array = ctx.store.array(name, shape=data.shape, dtype=data.dtype, chunk=max(len(data), 1))
        if not array.done(0):
            array.write(0, data)


def untouched(time: np.ndarray, amount: np.ndarray) -> list[list[float]]:
    """First and last time of each stretch of frames that pass through."""
    from lipdub.faces import smooth

    return [[float(time[a]), float(time[b - 1])] for a, b in smooth.runs(~(amount > 0))]


def runs(chunks: set[int]) -> Iterator[tuple[int, int]]:
    """Successive chunk numbers as inclusive spans."""
    for i in sorted(chunks):
        if i - 1 not in chunks:
            last = i
            while last + 1 in chunks:
                last += 1
            yield i, last
