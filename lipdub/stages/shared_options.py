"""Options that several stages and commands take, each declared once: whose lips, which part, which words."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lipdub.errors import UsageError
from lipdub.options import OptionGroup, option
from lipdub.stages.option_parsers import parse_time

_LANGUAGE = re.compile(r"[a-z]{2,8}([-_][A-Za-z0-9]+)*")
_WHO, _SPEECH = "Who and when", "Speech"


@dataclass(frozen=True)
class FaceOptions(OptionGroup):
    """Which face of the video."""

    face: str = option(
        "largest",
        "--face",
        help="Whose lips to dub: a track number, largest, left, right, or a picture of the person.",
        metavar="WHO",
        panel=_WHO,
    )


@dataclass(frozen=True)
class TimeOptions(OptionGroup):
    """Which part, in seconds. None is the beginning, or the end."""

    start: float | None = option(
        None, "--from", help="Start dubbing at this time.", metavar="TIME", parse=parse_time, panel=_WHO
    )
    end: float | None = option(
        None, "--to", help="Stop dubbing at this time.", metavar="TIME", parse=parse_time, panel=_WHO
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise UsageError("--to must be later than --from")


@dataclass(frozen=True)
class TranscriptOptions(OptionGroup):
    """What is said, and in which language."""

    transcript: str | None = option(
        None,
        "--transcript",
        help="Transcript of the speech (plain text, SRT or VTT). It need not be complete.",
        metavar="FILE",
        panel=_SPEECH,
        aliases=("--text",),
        old_names=("text",),
    )
    language: str = option(
        "auto", "--language", help="Language of the transcript: en, de, fr, ja.", metavar="CODE", panel=_SPEECH
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _LANGUAGE.fullmatch(self.language):
            raise UsageError(
                f"--language {self.language!r} is not a language code", hint="Use auto, or a code such as en, de, fr."
            )
