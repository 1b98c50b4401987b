"""sync: crops whose mouths say the speech.

Store, per output frame, whatever the method: ``crops`` (n, h, w, 4) uint8 or uint16 RGB and mask (what of it is changed);
``boxes`` (n, 4) int32 where the crop lies in the frame, display pixels, empty where nothing is dubbed; ``wanted`` (n, 2)
float32 mouth opening and width in units of the eye distance, NaN where the method asks for none; ``amount`` (n,) float32
0..1 how far the frame is dubbed; ``track`` (n,) int16; ``source`` (n,) int32 source frame; ``pts`` (n,) int64 in the source's
time base; ``time`` (n,) float64 seconds from the first frame. JSON ``timeline``: when the speech starts and the result ends,
source clock.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from lipdub.constants import SAMPLE_RATE_HZ
from lipdub.errors import UsageError
from lipdub.stages.base import StageContext, StageSpec
from lipdub.stages.sync.options import SyncOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.engine.job import Job
    from lipdub.media.probe import MediaFacts


def run(ctx: StageContext, options: SyncOptions) -> dict[str, Any]:
    """Plans the whole result from the speech and the tracks' tables, then renders the chunks that are missing."""
    if options.method == "wav2lip":
        from lipdub.stages.sync import wav2lip

        return wav2lip.run(ctx, options)
    if options.method == "lnet":
        from lipdub.stages.sync import lnet

        return lnet.run(ctx, options)
    if options.method == "stabilized":
        from lipdub.stages.sync import stabilized

        return stabilized.run(ctx, options)
    from lipdub.stages.sync import units

    return units.run(ctx, options)


# Of the speech, so many seconds are heard beyond a result that ends before it.
_BEYOND_END = 0.5


def _hear(job: Job, facts: MediaFacts, options: SyncOptions) -> tuple[int, Any]:
    """How long the speech is, in samples at 16 kHz, as far as the result needs it, and what the method takes of it: what
    is said (`speech.hearing.Heard`), or its spectrogram (float32 (80, columns)).
    """
    from lipdub.media.audio import load_audio
    from lipdub.speech.recognition import recognize
    from lipdub.speech.transcript import read_transcript

    if job.speech is None:
        raise UsageError("there is no speech to dub with")
    audio = load_audio(job.speech, rate=SAMPLE_RATE_HZ)
    if options.length in ("video", "shortest") and facts.video is not None:
        audio = audio[
            : round(SAMPLE_RATE_HZ * max(float(facts.video.duration) - options.offset + _BEYOND_END, _BEYOND_END))
        ]
    if options.method == "stabilized":
        from lipdub.metrics import avsync

        return len(audio), avsync.normalized_spectrogram(audio)
    if options.method != "units":
        from lipdub.speech.mel import compute_spectrogram

        return len(audio), compute_spectrogram(audio, "reflect" if options.method == "wav2lip" else "zero")
    script = read_transcript(options.text) if options.text is not None else None
    return len(audio), recognize(audio, transcript=script, language=options.language)


def _check(job: Job, facts: MediaFacts, options: SyncOptions) -> None:
    """Reads the text, so that one that will not do stops the run before its heavy work."""
    if options.text is not None:
        from lipdub.speech.pronunciation import pronounce, resolve_language
        from lipdub.speech.transcript import read_transcript

        words = read_transcript(options.text).words
        pronounce(words[:1], resolve_language(words, options.language))  # tells whether there is such a voice


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
    from lipdub.stages import talking_face

    return talking_face.resolve_model(options, digest)


def _files(options: SyncOptions) -> list[Path]:
    picture = [Path(options.face)] if _is_picture(options.face) else []
    return picture + ([Path(options.text)] if options.text is not None else [])


def _weights(options: SyncOptions) -> list[Path]:
    from lipdub.weights import verify_shipped

    if options.method == "wav2lip":
        from lipdub.stages.sync.wav2lip import weights_path

        return [weights_path()]
    if options.method == "lnet":
        from lipdub.stages.sync.lnet import weights_paths

        return weights_paths(options.emotion)
    if options.method == "stabilized":
        return [Path(options.talker)] if options.talker is not None else []
    return [verify_shipped("lip-motion.safetensors"), verify_shipped("mouth-response.safetensors")]


def _is_picture(face: str) -> bool:
    from lipdub.faces.track_selection import parse_face

    return isinstance(parse_face(face), Path)
