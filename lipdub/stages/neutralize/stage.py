"""The stage neutralize: measures what each talker's face does in speech, then runs a method on it.

`store` describes the arrays.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.talker_tables import MotionColumn, MotionTable
from lipdub.faces.track_landmarks import LANDMARK_BLOCK
from lipdub.faces.unit_selection import MIN_MOUTH_PX
from lipdub.stages.detect.store import DetectStore
from lipdub.stages.method import make_spec
from lipdub.stages.neutralize import METHODS
from lipdub.stages.neutralize.options import NeutralizeOptions
from lipdub.stages.neutralize.rest import choose_unit_frames
from lipdub.stages.neutralize.store import NeutralizeStore
from lipdub.stages.targets import resolve_face_option
from lipdub.words import join_names, name_faces

if TYPE_CHECKING:
    from collections.abc import Sequence

    from lipdub.arrays import F32, I64
    from lipdub.faces.mouth_shapes import MouthPrior
    from lipdub.faces.track_landmarks import TrackLandmarks
    from lipdub.stages.base import StageContext
    from lipdub.stages.detect.store import TrackRecord
    from lipdub.stages.neutralize.store import TalkerSummary

SAMPLED_FRAMES = 400  # of a track, that its canonical face is estimated from
FRONTAL_YAW_DEGREES = 35.0  # the response is fitted to faces turned less than this


def run(ctx: StageContext, options: NeutralizeOptions) -> dict[str, Any]:
    """Measure every track, then let the method add what it needs.

    Args:
        ctx: The stage's context.
        options: The stage's options.

    Returns:
        The summary: method, tracks, notes.
    """
    from lipdub.faces import mouth_shapes

    method, store = METHODS.get(options.method), NeutralizeStore(ctx.store)
    detect = DetectStore.from_context(ctx)
    prior = mouth_shapes.load_prior()
    talkers: list[dict[str, Any]] = []
    small: list[TrackRecord] = []
    for track in detect.tracks:
        if track["mouth_px"] < MIN_MOUTH_PX:
            small.append(track)
            continue
        if not store.has_talker(track["id"]):
            _measure(store, detect.landmarks(track["id"]), prior)
        talkers.append({**track, **store.read_record(track["id"])})
    if small:
        ctx.warn(_describe_small_faces(small))
    usable = {talker["id"] for talker in talkers if talker["units"]}
    selected = usable
    if method.draws_faces:
        selected = set(resolve_face_option(ctx, options.own.face, detect.tracks, usable, store)) if usable else set()
    tracks = {talker["id"]: detect.landmarks(talker["id"]) for talker in talkers if talker["id"] in selected}
    notes = method.run_tracks(ctx, options, talkers, tracks)
    summaries: list[TalkerSummary] = [
        {
            "id": talker["id"],
            "usable": talker["units"] > 0,
            "units": talker["units"] if method.gathers_units else 0,
            "trust": talker["trust"],
            "open_std": talker["open_std"],
        }
        for talker in talkers
    ]
    return {"method": method.name, "tracks": summaries, "notes": notes}


def _describe_small_faces(tracks: Sequence[TrackRecord]) -> str:
    """Return a sentence on the faces that are too small."""
    faces, widths = name_faces([track["id"] for track in tracks]), [f"{track['mouth_px']:.0f}" for track in tracks]
    if len(tracks) == 1:
        return f"{faces} is too small to dub (its mouth is {widths[0]} pixels wide)"
    return f"{faces} are too small to dub (their mouths are {join_names(widths)} pixels wide)"


def _measure(store: NeutralizeStore, view: TrackLandmarks, prior: MouthPrior) -> None:
    """Measure canonical face, motion, response and range of one track, and choose its units; all from landmarks."""
    from lipdub.faces import geometry, mesh, mouth_shapes

    span = view.last - view.first + 1
    seen = np.flatnonzero((view.owner[view.first : view.last + 1] == view.id).any(1)) + view.first
    pick = np.unique(seen[np.linspace(0, len(seen) - 1, min(len(seen), SAMPLED_FRAMES)).astype(int)])
    sample = _sample(view, pick)
    canonical = geometry.estimate_canonical_face(sample)
    motion = np.full((span, len(MotionColumn)), np.nan, np.float32)
    fit = mouth_shapes.ResponseFit(len(mouth_shapes.MEASURES))
    for start in range(view.first, view.last + 1, LANDMARK_BLOCK):
        stop = min(start + LANDMARK_BLOCK, view.last + 1)
        points = view.read(start, stop)
        valid = np.isfinite(points[:, 0, 0])
        if not valid.any():
            continue
        faces = points[valid].astype(np.float64)
        pose = geometry.estimate_head_pose(canonical, faces)
        shape = pose.invert(faces)
        measures = mouth_shapes.measure(shape)
        angles = pose.angles()
        middle = faces[:, mesh.LIPS_OUTER, :2].mean(1)
        motion[np.flatnonzero(valid) + start - view.first] = np.column_stack(
            [measures, angles, pose.scale, mouth_shapes.measure_lip_heights(shape), middle]
        )
        frontal = np.abs(angles[:, 0]) < FRONTAL_YAW_DEGREES
        fit.add(shape[frontal], measures[frontal])
    response = fit.solve(canonical, prior)
    speech_range = mouth_shapes.estimate_speech_range(MotionTable(motion).measures.astype(np.float64), prior)
    units = choose_unit_frames(motion, view.first)
    store.write_talker(
        view.id,
        np.concatenate([canonical[None], response.base[None], response.gain]),
        motion,
        {
            "mean": response.mean.tolist(),
            "low": speech_range.low.tolist(),
            "rest": speech_range.rest.tolist(),
            "high": speech_range.high.tolist(),
            "trust": speech_range.trust,
            "slope": speech_range.slope,
            "open_std": float(np.nanstd(MotionTable(motion).opening)),
            "units": len(units),
            "frames_of_units": units.tolist(),
        },
    )


def _sample(view: TrackLandmarks, frames: I64) -> F32:
    """Read the meshes of some frames, without those that do not show the face: (n, 478, 3)."""
    parts = []
    for start in range(view.first, view.last + 1, LANDMARK_BLOCK):
        in_block = frames[(frames >= start) & (frames < start + LANDMARK_BLOCK)]
        if len(in_block):
            parts.append(view.read(start, start + LANDMARK_BLOCK)[in_block - start])
    points = np.concatenate(parts)
    result: F32 = points[np.isfinite(points[:, 0, 0])]
    return result


SPEC = make_spec(
    name="neutralize",
    summary="Measure each talker's mouth, and draw references without the speech's motion.",
    version=5,
    reads=("detect",),
    inputs=("video",),
    options=NeutralizeOptions,
    methods=METHODS,
    run=run,
)
