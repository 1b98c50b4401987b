"""The files that a result is compared with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path  # noqa: TC003  (the declarations are read at run time)

from lipdub.options import OptionGroup, option


def _detector_names() -> tuple[str, ...]:
    from lipdub.faces.detectors import DETECTORS

    return DETECTORS.names()


@dataclass(frozen=True)
class ScoreOptions(OptionGroup):
    """The files that a result is compared with.

    Attributes:
        workspace: folder of the run that made it.
        ground_truth: video that the result should look like.
        source: the video that the result was made from; by default the one that the workspace names.
        speech: the sound that the result should follow; by default its own.
        offset: seconds after the first frame at which the speech begins; by default as in the workspace, else 0.
        detector: name of the face detector; by default the one the workspace was made with, else that of `detect`.
    """

    workspace: Path | None = option(
        None,
        "--workspace",
        "-w",
        metavar="FOLDER",
        help="The workspace of the run that made RESULT. Default: the one beside RESULT, if there is one.",
    )
    ground_truth: Path | None = option(
        None,
        "--ground-truth",
        aliases=("--truth",),
        metavar="VIDEO",
        help="A video of what RESULT should look like, if any.",
    )
    source: Path | None = option(
        None,
        "--source",
        metavar="VIDEO",
        help="The video that RESULT was made from. Default: the one the workspace names.",
    )
    speech: Path | None = option(
        None,
        "--speech",
        metavar="FILE",
        help="The speech that the mouth should follow. Default: the sound of RESULT.",
    )
    offset: float | None = option(
        None,
        "--offset",
        metavar="SECONDS",
        help="Seconds after the first frame at which the speech begins. Default: as in the workspace, else 0.",
    )
    detector: str | None = option(
        None,
        "--detector",
        choices=_detector_names,
        metavar="NAME",
        help="The face detector. Default: the one of the workspace, else the default of detect.",
    )
