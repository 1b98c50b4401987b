"""Where the full-face crops of a track lie: what `silent-lip` and `style-reference` have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from lipdub.faces.alignment import full_face
from lipdub.stages.neutralize.store import NeutralizeStore, drawn_full_faces
from lipdub.stages.visibility import MAX_DRAWN_YAW_DEGREES

if TYPE_CHECKING:
    from lipdub.arrays import F64, Mask
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.stages.base import StageContext


def read_placements(ctx: StageContext, track: TrackLandmarks, is_used: Mask) -> F64:
    """Read where the crop of each used frame of a track lies, or fit it: (frames, 4), NaN where none is drawn."""
    frames = track.last - track.first + 1
    return drawn_full_faces(ctx.store, track.id).write_places(
        lambda: _fit_used(NeutralizeStore(ctx.store), track, is_used), frames, "float64"
    )


def fit_placements(neutralize: NeutralizeStore, track: TrackLandmarks) -> F64:
    """Fit where the crop of each frame of a track lies: (frames, 4), NaN where the head is turned too far away."""
    frames = track.last - track.first + 1
    places = full_face.fit_placements_blockwise(
        lambda start, stop: track.read(track.first + start, track.first + stop), frames, track.interval
    )
    places[~(np.abs(neutralize.read_motion(track.id).yaw) <= MAX_DRAWN_YAW_DEGREES)] = np.nan
    return places


def _fit_used(neutralize: NeutralizeStore, track: TrackLandmarks, is_used: Mask) -> F64:
    places = fit_placements(neutralize, track)
    places[~is_used[track.first : track.last + 1]] = np.nan
    return places
