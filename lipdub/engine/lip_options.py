"""The options of `lipdub lips`, each declared once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from lipdub.errors import UsageError
from lipdub.options import option, options_of, redeclare
from lipdub.stages.shared_options import FaceOptions, TimeOptions, TranscriptOptions

if TYPE_CHECKING:
    from os import PathLike

LipFormat = Literal["json", "csv", "npz", "srt", "srt-words", "rhubarb-tsv", "rhubarb-xml", "rhubarb-json"]
"""Names of `lipdub.speech.lip_trajectory.FORMATS`."""

_FILE, _PART, _FACE = "Result file", "Which part", "Landmarks"


@dataclass(frozen=True)
class LipOptions(FaceOptions, TranscriptOptions, TimeOptions):
    """What to compute of the lips of a speech, and how to write it."""

    format: LipFormat | None = option(
        None, "--format", help="Format of the result file. By default its ending decides.", panel=_FILE
    )
    fps: float | None = option(
        None,
        "--fps",
        help="Rows per second.",
        low=1,
        high=1000,
        metavar="RATE",
        panel=_FILE,
        default_text="100",
    )
    plot: str | None = option(
        None, "--plot", help="Draw the speech and its lips into this picture.", metavar="PICTURE", panel=_FILE
    )
    overwrite: bool = option(False, "--overwrite", help="Replace existing files.", panel=_FILE)
    start: float | None = redeclare(TimeOptions, "start", help="Start at this time of the speech.", panel=_PART)
    end: float | None = redeclare(TimeOptions, "end", help="Stop at this time of the speech.", panel=_PART)
    landmarks: Literal[68, 478] | None = option(
        None,
        "--landmarks",
        help="Write lip landmarks instead: the 68 points of iBUG, or the 478 of MediaPipe's mesh.",
        metavar="68|478",
        panel=_FACE,
    )
    video: str | None = option(
        None,
        "--video",
        help="Video, or the workspace of one, whose face the landmarks show. By default a neutral face.",
        metavar="PATH",
        panel=_FACE,
        aliases=("--talker",),
        old_names=("talker",),
    )
    face: str = redeclare(
        FaceOptions, "face", help="Which face of the video: a track number, largest, left or right.", panel=_FACE
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.video is not None and self.landmarks is None:
            raise UsageError("--video is for landmarks", hint="Give --landmarks 68 or 478 too.")
        if self.video is not None and self.fps is not None:
            raise UsageError("--fps and --video exclude each other", hint="The frames of the video decide.")


class LipOptionValues(TypedDict, total=False):
    """Keyword options of `lipdub.lips`: the fields of `LipOptions`, and two names of lipdub 0.1.0."""

    format: LipFormat | None
    fps: float | None
    plot: str | PathLike[str] | None
    overwrite: bool
    start: float | None
    end: float | None
    transcript: str | PathLike[str] | None
    language: str
    landmarks: Literal[68, 478] | None
    video: str | PathLike[str] | None
    face: str
    text: str | PathLike[str] | None
    talker: str | PathLike[str] | None


def make_lip_options(values: LipOptionValues) -> LipOptions:
    """Make the options of keyword arguments.

    Raises:
        UsageError: An option is unknown or given twice, or its value is wrong.
    """
    declared = options_of(LipOptions)
    names = {item.name: item.name for item in declared}
    names |= {old: item.name for item in declared for old in item.declared.old_names}
    settings: dict[str, Any] = {}
    for key, value in values.items():
        if key not in names:
            raise UsageError(
                f"lips has no option {key!r}", hint=f"Options are {', '.join(item.name for item in declared)}."
            )
        if names[key] in settings:
            raise UsageError(f"the option {names[key]!r} is given twice")
        settings[names[key]] = value
    return LipOptions(**settings)
