"""Find the shots of a video, its faces and their tracks; `store` describes the arrays."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lipdub.faces import detectors
from lipdub.stages.base import StageContext, StageSpec
from lipdub.stages.detect.options import DetectOptions
from lipdub.stages.detect.store import DetectArrays
from lipdub.stages.detect.summary import check_faces, describe_cut_mouths, describe_false_tracks

if TYPE_CHECKING:
    from pathlib import Path


def run(ctx: StageContext, options: DetectOptions, *, must_check: bool = True) -> dict[str, Any]:
    """Search the frames of the chunks that are missing, and link the faces of all frames to tracks.

    Args:
        ctx: Of the stage.
        options: Of the stage.
        must_check: Whether meshes are checked to lie on faces; without, all are trusted.

    Returns:
        The stage's summary.
    """
    from lipdub.media.frame_index import read_frame_times
    from lipdub.stages.detect.search import consecutive_spans, search_chunks
    from lipdub.stages.detect.tracks import link_tracks

    times = read_frame_times(ctx.job.video)
    arrays = DetectArrays(ctx.store, len(times), options.max_faces)
    weights = detectors.DETECTORS.get(options.method).verify_weights()
    missing = arrays.missing()
    if missing:
        with detectors.create(
            options.method, max_faces=options.max_faces, device=ctx.device, threads=ctx.threads, weights=weights
        ) as detector:
            for first, last in consecutive_spans(set(missing)):
                search_chunks(ctx, detector, arrays, first, last, must_check=must_check)
    notes = [verified.trust_note for verified in weights if verified.trust_note]
    size = ctx.video.width, ctx.video.height
    summary = {"method": options.method, **link_tracks(arrays, times, size), "notes": notes}
    if summary["false_tracks"]:
        ctx.warn(f"{describe_false_tracks(summary['false_tracks'])}: it passes through")
    if summary["cut_mouths"]:
        ctx.warn(f"{describe_cut_mouths(summary['cut_mouths'])}: it passes through there")
    return summary


def _weights(options: DetectOptions) -> list[Path]:
    return [verified.path for verified in detectors.DETECTORS.get(options.method).verify_weights()]


SPEC = StageSpec(
    name="detect",
    summary="Find shots and faces, and follow each face over time.",
    version=4,
    reads=(),
    inputs=("video",),
    options=DetectOptions,
    run=run,
    weights=_weights,
    check_summary=check_faces,
)
