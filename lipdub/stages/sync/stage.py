"""The stage sync: crops whose mouths say the speech. `store` describes the arrays, whatever the method."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import UsageError
from lipdub.stages.method import make_spec
from lipdub.stages.sync import METHODS
from lipdub.stages.sync.method import HeardSpeech
from lipdub.stages.sync.options import SyncOptions

if TYPE_CHECKING:
    from lipdub.media.probe import MediaFacts
    from lipdub.stages.base import StageContext
    from lipdub.stages.job import Job

# Of the speech, so many seconds are heard beyond a result that ends before it.
BEYOND_END_SECONDS = 0.5


def run(ctx: StageContext, options: SyncOptions) -> dict[str, Any]:
    """Let the method plan the whole result and draw the chunks that are missing."""
    method = METHODS.get(options.method)
    if options.transcript is not None and not method.reads_transcript:
        ctx.warn(f"the method {method.name} hears the speech alone: the transcript is not used")
    return method.run(ctx, options)


def hear(job: Job, facts: MediaFacts, options: SyncOptions) -> HeardSpeech:
    """Read the speech as far as the result needs it, and take of it what the method asks for.

    Raises:
        UsageError: There is no speech.
        InputError: It cannot be read.
    """
    from lipdub.media.audio import describe_mono, load_mono
    from lipdub.stages.sync.plan import speech_delay

    if job.speech is None:
        raise UsageError("there is no speech to dub with")
    sound = load_mono(job.speech, SAMPLE_RATE_HZ)
    audio = sound.samples
    if options.length in ("video", "shortest") and facts.video is not None:
        seconds = float(facts.video.duration) - speech_delay(facts, options) + BEYOND_END_SECONDS
        audio = audio[: round(SAMPLE_RATE_HZ * max(seconds, BEYOND_END_SECONDS))]
    features = METHODS.get(options.method).hear(audio, options)
    return HeardSpeech(len(audio), features, tuple(describe_mono(job.speech, sound)))


def check(job: Job, facts: MediaFacts, options: SyncOptions) -> None:
    """Read the transcript, so that a wrong file stops the run before its heavy work."""
    if options.transcript is not None:
        from lipdub.speech.pronunciation import pronounce, resolve_language
        from lipdub.speech.transcript import read_transcript

        words = read_transcript(options.transcript).words
        pronounce(words[:1], resolve_language(words, options.language))  # fails where there is no such voice
    METHODS.get(options.method).check(job, facts, options)


def input_files(options: SyncOptions) -> list[Path]:
    """Return the picture of the face to dub and the transcript, where they are given."""
    from lipdub.faces.track_selection import parse_face

    face = parse_face(options.face)
    pictures = [face] if isinstance(face, Path) else []
    texts = [Path(options.transcript)] if options.transcript is not None else []
    return [*pictures, *texts, *METHODS.get(options.method).input_files(options)]


SPEC = make_spec(
    name="sync",
    summary="Make mouths that follow the speech.",
    version=9,
    reads=("detect", "neutralize"),
    inputs=("video", "speech"),
    options=SyncOptions,
    methods=METHODS,
    run=run,
    prefetch=hear,
    files=input_files,
    check=check,
)
