"""The options of sync that every method takes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from lipdub.errors import UsageError
from lipdub.media.timeline import EXTENSION_MODES, LENGTH_POLICIES
from lipdub.options import option
from lipdub.stages.inference_options import InferenceOptions
from lipdub.stages.option_parsers import parse_time
from lipdub.stages.sync import METHODS

_LANGUAGE = re.compile(r"[a-z]{2,8}([-_][A-Za-z0-9]+)*")
WHO, SPEECH, LENGTH, LOOK = "Who and when", "Speech", "Length", "Look"


@dataclass(frozen=True)
class SyncOptions(InferenceOptions):
    """Which face says the speech, when, and how far it moves."""

    method: str = option(
        "units", "--method", help="The method of sync.", choices=METHODS.names, metavar="NAME", run_flags=()
    )
    face: str = option(
        "largest",
        "--face",
        help="Whose lips to dub: a track number, largest, left, right, or a picture of the person.",
        metavar="WHO",
        panel=WHO,
    )
    start: float | None = option(
        None,
        "--from",
        help="Start dubbing at this time.",
        metavar="TIME",
        parse=parse_time,
        panel=WHO,
    )
    end: float | None = option(
        None,
        "--to",
        help="Stop dubbing at this time.",
        metavar="TIME",
        parse=parse_time,
        panel=WHO,
    )
    transcript: str | None = option(
        None,
        "--transcript",
        help="Transcript of the speech (plain text, SRT or VTT). It need not be complete.",
        metavar="FILE",
        panel=SPEECH,
        aliases=("--text",),
        old_names=("text",),
    )
    language: str = option(
        "auto", "--language", help="Language of the transcript: en, de, fr, ja.", metavar="CODE", panel=SPEECH
    )
    length: Literal["longest", "video", "speech", "shortest"] = option(
        "longest", "--length", help="How long the result is.", choices=LENGTH_POLICIES, panel=LENGTH
    )
    extend: Literal["pingpong", "loop", "freeze"] = option(
        "pingpong",
        "--extend",
        help="How to extend the video when the speech is longer.",
        choices=EXTENSION_MODES,
        panel=LENGTH,
    )
    offset: float = option(
        0.0, "--offset", help="Shift the speech. Positive values make it later.", metavar="SECONDS", panel=LENGTH
    )
    strength: float = option(
        1.0, "--strength", help="How far the mouth moves. 1 is as spoken.", low=0, high=2, panel=LOOK
    )

    def __post_init__(self) -> None:
        super().__post_init__()
        if not _LANGUAGE.fullmatch(self.language):
            raise UsageError(
                f"--language {self.language!r} is not a language code", hint="Use auto, or a code such as en, de, fr."
            )
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise UsageError("--to must be later than --from")
