"""What the summary of detect must say for a job to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lipdub.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from lipdub.stages.detect.store import FalseTrackRecord
    from lipdub.stages.job import Job

from lipdub.media.timeline import format_clock

_LISTED_SPANS = 5  # of a message; more are counted


def describe_false_tracks(records: Sequence[FalseTrackRecord]) -> str:
    """Say where something looked like a face but has no eyes and mouth where a face has them."""
    return describe_false_spans([(record["start"], record["end"]) for record in records])


def describe_cut_mouths(records: Sequence[FalseTrackRecord]) -> str:
    """Say where the mouth of a face lies at the border of the picture or beyond."""
    return describe_cut_spans([(record["start"], record["end"]) for record in records])


def describe_cut_spans(spans: Sequence[tuple[float, float]]) -> str:
    """Say the same of spans, seconds from the first frame."""
    return f"the mouth of the face at {_list_spans(spans)} is not wholly in the picture"


def describe_false_spans(spans: Sequence[tuple[float, float]]) -> str:
    """Say the same of spans, seconds from the first frame."""
    place = f"what looks like a face at {_list_spans(spans)}"
    return f"{place} has no eyes and mouth in their places, or something covers them"


def _list_spans(spans: Sequence[tuple[float, float]]) -> str:
    more = f" and {len(spans) - _LISTED_SPANS} more" if len(spans) > _LISTED_SPANS else ""
    return ", ".join(f"{format_clock(start)}-{format_clock(end)}" for start, end in spans[:_LISTED_SPANS]) + more


def check_faces(job: Job, summary: Mapping[str, Any]) -> None:
    """Check that a job can go on with what detect found.

    Raises:
        InputError: There is no usable face, or there are gaps and the job allows none.
    """
    ranges = summary.get("faceless") or []
    false_tracks, cut_mouths = summary.get("false_tracks") or [], summary.get("cut_mouths") or []
    if not summary.get("tracks") and (false_tracks or cut_mouths):
        reason = describe_cut_mouths(cut_mouths) if cut_mouths else describe_false_tracks(false_tracks)
        raise InputError(
            f"no face was found in {job.video}: {reason}",
            hint="It must show one from the front or half side; `lipdub inspect` tells what was seen.",
        )
    if not summary.get("tracks"):
        raise InputError(
            f"no face was found in {job.video}",
            hint="It must show one from the front or half side; `lipdub inspect` tells what was seen.",
        )
    if job.no_face == "error" and ranges:
        listed = ", ".join(f"{format_clock(a)}-{format_clock(b)}" for a, b in ranges[:20])
        more = f" and {len(ranges) - 20} more" if len(ranges) > 20 else ""
        raise InputError(
            f"{job.video} has no face at {listed}{more}", hint="With --no-face keep such frames pass through."
        )
