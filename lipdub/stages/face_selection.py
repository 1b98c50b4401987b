"""Which tracks and frames a job means: the face option, the time range, the landmarks of tracks."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Collection

    from lipdub.arrays import Array
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.stages.base import StageContext
    from lipdub.stages.sync.options import SyncOptions
    from lipdub.workspace.stage_store import StageStore


def select_tracks(ctx: StageContext, options: SyncOptions) -> list[int]:
    """Return the ids of the tracks to dub.

    Raises:
        InputError: No face can be dubbed.
        UsageError: The option names no face of the video.
    """
    usable = {r["id"] for r in ctx.summaries["neutralize"]["tracks"] if r["usable"]}
    return resolve_face_option(ctx, options.face, ctx.summaries["detect"]["tracks"], usable, ctx.upstream["neutralize"])


def resolve_face_option(
    ctx: StageContext, asked_for: str, rows: list[dict[str, Any]], usable: set[int], neutral: StageStore
) -> list[int]:
    """Return the ids of the tracks that ``--face`` names.

    Args:
        ctx: The stage's context.
        asked_for: The option's value.
        rows: The tracks of detect.
        usable: Ids of the tracks that can be dubbed.
        neutral: The store with the mean faces of the tracks.

    Raises:
        InputError: No face can be dubbed, or the reference picture shows none.
        UsageError: The option names no face of the video.
    """
    from lipdub.faces import track_selection

    if not usable:
        raise InputError("no face in the video is large and frontal enough to dub")
    face = track_selection.parse_face(asked_for)
    if isinstance(face, Path):
        return _most_similar_tracks(ctx, face, rows, usable, neutral)
    return list(track_selection.select_track_ids(face, rows, usable))


def _most_similar_tracks(
    ctx: StageContext, picture: Path, rows: list[dict[str, Any]], usable: set[int], neutral: StageStore
) -> list[int]:
    """Return the track of each shot whose face is most similar to the one in the picture."""
    from lipdub.faces import geometry, track_selection
    from lipdub.stages.detect.picture import find_face_in_picture

    _, face = find_face_in_picture(ctx, picture, "the reference picture")
    reference = geometry.to_canonical(face)
    distance = {
        i: track_selection.measure_face_distance(neutral.open(f"face-{i}").read(0, 1)[0], reference) for i in usable
    }
    out: list[int] = []
    for shot in sorted({r["shot"] for r in rows}):
        here = sorted((r for r in rows if r["shot"] == shot and r["id"] in usable), key=lambda r: distance[r["id"]])
        out += [r["id"] for r in here[:1]]
    return out


def open_tracks(ctx: StageContext, ids: Collection[int]) -> dict[int, TrackLandmarks]:
    """Open the landmarks of these tracks, by id."""
    from lipdub.faces import smoothing
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.media.frame_index import read_frame_times

    detect, times = ctx.upstream["detect"], read_frame_times(ctx.job.video)
    owner, landmarks = detect.open("tracks").read(0, len(times)), detect.open("landmarks")
    rows = (row for row in ctx.summaries["detect"]["tracks"] if row["id"] in ids)
    interval = smoothing.estimate_frame_interval(times)
    return {r["id"]: TrackLandmarks(landmarks, owner, r["id"], r["first"], r["last"], interval) for r in rows}


def frames_in_range(ctx: StageContext, start: float | None, end: float | None) -> Array:
    """Return which source frames can be dubbed by the range asked for.

    Beyond the video's end its frames come again, in an order that is not known yet. Such a range means all frames.

    Args:
        ctx: The stage's context.
        start: Seconds from the first frame, or None.
        end: Seconds from the first frame, or None.

    Returns:
        (frames,) bool.
    """
    from lipdub.media.frame_index import read_frame_times

    times = read_frame_times(ctx.job.video)
    times = times - times[0]
    if end is None or end > times[-1]:
        return np.ones(len(times), bool)
    result: Array = (times >= (start or 0.0)) & (times <= end)
    return result


def open_track(landmarks: Any, owner: Array, row: dict[str, Any], interval: float) -> TrackLandmarks:
    """Open the landmarks of one row of detect's tracks."""
    from lipdub.faces.track_landmarks import TrackLandmarks

    return TrackLandmarks(landmarks, owner, row["id"], row["first"], row["last"], interval)
