"""What the summary of detect must say for a job to go on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lipdub.errors import InputError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from lipdub.stages.job import Job

from lipdub.media.timeline import format_clock


def check_faces(job: Job, summary: Mapping[str, Any]) -> None:
    """Check that a job can go on with what detect found.

    Raises:
        InputError: There is no usable face, or there are gaps and the job allows none.
    """
    ranges = summary.get("faceless") or []
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
