"""What goes into a result, and when each sound begins in it."""

from __future__ import annotations

from dataclasses import dataclass, field
from fractions import Fraction
from typing import TYPE_CHECKING

from lipdub.media.audio_encoder import AudioCodec
from lipdub.media.copied_streams import COVER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lipdub.media.audio import AudioSource
    from lipdub.media.audio_encoder import SpeechEncoder
    from lipdub.media.containers import Container
    from lipdub.media.copied_streams import CopiedStream
    from lipdub.media.join import JoinedVideo
    from lipdub.media.probe import MediaFacts

MILLISECOND = Fraction(1, 1000)
# Copied streams are output in this order; the letters are FFmpeg's stream specifiers.
_KIND_LETTERS = {"audio": "a", "video": "v", "subtitle": "s", "data": "d", "attachment": "t"}


@dataclass(frozen=True)
class PictureInput:
    """The picture of a result.

    Attributes:
        segments: Files of encoded frames, in order.
        last_duration: How long the last frame is shown, in the source's time base; None for as long as the others.
    """

    segments: Sequence[Path]
    last_duration: int | None = None


@dataclass(frozen=True)
class SpeechInput:
    """The speech of a result, and how it is encoded.

    Attributes:
        path: A file that holds sound.
        start: When its first sample is heard, in seconds on the clock of the source's frame times. Silence comes
            before it. What lies before the beginning of the source is cut.
        stream: Index of the stream in the file; None for the first sound stream.
        codec: How it is encoded.
        language: Language tag; None for none.
    """

    path: Path
    start: Fraction = Fraction(0)
    stream: int | None = None
    codec: AudioCodec = field(default_factory=AudioCodec)
    language: str | None = None


@dataclass(frozen=True)
class SourceInput:
    """The source of a result, and which of its streams are kept.

    Attributes:
        path: The file.
        facts: Its facts.
        keep_audio: 'others' keeps all sound streams but the first, or all without a speech; 'all', 'none'.
        has_kept_streams: Whether any stream of it is kept.
    """

    path: Path
    facts: MediaFacts
    keep_audio: str = "others"
    has_kept_streams: bool = True


@dataclass(frozen=True)
class SpeechTrack:
    """The speech, laid out for the result.

    Attributes:
        path: A WAV file.
        begin: When the file begins in the result, in seconds.
        source: What the speech decodes to.
        encoder: Its encoder.
        language: Language tag; None for none.
    """

    path: Path
    begin: Fraction
    source: AudioSource
    encoder: SpeechEncoder
    language: str | None = None


@dataclass(frozen=True)
class MuxPlan:
    """Everything the final ffmpeg command depends on.

    Attributes:
        joined: The joined video.
        container: The result's container.
        source: The source.
        facts: Its facts.
        speech: The speech; None if there is none.
        copied: The streams of the source the result keeps.
        metadata: Metadata to add to the source's.
        end: When sound and copied streams are cut, in seconds on the source's clock; None to keep all.
        excerpt: Seconds of each input that are read; None for all. What a container refuses, it refuses at once.
    """

    joined: JoinedVideo
    container: Container
    source: Path
    facts: MediaFacts
    speech: SpeechTrack | None = None
    copied: tuple[CopiedStream, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict)
    end: Fraction | None = None
    excerpt: Fraction | None = None

    @property
    def covers(self) -> list[CopiedStream]:
        """The cover pictures that are added from files of their own."""
        return [stream for stream in self.copied if stream.kind == COVER]

    @property
    def ordered_streams(self) -> list[tuple[str, CopiedStream]]:
        """The copied streams in output order, each with FFmpeg's specifier in the output ("a:1"); no covers."""
        counts = dict.fromkeys(_KIND_LETTERS.values(), 0)
        counts["v"] = 1
        counts["a"] = 0 if self.speech is None else 1
        ordered = []
        for kind, letter in _KIND_LETTERS.items():
            for stream in self.copied:
                if stream.kind == kind:
                    ordered.append((f"{letter}:{counts[letter]}", stream))
                    counts[letter] += 1
        return ordered


@dataclass(frozen=True)
class SamplePlacement:
    """How sound is laid out in a track, in samples.

    Attributes:
        lead: Silence before the sound.
        skip: Samples of the sound left out at its beginning.
        limit: Length of the track; None for all of the sound.
    """

    lead: int
    skip: int
    limit: int | None


def place_samples(sound_start: Fraction, begin: Fraction, end: Fraction | None, rate: int) -> SamplePlacement:
    """Lay out sound in a track.

    Args:
        sound_start: When the first sample is heard, in seconds.
        begin: When the track begins.
        end: When the track ends; None for all of the sound.
        rate: Samples per second.
    """
    offset = round((sound_start - begin) * rate)
    limit = None if end is None else max(1, round((end - begin) * rate))
    return SamplePlacement(max(0, offset), max(0, -offset), limit)


def speech_begin(joined: JoinedVideo, container: Container, source_start: Fraction) -> Fraction:
    """Return when the speech's track begins in the result, in seconds.

    The track begins where the source began, with its picture or with its sound if that came first. So no
    stream starts at an odd place.

    Args:
        joined: The joined video.
        container: The result's container.
        source_start: When the source's earliest stream begins, in seconds on the source's clock.
    """
    first = joined.first_time
    begin = min(first, max(Fraction(0), source_start - joined.shift_time)) if container.timed else first
    if container.is_mov:
        return begin
    return int(begin / MILLISECOND) * MILLISECOND  # others store whole milliseconds; the rest is silence
