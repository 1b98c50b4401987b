"""How the speech is encoded in the result."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lipdub.errors import UsageError
from lipdub.media.channel_layouts import LayoutFit, fit_layout
from lipdub.media.sample_formats import FLOAT_FORMATS, is_lossless_codec

if TYPE_CHECKING:
    from lipdub.media.audio import AudioSource
    from lipdub.media.containers import Container
    from lipdub.media.probe import MediaFacts

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
_LOSSLESS_IN_MP4 = ("alac", "flac")
_FLAC_BITS = 24
_COMPANDED_CODECS = ("pcm_alaw", "pcm_mulaw")
_LOSSLESS_PICTURES = {
    "ffv1", "huffyuv", "ffvhuff", "utvideo", "magicyuv", "lagarith", "rawvideo", "v210", "r210", "v410", "qtrle", "png",
}  # fmt: skip
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
            MP4; Opus in WebM and Matroska; PCM in AVI; in MOV, PCM if the speech is lossless, else AAC. A lossless
            speech for a lossless source stays so: FLAC or PCM in Matroska, the source's own FLAC or ALAC in MP4.
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


def select_speech_encoder(
    audio: AudioCodec, container: Container, speech: AudioSource, source: MediaFacts | None = None
) -> SpeechEncoder:
    """Choose the encoder, rate and bit rate for a speech.

    Args:
        audio: The user's choice.
        container: The result's container.
        speech: What the speech decodes to.
        source: The source of the picture; None if there is none to follow.
    """
    name = _choose_codec(audio, container, speech, source) if audio.codec == "auto" else audio.codec.lower()
    name = _ENCODER_NAMES.get(name, name)
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


def _choose_codec(audio: AudioCodec, container: Container, speech: AudioSource, source: MediaFacts | None) -> str:
    """Return the codec that 'auto' stands for."""
    if container.is_mov and container.speech_codec == "pcm" and not speech.lossless:
        return "aac"
    if speech.lossless and audio.bitrate is None and source is not None and _is_lossless(source):
        if container.is_matroska and container.sounds is None:
            return "flac" if _fits_flac(speech) else "pcm"
        if container.muxer == "mp4" and source.audio and source.audio[0].codec in _LOSSLESS_IN_MP4:
            return source.audio[0].codec
    return container.speech_codec


def _is_lossless(source: MediaFacts) -> bool:
    """Whether a source's first sound is lossless or, if it has none, its moving picture."""
    if source.audio:
        return is_lossless_codec(source.audio[0].codec) and source.audio[0].codec not in _COMPANDED_CODECS
    video = source.video
    return video is not None and not video.is_image and video.codec in _LOSSLESS_PICTURES


def _fits_flac(speech: AudioSource) -> bool:
    """Whether FLAC keeps a lossless speech: whole numbers of at most 24 bits, in channels that it has places for."""
    fit = fit_layout("flac", speech.layout, max(1, speech.channels))
    is_whole = not speech.sample_format.startswith(FLOAT_FORMATS)
    return is_whole and speech.bits <= _FLAC_BITS and not fit.is_mixed and not fit.is_guessed


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
