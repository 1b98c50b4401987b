"""How the speech is encoded in the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lipdub.errors import UsageError
from lipdub.media.channel_layouts import LayoutFit, fit_layout

if TYPE_CHECKING:
    from lipdub.media.audio import AudioSource
    from lipdub.media.containers import Container

# Names of codecs that a user may choose, with their encoders. "pcm" stands for the PCM form that fits the speech.
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
}
_CODEC_OF_ENCODER = {"libopus": "opus", "libmp3lame": "mp3"}
# Rates in Hz that the encoders accept and that keep speech intelligible; other rates become 48000.
_AAC_RATES = (96000, 88200, 64000, 48000, 44100, 32000, 24000, 22050, 16000)
_MP3_RATES = (48000, 44100, 32000, 24000, 22050, 16000)
_AC3_RATES = (48000, 44100, 32000)
_FALLBACK_RATE = 48000
_OPUS_RATE = 48000
# Transparent quality, in bit/s: of one channel for Opus and AAC (at 44.1 kHz and above), of the stream otherwise.
_OPUS_BITRATE = 96_000
_AAC_BITRATE = 128_000
_AAC_FULL_RATE = 44100
_MP3_BITRATE, _MP3_LOW_BITRATE = 256_000, 128_000
_MP3_FULL_RATE = 32000
_AC3_BITRATE = 448_000


@dataclass(frozen=True)
class AudioCodec:
    """The audio codec that a user requests.

    Attributes:
        codec: aac, opus, mp3, flac, alac, ac3, pcm, or auto, which depends on the container. That is AAC in
            MP4; Opus in WebM and Matroska; PCM in AVI; in MOV, PCM if the speech is lossless, else AAC.
        bitrate: Bits per second; None for transparent quality.
    """

    codec: str = "auto"
    bitrate: int | None = None


@dataclass(frozen=True)
class SpeechEncoder:
    """An audio encoder and its settings.

    Attributes:
        encoder: FFmpeg's name of the encoder.
        rate: Samples per second.
        bitrate: Bits per second; None for lossless encoders.
        layout: The channels as the encoder takes them.
    """

    encoder: str
    rate: int
    bitrate: int | None
    layout: LayoutFit


def check_audio_codec(audio: AudioCodec, container: Container) -> None:
    """Check that a container holds the codec. This is cheap: call it before any heavy work.

    Raises:
        UsageError: The codec is unknown, or the container does not hold it.
    """
    if audio.codec == "auto":
        return
    name = _ENCODER_NAMES.get(audio.codec.lower(), audio.codec.lower())
    if name not in _ENCODER_NAMES.values() and not name.startswith("pcm_"):
        known = ", ".join(sorted(set(_ENCODER_NAMES) - {"libopus", "libmp3lame"}))
        raise UsageError(f"there is no audio codec {audio.codec!r}", hint=f"Choose auto or one of {known}.")
    codec = "pcm_s16le" if name == "pcm" else _CODEC_OF_ENCODER.get(name, name)
    if container.sounds is not None and codec not in container.sounds:
        raise UsageError(f"{container.name} does not hold {audio.codec} sound")


def select_speech_encoder(audio: AudioCodec, container: Container, speech: AudioSource) -> SpeechEncoder:
    """Choose the encoder, rate and bit rate for a speech.

    Args:
        audio: The user's choice.
        container: The result's container.
        speech: What the speech decodes to.
    """
    name = container.speech_codec if audio.codec == "auto" else audio.codec.lower()
    name = _ENCODER_NAMES.get(name, name)
    if audio.codec == "auto" and name == "pcm" and container.is_mov and not speech.lossless:
        name = "aac"
    layout = fit_layout(name, speech.layout, max(1, speech.channels))
    rate, channels = speech.rate, layout.channels
    if name == "pcm":
        return SpeechEncoder(_pcm_encoder(container, speech), rate, None, layout)
    if name == "libopus":
        return SpeechEncoder(name, _OPUS_RATE, audio.bitrate or _OPUS_BITRATE * channels, layout)
    if name == "aac":
        rate = rate if rate in _AAC_RATES else _FALLBACK_RATE
        bitrate = round(_AAC_BITRATE * min(1.0, rate / _AAC_FULL_RATE)) * channels
        return SpeechEncoder(name, rate, audio.bitrate or bitrate, layout)
    if name == "libmp3lame":
        rate = rate if rate in _MP3_RATES else _FALLBACK_RATE
        bitrate = _MP3_BITRATE if rate >= _MP3_FULL_RATE else _MP3_LOW_BITRATE
        return SpeechEncoder(name, rate, audio.bitrate or bitrate, layout)
    if name == "ac3":
        rate = rate if rate in _AC3_RATES else _FALLBACK_RATE
        return SpeechEncoder(name, rate, audio.bitrate or _AC3_BITRATE, layout)
    return SpeechEncoder(name, rate, audio.bitrate, layout)


def _pcm_encoder(container: Container, speech: AudioSource) -> str:
    """Return the PCM encoder that keeps the samples of a lossless speech, else that of 16 bits."""
    form = "s16"
    if speech.lossless and speech.sample_format.startswith(("flt", "dbl")):
        form = "f32"
    elif speech.lossless and speech.bits > 16:
        form = "s24" if speech.bits <= 24 else "s32"
    if container.sounds is not None and f"pcm_{form}le" not in container.sounds:
        form = "s16"
    return f"pcm_{form}le"
