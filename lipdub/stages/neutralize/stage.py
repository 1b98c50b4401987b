"""neutralize: what each talker's face does in speech; with method `rest` its rest mouth and the inventory of units too.

Store, per track id: ``face-ID`` (4, 478, 3) float64: canonical mean face, response base, response gains;
``motion-ID`` (frames of its span, 10) float32, columns `MOTION`, NaN where unseen;
units, the frames whose mouths may be shown elsewhere: ``unit-ID`` (u, 14) float32 (columns `UNIT`), ``patch-ID``
(u, h, w, 3) their mouths' pixels, ``points-ID`` (u, 100, 2) float32 mouth vertices in patch pixels. JSON ``track-ID``.
What methods `dnet` and `silent-lip` keep besides: `lipdub.stages.neutralize.dnet`, `neutralize_silent_lip`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.faces.talker_tables import MotionColumn, MotionTable
from lipdub.faces.unit_selection import MIN_MOUTH_PX
from lipdub.stages.base import StageContext, StageSpec
from lipdub.stages.face_selection import open_track
from lipdub.stages.frames import LANDMARK_BLOCK
from lipdub.stages.neutralize.options import DRAWING_METHODS, NeutralizeOptions
from lipdub.stages.neutralize.rest import _choose_frames, gather_units

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.engine.job import Job
    from lipdub.media.probe import MediaFacts


def run(ctx: StageContext, options: NeutralizeOptions) -> dict[str, Any]:
    """Measures every track; then, for `rest`, gathers its units in one pass over the frames that are needed, and for
    `dnet` and `silent-lip` draws its references.
    """
    from lipdub.faces import mouth_shapes, smoothing
    from lipdub.media.frame_index import read_frame_times

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
    if options.method == "rest":
        gather_units(ctx, talkers, landmarks, owner, interval)
    notes: list[str] = []
    if options.method in DRAWING_METHODS:
        from lipdub.stages.face_selection import resolve_face_option
        from lipdub.stages.neutralize import dnet, silent_lip

        usable = {t["id"] for t in talkers if t["units"]}
        ids = resolve_face_option(ctx, options.face, rows, usable, ctx.store) if usable else []
        views = [open_track(landmarks, owner, t, interval) for t in talkers if t["id"] in ids]
        notes = (dnet if options.method == "dnet" else silent_lip).run(ctx, options, views)
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
    units = _choose_frames(motion, view.first)
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


def _sample(view: Any, frames: np.ndarray) -> np.ndarray:
    out = []
    for start in range(view.first, view.last + 1, LANDMARK_BLOCK):
        here = frames[(frames >= start) & (frames < start + LANDMARK_BLOCK)]
        if len(here):
            out.append(view.read(start, start + LANDMARK_BLOCK)[here - start])
    points = np.concatenate(out)
    return points[np.isfinite(points[:, 0, 0])]


def _weights(options: NeutralizeOptions) -> list[Path]:
    from lipdub.faces.mouth_shapes import PRIOR_WEIGHTS
    from lipdub.weights import verify_shipped

    drawn: list[Path] = []
    if options.method == "dnet":
        from lipdub.stages.neutralize.dnet import weights_paths

        drawn = weights_paths(options.expression)
    if options.talker is not None:
        drawn = [Path(options.talker)]
    return [verify_shipped(PRIOR_WEIGHTS), *drawn]


def _files(options: NeutralizeOptions) -> list[Path]:
    from lipdub.faces.expression import parse_expression

    path = parse_expression(options.expression)
    return [path] if isinstance(path, Path) else []


def _check(job: Job, facts: MediaFacts, options: NeutralizeOptions) -> None:
    """Reads the expression, so that a file that will not do stops the run before its heavy work."""
    from lipdub.faces.expression import check_expression

    check_expression(options.expression)


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
    from lipdub.stages import talking_face

    return talking_face.resolve_model(options, digest)
