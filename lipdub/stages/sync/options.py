"""Options."""

from __future__ import annotations

import re
from dataclasses import dataclass

from lipdub.errors import UsageError
from lipdub.media.timeline import EXTENSION_MODES, LENGTH_POLICIES
from lipdub.stages import inference

METHODS = ("units", "wav2lip", "lnet", "stabilized")


_LANGUAGE = re.compile(r"[a-z]{2,8}([-_][A-Za-z0-9]+)*")


@dataclass(frozen=True)
class SyncOptions:
    """method: of `METHODS`. face: which track (`lipdub.faces.track_selection`). start, end: dub only this part of the result, seconds
    from its first frame. strength: factor on the mouth's motion, 0 to 2. offset: seconds the speech starts after the first
    frame. length, extend: `lipdub.media.timeline`. text: a file with the words of the speech
    (`lipdub.speech.transcript`). language: of the text, "en" or another voice of espeak-ng, or "auto". emotion: with method
    `lnet`, what the upper face shows, of `lipdub.stages.sync.options.EMOTIONS`. talker: with method `stabilized`, the talking-face
    model, a name or a file (`lipdub.weights.user_models`); None: the one adapted to this video, or lipdub's own. precision, accel:
    of the networks (`lipdub.stages.inference`).
    """

    method: str = "units"
    face: str = "largest"
    start: float | None = None
    end: float | None = None
    strength: float = 1.0
    offset: float = 0.0
    length: str = "longest"
    extend: str = "pingpong"
    text: str | None = None
    language: str = "auto"
    emotion: str | None = None
    talker: str | None = None
    precision: str = "auto"
    accel: str = "auto"

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise UsageError(f"sync has no method {self.method!r}", hint=f"Methods: {', '.join(METHODS)}")
        for name, value, known in (
            ("length", self.length, LENGTH_POLICIES),
            ("extend", self.extend, EXTENSION_MODES),
        ):
            if value not in known:
                raise UsageError(f"--{name} {value!r} is unknown", hint=f"It takes {', '.join(known)}.")
        if self.text is not None:
            object.__setattr__(self, "text", str(self.text))
        if not _LANGUAGE.fullmatch(self.language):
            raise UsageError(
                f"--language {self.language!r} is no language", hint="It takes auto, or codes as en, de, fr."
            )
        if self.emotion is not None:
            from lipdub.stages.sync.options import EMOTIONS

            if self.emotion not in EMOTIONS:
                raise UsageError(f"--emotion {self.emotion!r} is unknown", hint=f"It takes {', '.join(EMOTIONS)}.")
            if self.method != "lnet":
                raise UsageError(
                    f"--emotion is for sync's method lnet, not for {self.method}", hint="Take the recipe retalking."
                )
        if self.talker and self.method != "stabilized":
            raise UsageError(
                f"--talker is for sync's method stabilized, not for {self.method}", hint="Take the recipe stabilized."
            )
        object.__setattr__(self, "talker", str(self.talker) if self.talker else None)
        if not 0 <= self.strength <= 2:
            raise UsageError(f"--strength must be 0 to 2, not {self.strength:g}")
        if self.start is not None and self.end is not None and self.end <= self.start:
            raise UsageError("--to must be later than --from")
        inference.resolve_inference_options(self, networks=self.method != "units")


# Intensities of facial action units, as published; those not named are 0.
EMOTIONS = {"surprise": {5: 0.2}, "angry": {4: 0.3}, "sad": {}}
