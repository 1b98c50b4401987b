"""What a media file holds: streams, the exact times of its frames, colour tags, metadata."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from lipdub.errors import InputError, printable
from lipdub.media.colour import ColourTags
from lipdub.media.demux import (
    codec_name,
    decode_first_frame,
    is_image_container,
    open_media,
    select_video_stream,
)
from lipdub.media.frame_index import read_frame_index
from lipdub.media.pixel_formats import planar_equivalent, plane_layout


@dataclass(frozen=True)
class VideoFacts:
    """The video stream. ``width`` and ``height`` are those of the display (after rotation), the coded ones as
    stored. ``rotation`` is in degrees, counterclockwise, to be applied for display (PyAV's ``frame.rotation``:
    a multiple of 90), ``mirrored`` a left to right flip after it. Times are in seconds, absolute; ``start_time``
    is that of the first frame, ``duration`` reaches to the end of the last one. ``frames`` is exact.
    ``pix_fmt`` is the stream's, ``planar`` the format its pictures have here. ``missing``: frames the container
    promises and the file does not hold.
    """

    index: int
    codec: str
    profile: str | None
    pix_fmt: str
    planar: str
    bit_depth: int
    width: int
    height: int
    coded_width: int
    coded_height: int
    rotation: int
    mirrored: bool
    time_base: Fraction
    start_time: Fraction
    duration: Fraction
    average_rate: Fraction
    variable: bool
    frames: int
    sample_aspect: Fraction | None
    colour: ColourTags
    is_image: bool
    bit_rate: int | None
    interlaced: bool = False
    missing: int = 0

    @property
    def end_time(self) -> Fraction:
        """When the last frame stops being shown, in seconds."""
        return self.start_time + self.duration


@dataclass(frozen=True)
class AudioFacts:
    """A sound stream. ``start_time`` is when its first sample is heard (priming removed), on the same clock
    as the frame times; None where it does not decode.
    """

    index: int
    codec: str
    rate: int
    channels: int
    layout: str
    start_time: Fraction | None
    duration: Fraction | None
    language: str | None = None


@dataclass(frozen=True)
class OtherStream:
    """A stream that is neither the video used nor sound: subtitles, data, attachments, more video."""

    index: int
    type: str
    codec: str | None
    language: str | None = None
    tag: str = ""
    cover: bool = False


@dataclass(frozen=True)
class Chapter:
    """A chapter, in seconds."""

    start: Fraction
    end: Fraction
    title: str


@dataclass(frozen=True)
class MediaFacts:
    """A whole file. ``notes`` are remarks for the person, such as a file that is cut short."""

    path: Path
    format: str
    start_time: Fraction
    duration: Fraction
    video: VideoFacts | None
    audio: tuple[AudioFacts, ...] = ()
    others: tuple[OtherStream, ...] = ()
    metadata: dict[str, str] = field(default_factory=dict)
    chapters: tuple[Chapter, ...] = ()
    notes: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values: fractions as "n/d" text, the path as text."""
        return _plain(asdict(self))


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, (Fraction, Path)):
        return str(value)
    return value


# -- opening


# -- the list of frames


# -- the whole file


def probe(path: Path | str) -> MediaFacts:
    """Facts of a media file. A file without video has ``video`` None.

    Raises :class:`InputError` if it is missing, a folder, empty, not media, cut before its index, or holds
    neither a readable frame nor sound.
    """
    from av.stream import Disposition

    notes: list[str] = []
    with open_media(path) as container:
        place = Path(os.path.abspath(path))
        stream = select_video_stream(container)
        chosen = stream.index if stream is not None else -1
        video = _video_facts(place, container, stream, notes) if stream is not None else None
        others = tuple(
            OtherStream(
                other.index,
                other.type,
                _codec_name(other),
                other.metadata.get("language"),
                _tag(other),
                bool(other.disposition & Disposition.attached_pic),
            )
            for other in container.streams
            if other.index != chosen and other.type != "audio"
        )
        chapters = tuple(
            Chapter(
                Fraction(chapter["start"]) * chapter["time_base"],
                Fraction(chapter["end"]) * chapter["time_base"],
                chapter["metadata"].get("title", ""),
            )
            for chapter in container.chapters()
        )
        metadata = dict(container.metadata)
        name = container.format.name
        sounds = [stream.index for stream in container.streams.audio]
        start = Fraction(container.start_time or 0, 1_000_000)
        length = Fraction(container.duration or 0, 1_000_000)
    audio = tuple(_audio_facts(place, index) for index in sounds)
    if video is None and not audio:
        raise InputError(f"{printable(path)} holds neither video nor sound")
    if not length:
        length = video.duration if video is not None else (audio[0].duration or Fraction(0))
    return MediaFacts(place, name, start, length, video, audio, others, metadata, chapters, tuple(notes))


def _codec_name(stream: Any) -> str | None:
    return codec_name(stream) if stream.codec_context is not None else None


