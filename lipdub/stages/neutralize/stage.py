"""The stage neutralize: measures what each talker's face does in speech, then runs a method on it.

Store, per track id: ``face-ID`` (4, 478, 3) float64: canonical mean face, response base, response gains;
``motion-ID`` (frames of its span, 10) float32, columns ``faces.unit_table.MOTION_COLUMNS``, NaN where the face is not
seen; JSON ``track-ID``. Each method's module says what it adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.talker_tables import MotionColumn, MotionTable
from lipdub.faces.track_landmarks import LANDMARK_BLOCK
from lipdub.faces.unit_selection import MIN_MOUTH_PX
from lipdub.stages.face_selection import open_track, resolve_face_option
from lipdub.stages.method import make_spec
from lipdub.stages.neutralize import METHODS
from lipdub.stages.neutralize.options import NeutralizeOptions
from lipdub.stages.neutralize.rest import choose_unit_frames

if TYPE_CHECKING:
    from lipdub.arrays import Array
    from lipdub.stages.base import StageContext


def run(ctx: StageContext, options: NeutralizeOptions) -> dict[str, Any]:
    """Measure every track, then let the method add what it needs.

    Args:
        ctx: The stage's context.
        options: The stage's options.

    Returns:
        The summary: method, tracks, notes.
    """
    from lipdub.faces import mouth_shapes, smoothing
    from lipdub.media.frame_index import read_frame_times

    method = METHODS.get(options.method)
    times = read_frame_times(ctx.job.video)
    interval = smoothing.estimate_frame_interval(times)
    detect, rows = ctx.upstream["detect"], ctx.summaries["detect"]["tracks"]
    owner = detect.open("tracks").read(0, len(times))
    landmarks = detect.open("landmarks")
    prior = mouth_shapes.load_prior()
    talkers: list[dict[str, Any]] = []
    for row in rows:
        if row["mouth_px"] < MIN_MOUTH_PX:
            ctx.warn(f"face {row['id']} is too small to dub (its mouth is {row['mouth_px']:.0f} pixels wide)")
            continue
        if not ctx.store.has(f"track-{row['id']}"):
            _measure(ctx, open_track(landmarks, owner, row, interval), prior)
        talkers.append({**row, **ctx.store.json(f"track-{row['id']}")})
    usable = {talker["id"] for talker in talkers if talker["units"]}
    selected = usable
    if method.draws_faces:
        selected = set(resolve_face_option(ctx, options.own.face, rows, usable, ctx.store)) if usable else set()
    tracks = {t["id"]: open_track(landmarks, owner, t, interval) for t in talkers if t["id"] in selected}
    notes = method.run_tracks(ctx, options, talkers, tracks)
    summaries = [
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


def _measure(ctx: StageContext, view: Any, prior: Any) -> None:
    """Canonical face, motion table, response and unit choice of one track; all from landmarks."""
    from lipdub.faces import geometry, mesh, mouth_shapes

    span = view.last - view.first + 1
    seen = np.flatnonzero((view.owner[view.first : view.last + 1] == view.id).any(1)) + view.first
    pick = np.unique(seen[np.linspace(0, len(seen) - 1, min(len(seen), 400)).astype(int)])
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
        frontal = np.abs(angles[:, 0]) < 35
        fit.add(shape[frontal], measures[frontal])
    response = fit.solve(canonical, prior)
    span_of_speech = mouth_shapes.estimate_speech_range(MotionTable(motion).measures.astype(np.float64), prior)
    units = choose_unit_frames(motion, view.first)
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
            "open_std": float(np.nanstd(MotionTable(motion).opening)),
            "units": len(units),
            "frames_of_units": units.tolist(),
        },
    )


def _sample(view: Any, frames: Array) -> Array:
    out = []
    for start in range(view.first, view.last + 1, LANDMARK_BLOCK):
        here = frames[(frames >= start) & (frames < start + LANDMARK_BLOCK)]
        if len(here):
            out.append(view.read(start, start + LANDMARK_BLOCK)[here - start])
    points = np.concatenate(out)
    result: Array = points[np.isfinite(points[:, 0, 0])]
    return result


SPEC = make_spec(
    name="neutralize",
    summary="Measure each talker's mouth, and draw references without the speech's motion.",
    version=4,
    reads=("detect",),
    inputs=("video",),
    options=NeutralizeOptions,
    methods=METHODS,
    run=run,
)
