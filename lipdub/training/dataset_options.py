"""The options of `lipdub prepare`, declared once for the command line, the datasets and Python."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from lipdub.errors import UsageError
from lipdub.options import OptionGroup, option, validate

FacePolicy = Literal["one", "any"]
SplitBy = Literal["clip", "speaker"]
DEFAULT_MARGIN = 4 / 3  # that of `faces.alignment.lower_face`, whose crops can then be cut from the stored ones

_CLIPS, _FILTERS, _SPLIT = "Clips", "Filters", "Split"


@dataclass(frozen=True)
class ClipOptions:
    """Options that determine which clips a dataset has, and their content.

    Attributes:
        size: side of the face's square, pixels (`faces.alignment.full_face`), 16 or more.
        margin: factor by which the stored crops are larger, 1 to 2: room for augmentation.
        shortest: seconds of a clip, at least.
        longest: seconds of a clip, at most; longer stretches are cut into equal parts.
        min_face: side of the face's square in the source, pixels, at least.
        faces: "one" leaves out moments in which another face is visible.
        min_sync: agreement of mouth and sound (`metrics.motion_sync`), at least: about 0 by chance, at most 1.
            0: no filter.
        max_offset: seconds between picture and sound, at most, where the offset is certain.

    Raises:
        UsageError: a value is out of range.
    """

    size: int = option(96, "--size", help="Side of a face's square in pixels.", low=16, high=1024, panel=_CLIPS)
    margin: float = option(
        DEFAULT_MARGIN,
        "--margin",
        help="Factor by which the stored crops are larger than the square, for augmentation.",
        low=1,
        high=2,
        default_text="1.33",
        panel=_CLIPS,
    )
    shortest: float = option(
        1.0, "--shortest", metavar="SECONDS", help="Leave out clips that are shorter.", low=0.2, panel=_CLIPS
    )
    longest: float = option(
        10.0, "--longest", metavar="SECONDS", help="Cut clips that are longer.", high=60, panel=_CLIPS
    )
    min_face: float = option(
        64.0,
        "--min-face",
        metavar="PIXELS",
        help="Leave out faces whose square is smaller in the video.",
        low=0,
        panel=_FILTERS,
    )
    faces: FacePolicy = option(
        "one", "--faces", help="one: leave out moments in which another face is visible.", panel=_FILTERS
    )
    min_sync: float = option(
        0.3,
        "--min-sync",
        help="Minimum audio-visual sync score (0 to 1; 0.3 is chance; 0 disables the filter).",
        low=0,
        panel=_FILTERS,
    )
    max_offset: float = option(
        0.12,
        "--max-offset",
        metavar="SECONDS",
        help="Leave out clips with a larger offset between picture and sound.",
        panel=_FILTERS,
    )

    def __post_init__(self) -> None:
        validate(self)
        if self.shortest > self.longest:
            raise UsageError("--shortest must not be larger than --longest")
        if self.min_sync >= 1:
            raise UsageError(f"--min-sync must be less than 1, not {self.min_sync:g}")
        if self.max_offset <= 0:
            raise UsageError(f"--max-offset must be more than 0, not {self.max_offset:g}")

    @property
    def side(self) -> int:
        """Side of the stored crops, pixels, with the same margin on each side."""
        return self.size + 2 * round(self.size * (self.margin - 1) / 2)


@dataclass(frozen=True)
class SplitOptions(OptionGroup):
    """Options that determine which clips are held out.

    Attributes:
        by: "clip" holds out single videos, "speaker" all videos of a speaker.
        held_out: share that is held out in the long run, 0 to 0.9.

    Raises:
        UsageError: a value is out of range.
    """

    by: SplitBy = option(
        "clip", "--split", help="What is held out of training: single videos (clip) or whole speakers.", panel=_SPLIT
    )
    held_out: float = option(
        0.05,
        "--held-out",
        metavar="SHARE",
        help="Approximate share that is held out.",
        low=0,
        high=0.9,
        panel=_SPLIT,
    )


@dataclass(frozen=True)
class SourceOptions(OptionGroup):
    """Facts about the videos, and how they are read.

    Attributes:
        speaker: who talks in these videos, by default the name of each one's folder.
        licence: licence of these videos, in words.
        shut_dubs: share of these videos that are also dubbed with silence, 0 to 1. These pairs of clips teach a
            generator to shut a mouth.
        jobs: processes; 0: one per processor.
        strict: refuse a video that cannot be read, instead of skipping it.
    """

    speaker: str | None = option(
        None,
        "--speaker",
        metavar="NAME",
        help="Name of the person who talks in these videos.",
        default_text="the name of each one's folder",
        panel=_SPLIT,
    )
    licence: str = option("", "--licence", metavar="TEXT", help="Licence of these videos, stored with each clip.")
    shut_dubs: float = option(
        0.0,
        "--shut-dubs",
        metavar="SHARE",
        help="Share of these videos that the built-in recipe also dubs with silence, to teach shutting the mouth.",
        low=0,
        high=1,
    )
    jobs: int = option(0, "--jobs", "-j", help="Videos processed in parallel; 0: one per processor.", low=0)
    strict: bool = option(False, "--strict", help="Stop at a video that cannot be read, instead of skipping it.")