def _tag(stream: Any) -> str:
    try:
        return str(stream.codec_context.codec_tag) if stream.codec_context is not None else ""
    except (UnicodeDecodeError, ValueError):
        return ""


def _video_facts(path: Path, container: Any, stream: Any, notes: list[str]) -> VideoFacts:
    frame = decode_first_frame(container, stream)
    if frame is None:
        raise InputError(f"{printable(path)} holds a video stream without a single readable frame")
    index = read_frame_index(path)
    context = stream.codec_context
    turns, mirrored = read_orientation(frame)
    pix_fmt = frame.format.name
    planar = planar_equivalent(pix_fmt)
    layout = plane_layout(planar)
    assert layout is not None
    width, height = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)
    base = index.time_base
    gaps = np.diff(index.pts)
    # A rate that does not divide the time base rounds to two neighbouring gaps: that is not variable.
    variable = len(gaps) > 1 and int(gaps.max() - gaps.min()) > max(1, round(0.002 / float(base)))
    if len(gaps):
        rate = Fraction(len(gaps)) / (int(index.pts[-1] - index.pts[0]) * base)
    else:
        rate = 1 / (int(index.duration[0]) * base)
    told = stream.average_rate
    if told and abs(float(told / rate) - 1.0) < 1e-3 and not variable:
        rate = Fraction(told)
    aspect = stream.sample_aspect_ratio
    if index.missing:
        notes.append(f"the file is cut short: {len(index.pts)} of {len(index.pts) + index.missing} frames are there")
    if stream.metadata.get("alpha_mode") == "1" and not layout.alpha:
        notes.append("the opacity of the source (VP9 alpha) is not read; the result is opaque")
    return VideoFacts(
        index=stream.index,
        codec=codec_name(stream),
        profile=context.profile,
        pix_fmt=pix_fmt,
        planar=planar,
        bit_depth=layout.depth,
        width=width,
        height=height,
        coded_width=frame.width,
        coded_height=frame.height,
        rotation=int(turns % 4) * 90 if turns % 4 < 3 else -90,
        mirrored=mirrored,
        time_base=base,
        start_time=int(index.pts[0]) * base,
        duration=int(index.pts[-1] + index.duration[-1] - index.pts[0]) * base,
        average_rate=rate,
        variable=variable,
        frames=len(index.pts),
        sample_aspect=Fraction(aspect) if aspect else None,
        colour=read_colour_tags(frame, context),
        is_image=is_image_container(container),
        bit_rate=stream.bit_rate or None,
        interlaced=bool(frame.interlaced_frame),
        missing=index.missing,
    )


def read_colour_tags(frame: Any, context: Any) -> ColourTags:
    """Tags of a frame, those of its stream where the frame has none."""

    def pick(value: int, fallback: int, none: int) -> int:
        return int(value) if int(value) != none else int(fallback)

    name = frame.format.name
    told = pick(frame.color_range, context.color_range, 0)
    layout = plane_layout(planar_equivalent(name))
    yuv = layout is not None and layout.kind == "yuv"
    full = told == 2 or name.startswith("yuvj") or (not yuv and told != 1)
    return ColourTags.from_raw(
        told,
        pick(frame.colorspace, context.colorspace, 2),
        pick(frame.color_primaries, context.color_primaries, 2),
        pick(frame.color_trc, context.color_trc, 2),
        full_range=full,
        centred_chroma=name.startswith("yuvj") and context.name in ("mjpeg", "webp"),
    )


def read_orientation(frame: Any) -> tuple[int, bool]:
    """Counterclockwise quarter turns, and a left to right flip after them, that bring a frame to display
    orientation, from its display matrix.
    """
    try:
        side = frame.side_data["DISPLAYMATRIX"]
    except (KeyError, ValueError):
        return 0, False
    if side is None:
        return 0, False
    a, b, _, c, d = np.frombuffer(bytes(side), np.int32)[:5].tolist()
    mirrored = a * d - b * c < 0
    if mirrored:
        # Matrix of the turn alone: undo the flip, which comes last (x' = -x).
        a, c = -a, -c
    angle = np.degrees(np.arctan2(float(-b), float(a)))
    return int(round(angle / 90.0)) % 4, mirrored


def _audio_facts(path: Path, number: int) -> AudioFacts:
    with open_media(path) as container:
        stream = container.streams[number]
        start: Fraction | None = None
        frame = decode_first_frame(container, stream)
        if frame is not None:
            if frame.pts is not None:
                start = frame.pts * frame.time_base
            else:
                start = Fraction(stream.start_time or 0) * stream.time_base
        context = stream.codec_context
        duration = stream.duration * stream.time_base if stream.duration else None
        return AudioFacts(
            index=stream.index,
            codec=codec_name(stream),
            rate=context.sample_rate or 0,
            channels=context.layout.nb_channels if context.layout is not None else 0,
            layout=context.layout.name if context.layout is not None else "",
            start_time=start,
            duration=duration,
            language=stream.metadata.get("language"),
        )
