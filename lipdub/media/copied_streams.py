"""Which streams of the source the result keeps, and how."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lipdub.media.channel_layouts import LayoutFit, fit_layout
from lipdub.media.containers import TEXT_SUBTITLE_CODECS

if TYPE_CHECKING:
    from collections.abc import Callable

    from lipdub.media.containers import Container
    from lipdub.media.probe import AudioFacts, MediaFacts, OtherStream

SOURCE_AUDIO_POLICIES = ("none", "others", "all")
COPY = "copy"  # FFmpeg's word for a stream that is not encoded again
_AUDIO_FALLBACK_ENCODERS = {"pcm": "pcm_s16le", "opus": "libopus"}
# FFmpeg's muxers of MOV and MP4 write a sample description for these data tracks only. Others would become a track
# without one, or one that is named after the wrong kind.
_WRITABLE_DATA_TAGS = {"gpmd"}


@dataclass(frozen=True)
class CopiedStream:
    """A stream of the source that the result keeps.

    Attributes:
        index: Number of the stream in the source.
        kind: FFmpeg's name of the kind of stream.
        encoder: Its encoder, or "copy".
        fit: The channels as the encoder takes them; None for the stream's own.
    """

    index: int
    kind: str
    encoder: str = COPY
    fit: LayoutFit | None = None


@dataclass(frozen=True)
class StreamSelection:
    """The streams the result keeps, and remarks about those that change or are dropped."""

    streams: tuple[CopiedStream, ...] = ()
    notes: tuple[str, ...] = ()


def select_streams(facts: MediaFacts, container: Container, *, keep_audio: str, has_speech: bool) -> StreamSelection:
    """Choose the streams of the source that the result keeps.

    Args:
        facts: Facts of the source.
        container: The result's container.
        keep_audio: 'others' keeps all sound streams but the first, or all without a speech; 'all' and 'none'.
        has_speech: Whether the result has a speech.
    """
    streams: list[CopiedStream] = []
    notes: list[str] = []
    for sound in _select_sounds(facts.audio, keep_audio, has_speech=has_speech):
        encoder = audio_encoder(sound.codec, container)
        if encoder == COPY:
            streams.append(CopiedStream(sound.index, "audio"))
            continue
        name = f"sound stream {sound.index} ({sound.codec})"
        fit = fit_layout(encoder, sound.layout, sound.channels)
        streams.append(CopiedStream(sound.index, "audio", encoder, fit if fit.layout != sound.layout else None))
        notes.append(f"{name} was encoded again, {container.name} does not hold it")
        if fit.is_mixed:
            notes.append(fit.describe(name, encoder))
    dropped: list[str] = []
    for stream in facts.others:
        rule = _RULES.get(stream.type)
        if rule is None or stream.generated:
            continue
        other_encoder = rule(stream, container, facts)
        if other_encoder is not None:
            streams.append(CopiedStream(stream.index, stream.type, other_encoder))
        else:
            dropped.append(f"{stream.type} stream {stream.index} ({stream.codec or stream.tag or 'unknown'})")
    if dropped:
        notes.append(f"{container.name} does not hold {', '.join(dropped)}: left out")
    return StreamSelection(tuple(streams), tuple(notes))


def _select_sounds(sounds: tuple[AudioFacts, ...], keep: str, *, has_speech: bool) -> tuple[AudioFacts, ...]:
    """Return the sound streams the policy keeps."""
    if keep == "none":
        return ()
    return sounds[1:] if keep == "others" and has_speech else sounds


def audio_encoder(codec: str, container: Container) -> str:
    """Return "copy" if a container holds an audio codec, else the encoder to use instead."""
    if not container.timed or container.sounds is None or codec in container.sounds:
        return COPY
    return _AUDIO_FALLBACK_ENCODERS.get(container.speech_codec, container.speech_codec)


# -- rules: each returns the encoder of a stream, "copy", or None if the container does not hold the stream


def _subtitle_rule(stream: OtherStream, container: Container, facts: MediaFacts) -> str | None:
    if stream.codec in container.copied_text or stream.codec in container.bitmap:
        return COPY
    return container.text if stream.codec in TEXT_SUBTITLE_CODECS else None


def _attachment_rule(stream: OtherStream, container: Container, facts: MediaFacts) -> str | None:
    return COPY if container.attachments else None


def _video_rule(stream: OtherStream, container: Container, facts: MediaFacts) -> str | None:
    return COPY if (container.covers if stream.cover else container.more_video) else None


def _data_rule(stream: OtherStream, container: Container, facts: MediaFacts) -> str | None:
    return COPY if container.data and stream.tag in _WRITABLE_DATA_TAGS else None


_RULES: dict[str, Callable[[OtherStream, Container, MediaFacts], str | None]] = {
    "subtitle": _subtitle_rule,
    "attachment": _attachment_rule,
    "video": _video_rule,
    "data": _data_rule,
}
