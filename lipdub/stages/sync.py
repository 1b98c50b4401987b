"""sync: crops whose mouths say the speech.

Store, per output frame, whatever the method: ``crops`` (n, h, w, 4) uint8 or uint16 RGB and mask (what of it is changed);
``boxes`` (n, 4) int32 where the crop lies in the frame, display pixels, empty where nothing is dubbed; ``wanted`` (n, 2)
float32 mouth opening and width in units of the eye distance, NaN where the method asks for none; ``amount`` (n,) float32
0..1 how far the frame is dubbed; ``track`` (n,) int16; ``source`` (n,) int32 source frame; ``pts`` (n,) int64 in the source's
time base; ``time`` (n,) float64 seconds from the first frame. JSON ``timeline``: when the speech starts and the result ends,
source clock.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.errors import UsageError
from lipdub.stages import compute
from lipdub.stages.base import StageContext, StageSpec
from lipdub.timeline import EXTENSIONS, LENGTHS

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.job import Job
    from lipdub.media.probe import MediaFacts

METHODS = ("units", "wav2lip", "lnet", "stabilized")
_LANGUAGE = re.compile(r"[a-z]{2,8}([-_][A-Za-z0-9]+)*")


@dataclass(frozen=True)
class SyncOptions:
    """method: of `METHODS`. face: which track (`lipdub.faces.choice`). start, end: dub only this part of the result, seconds
    from its first frame. strength: factor on the mouth's motion, 0 to 2. offset: seconds the speech starts after the first
    frame. length, extend: `lipdub.timeline`. text: a file with the words of the speech
    (`lipdub.speech.script`). language: of the text, "en" or another voice of espeak-ng, or "auto". emotion: with method
    `lnet`, what the upper face shows, of `lipdub.stages.sync_emotion.EMOTIONS`. talker: with method `stabilized`, the talking-face
    model, a name or a file (`lipdub.weights.trained`); None: the one adapted to this video, or lipdub's own. precision, accel:
    of the networks (`lipdub.stages.compute`).
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
            ("length", self.length, LENGTHS),
            ("extend", self.extend, EXTENSIONS),
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
            from lipdub.stages.sync_emotion import EMOTIONS

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
        compute.settle(self, networks=self.method != "units")


def run(ctx: StageContext, options: SyncOptions) -> dict[str, Any]:
    """Plans the whole result from the speech and the tracks' tables, then renders the chunks that are missing."""
    if options.method == "wav2lip":
        from lipdub.stages import sync_wav2lip

        return sync_wav2lip.run(ctx, options)
    if options.method == "lnet":
        from lipdub.stages import sync_lnet

        return sync_lnet.run(ctx, options)
    if options.method == "stabilized":
        from lipdub.stages import sync_stabilized

        return sync_stabilized.run(ctx, options)
    from lipdub.stages import sync_units

    return sync_units.run(ctx, options)


# Of the speech, so many seconds are heard beyond a result that ends before it.
_BEYOND_END = 0.5


def _hear(job: Job, facts: MediaFacts, options: SyncOptions) -> tuple[int, Any]:
    """How long the speech is, in samples at 16 kHz, as far as the result needs it, and what the method takes of it: what
    is said (`speech.hearing.Heard`), or its spectrogram (float32 (80, columns)).
    """
    from lipdub.media.audio import load_audio
    from lipdub.speech.hearing import hear
    from lipdub.speech.script import read_script

    if job.speech is None:
        raise UsageError("there is no speech to dub with")
    audio = load_audio(job.speech, rate=16000)
    if options.length in ("video", "shortest") and facts.video is not None:
        audio = audio[: round(16000 * max(float(facts.video.duration) - options.offset + _BEYOND_END, _BEYOND_END))]
    if options.method == "stabilized":
        from lipdub.metrics import avsync

        return len(audio), avsync.spectrogram(audio)
    if options.method != "units":
        from lipdub.speech.mel import spectrogram

        return len(audio), spectrogram(audio, "reflect" if options.method == "wav2lip" else "zero")
    script = read_script(options.text) if options.text is not None else None
    return len(audio), hear(audio, script=script, language=options.language)


def _check(job: Job, facts: MediaFacts, options: SyncOptions) -> None:
    """Reads the text, so that one that will not do stops the run before its heavy work."""
    if options.text is not None:
        from lipdub.speech.pronounce import language_of, pronounce
        from lipdub.speech.script import read_script

        words = read_script(options.text).words
        pronounce(words[:1], language_of(words, options.language))  # tells whether there is such a voice


SPEC = StageSpec(
    name="sync",
    version=7,
    reads=("detect", "neutralize"),
    inputs=("video", "speech"),
    options=SyncOptions,
    run=run,
    weights=lambda options: _weights(options),
    ahead=_hear,
    files=lambda options: _files(options),
    check=_check,
    settle=lambda options, job, digest: _settled(options, digest),
)


def _settled(options: SyncOptions, digest: Callable[[], str]) -> SyncOptions:
    if options.method != "stabilized":
        return options
    from lipdub.stages import talkers

    return talkers.settled(options, digest)


def _files(options: SyncOptions) -> list[Path]:
    picture = [Path(options.face)] if _is_picture(options.face) else []
    return picture + ([Path(options.text)] if options.text is not None else [])


def _weights(options: SyncOptions) -> list[Path]:
    from lipdub.weights import shipped

    if options.method == "wav2lip":
        from lipdub.stages.sync_wav2lip import weights_path

        return [weights_path()]
    if options.method == "lnet":
        from lipdub.stages.sync_lnet import weights_paths

        return weights_paths(options.emotion)
    if options.method == "stabilized":
        return [Path(options.talker)] if options.talker is not None else []
    return [shipped("lip-motion.safetensors"), shipped("mouth-response.safetensors")]


def _is_picture(face: str) -> bool:
    from lipdub.faces.choice import parse

    return isinstance(parse(face), Path)
