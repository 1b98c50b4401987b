"""Audio encoder."""

from __future__ import annotations

from dataclasses import dataclass

from lipdub.errors import UsageError
from lipdub.media.audio import AudioSource
from lipdub.media.containers import Container

_AAC_RATES = {96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000, 12000, 11025, 8000, 7350}


_ENCODER_NAMES = {
    "aac": "aac",
    "opus": "libopus",
    "libopus": "libopus",
    "mp3": "libmp3lame",
    "libmp3lame": "libmp3lame",
    "flac": "flac",
    "alac": "alac",
    "ac3": "ac3",
    "pcm": "pcm",
    "copy": "copy",
}


_CODEC_OF_ENCODER = {"libopus": "opus", "libmp3lame": "mp3"}


@dataclass(frozen=True)
class AudioCodec:
    """How the speech is encoded. ``codec`` 'auto' goes by the container (AAC in MP4, PCM in MOV when the speech
    is itself lossless, else AAC, Opus in WebM and Matroska, PCM in AVI); or aac, opus, mp3, flac, alac, ac3,
    pcm. ``bitrate`` in bit/s, None for transparent quality.
    """

    codec: str = "auto"
    bitrate: int | None = None


@dataclass(frozen=True)
class SpeechEncoder:
    """A sound encoder with its options."""

    encoder: str
    rate: int
    bitrate: int | None


def check_audio_codec(audio: AudioCodec, container: Container) -> None:
    """:class:`UsageError` if the container does not hold the codec asked for. Cheap: call it early."""
    if audio.codec == "auto":
        return
    name = _ENCODER_NAMES.get(audio.codec.lower(), audio.codec.lower())
    if name == "copy" or (name not in _ENCODER_NAMES.values() and not name.startswith("pcm_")):
        known = ", ".join(sorted(set(_ENCODER_NAMES) - {"copy", "libopus", "libmp3lame"}))
        raise UsageError(f"there is no audio codec {audio.codec!r}", hint=f"Choose auto or one of {known}.")
    codec = "pcm_s16le" if name == "pcm" else _CODEC_OF_ENCODER.get(name, name)
    if container.sounds is not None and codec not in container.sounds:
        raise UsageError(f"{container.name} does not hold {audio.codec} sound")


def select_speech_encoder(audio: AudioCodec, container: Container, speech: AudioSource) -> SpeechEncoder:
    name = container.speech_codec if audio.codec == "auto" else audio.codec.lower()
    name = _ENCODER_NAMES.get(name, name)
    if audio.codec == "auto" and name == "pcm" and container.is_mov and not speech.lossless:
        name = "aac"
    rate = speech.rate
    if name == "pcm":
        form = "s16" if speech.bits <= 16 or not speech.lossless else "s24" if speech.bits <= 24 else "s32"
        if speech.lossless and speech.sample_format.startswith(("flt", "dbl")):
            form = "f32"
        if container.sounds is not None and f"pcm_{form}le" not in container.sounds:
            form = "s16"
        return SpeechEncoder(f"pcm_{form}le", rate, None)
    if name == "libopus":
        return SpeechEncoder(name, 48000, audio.bitrate or 96_000 * max(1, speech.channels))
    if name == "aac":
        rate = rate if rate in _AAC_RATES and rate >= 16000 else 48000
        share = min(1.0, rate / 44100)
        return SpeechEncoder(name, rate, audio.bitrate or round(128_000 * share) * max(1, speech.channels))
    if name == "libmp3lame":
        rate = rate if rate in (48000, 44100, 32000, 24000, 22050, 16000) else 48000
        return SpeechEncoder(name, rate, audio.bitrate or (256_000 if rate >= 32000 else 128_000))
    if name == "ac3":
        return SpeechEncoder(name, rate if rate in (48000, 44100, 32000) else 48000, audio.bitrate or 448_000)
    return SpeechEncoder(name, rate, audio.bitrate)
