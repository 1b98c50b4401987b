"""Which tracks and frames a job means: the face option and the time range."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from lipdub.errors import InputError
from lipdub.stages.detect.store import DetectStore
from lipdub.stages.neutralize.store import NeutralizeStore

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.arrays import Mask
    from lipdub.stages.base import StageContext
    from lipdub.stages.detect.store import TrackRecord
    from lipdub.stages.sync.options import SyncOptions


def select_tracks(ctx: StageContext, options: SyncOptions) -> list[int]:
    """Return the ids of the tracks to dub.

    Raises:
        InputError: No face can be dubbed.
        UsageError: The option names no face of the video.
    """
    detect, neutralize = DetectStore.from_context(ctx), NeutralizeStore.from_context(ctx)
    return resolve_face_option(ctx, options.face, detect.tracks, neutralize.usable, neutralize)


def resolve_face_option(
    ctx: StageContext, option: str, tracks: Sequence[TrackRecord], usable: set[int], neutralize: NeutralizeStore
) -> list[int]:
    """Return the ids of the tracks that ``--face`` names.

    Args:
        ctx: The stage's context.
        option: The option's value.
        tracks: The tracks of detect.
        usable: Ids of the tracks that can be dubbed.
        neutralize: The store with the mean faces of the tracks.

    Raises:
        InputError: No face can be dubbed, or the reference picture shows none.
        UsageError: The option names no face of the video.
    """
    from lipdub.faces import track_selection

    if not usable:
        raise InputError("no face in the video is large and frontal enough to dub")
    face = track_selection.parse_face(option)
    if isinstance(face, Path):
        return _most_similar_tracks(ctx, face, tracks, usable, neutralize)
    return list(track_selection.select_track_ids(face, tracks, usable))


def _most_similar_tracks(
    ctx: StageContext, picture: Path, tracks: Sequence[TrackRecord], usable: set[int], neutralize: NeutralizeStore
) -> list[int]:
    """Return the track of each shot whose face is most similar to the one in the picture."""
    from lipdub.faces import geometry, track_selection
    from lipdub.stages.detect.picture import find_face_in_picture

    _, face = find_face_in_picture(ctx, picture, "the reference picture")
    reference = geometry.to_canonical(face)
    distance = {
        track: track_selection.measure_face_distance(neutralize.read_mean_face(track), reference) for track in usable
    }
    selected: list[int] = []
    for shot in sorted({track["shot"] for track in tracks}):
        candidates = [track["id"] for track in tracks if track["shot"] == shot and track["id"] in usable]
        selected += sorted(candidates, key=lambda track: distance[track])[:1]
    return selected


def frames_in_range(ctx: StageContext, start: float | None, end: float | None) -> Mask:
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
    result: Mask = (times >= (start or 0.0)) & (times <= end)
    return result
