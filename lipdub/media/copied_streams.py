"""Which streams of the source the result keeps, and how."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lipdub.media.channel_layouts import LayoutFit, fit_layout
from lipdub.media.containers import TEXT_SUBTITLE_CODECS
from lipdub.media.cover_pictures import PICTURE_CODECS

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from lipdub.media.containers import Container
    from lipdub.media.probe import AudioFacts, MediaFacts, OtherStream

KEEP_NOTHING, KEEP_OTHERS, KEEP_ALL = "none", "others", "all"
SOURCE_AUDIO_POLICIES = (KEEP_NOTHING, KEEP_OTHERS, KEEP_ALL)
COVER = "cover"  # kind of a cover picture that is written to a file of its own and added from there
COPY = "copy"  # FFmpeg's word for a stream that is not encoded again
_AUDIO_FALLBACK_ENCODERS = {"pcm": "pcm_s16le", "opus": "libopus"}
# Codecs of the covers that MP4 holds beside its pictures.
_MP4_COVERS = {"mjpeg", "png", "bmp"}
# FFmpeg's muxers of MOV and MP4 write a sample description for these data tracks only. Others would become a track
# without one, or one that is named after the wrong kind.
_WRITABLE_DATA_TAGS = {"gpmd"}


@dataclass(frozen=True)
class CopiedStream:
    """A stream of the source that the result keeps.

    Attributes:
        index: Number of the stream in the source.
        kind: FFmpeg's name of the kind of stream, or "cover" for a cover picture that is added from a file of its own.
        encoder: Its encoder, or "copy".
        fit: The channels as the encoder takes them; None for the stream's own.
        codec: Name of its codec in the source.
        metadata: Metadata of the stream in the source.
        roles: FFmpeg's names of its dispositions in the source.
    """

    index: int
    kind: str
    encoder: str = COPY
    fit: LayoutFit | None = None
    codec: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict)
    roles: tuple[str, ...] = ()

    @property
    def is_laid_out_anew(self) -> bool:
        """Whether its channels are laid out in a file of their own before they are encoded."""
        return self.fit is not None

    def describe(self) -> str:
        """Return its kind, its number, and its codec or the name of its file, for people."""
        name = {"audio": "sound stream", COVER: "cover picture"}.get(self.kind, f"{self.kind} stream")
        detail = self.codec or self.metadata.get("filename", "")
        return f"{name} {self.index} ({detail})" if detail else f"{name} {self.index}"


def select_streams(
    facts: MediaFacts, container: Container, *, keep_audio: str, has_speech: bool
) -> tuple[CopiedStream, ...]:
    """Choose the streams of the source that the result keeps.

    Args:
        facts: Facts of the source.
        container: The result's container.
        keep_audio: 'others' keeps all sound streams but the first, or all without a speech; 'all' and 'none'.
        has_speech: Whether the result has a speech.
    """
    sounds = _select_sounds(facts.audio, keep_audio, has_speech=has_speech)
    streams = [_copy_sound(sound, container) for sound in sounds]
    for stream in facts.others:
        rule = _RULES.get(stream.type)
        encoder = None if rule is None or stream.generated else rule(stream, container)
        if encoder is not None:
            streams.append(
                CopiedStream(
                    stream.index,
                    COVER if encoder == COVER else stream.type,
                    encoder,
                    codec=stream.codec or "",
                    metadata=stream.metadata,
                )
            )
    return tuple(streams)


def _select_sounds(sounds: tuple[AudioFacts, ...], keep: str, *, has_speech: bool) -> tuple[AudioFacts, ...]:
    """Return the sound streams the policy keeps."""
    if keep == KEEP_NOTHING:
        return ()
    return sounds[1:] if keep == KEEP_OTHERS and has_speech else sounds


def _copy_sound(sound: AudioFacts, container: Container) -> CopiedStream:
    """Return how a result keeps a sound stream."""
    encoder = audio_encoder(sound.codec, container)
    fit = fit_layout(encoder, sound.layout, sound.channels) if encoder != COPY else None
    return CopiedStream(
        index=sound.index,
        kind="audio",
        encoder=encoder,
        fit=fit if fit is not None and fit.layout != sound.layout else None,
        codec=sound.codec,
        metadata=sound.metadata,
        roles=sound.roles,
    )


def audio_encoder(codec: str, container: Container) -> str:
    """Return "copy" if a container holds an audio codec, else the encoder to use instead."""
    if not container.timed or container.sounds is None or codec in container.sounds:
        return COPY
    return _AUDIO_FALLBACK_ENCODERS.get(container.speech_codec, container.speech_codec)


# -- rules: each returns the encoder of a stream, "copy", "cover", or None if the container does not hold the stream


def _subtitle_rule(stream: OtherStream, container: Container) -> str | None:
    if stream.codec in container.copied_text or stream.codec in container.bitmap:
        return COPY
    return container.text if stream.codec in TEXT_SUBTITLE_CODECS else None


def _attachment_rule(stream: OtherStream, container: Container) -> str | None:
    if container.attachments:
        return COPY
    return COVER if stream.cover and container.covers else None


def _video_rule(stream: OtherStream, container: Container) -> str | None:
    if stream.cover:
        if not container.covers or stream.codec not in PICTURE_CODECS:
            return None
        return COPY if container.is_mov and stream.codec in _MP4_COVERS else COVER
    return COPY if container.more_video else None


def _data_rule(stream: OtherStream, container: Container) -> str | None:
    return COPY if container.data and stream.tag in _WRITABLE_DATA_TAGS else None


_RULES: dict[str, Callable[[OtherStream, Container], str | None]] = {
    "subtitle": _subtitle_rule,
    "attachment": _attachment_rule,
    "video": _video_rule,
    "data": _data_rule,
}
