"""What a media file holds: streams, colour tags, metadata, chapters."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError, printable
from lipdub.media.audio_priming import decode_sound_frames
from lipdub.media.colour import (
    CHROMA_PLACE_CENTRE,
    CHROMA_PLACE_UNKNOWN,
    RANGE_FULL,
    RANGE_LIMITED,
    RANGE_UNSPECIFIED,
    UNSPECIFIED,
    ColourTags,
)
from lipdub.media.cover_pictures import find_picture_codec
from lipdub.media.demux import (
    absolute_path,
    codec_name,
    decode_first_frame,
    decode_frames,
    open_media,
    select_video_stream,
)
from lipdub.media.fields import has_separable_fields
from lipdub.media.frame_index import FrameIndex, read_frame_index
from lipdub.media.frame_tags import BOTTOM_FIELD_FIRST, PROGRESSIVE, TOP_FIELD_FIRST, describe_media, read_frame_tags
from lipdub.media.hdr import (
    DOLBY_VISION_ONLY,
    NO_HDR,
    HdrMetadata,
    read_dolby_vision_profile,
    read_dynamic_metadata,
    read_hdr_metadata,
)
from lipdub.media.mov_tracks import read_mov_tracks
from lipdub.media.orientation import DisplayMatrix, read_display_matrix, read_orientation
from lipdub.media.pixel_aspect import find_square_size
from lipdub.media.pixel_formats import PlaneLayout, planar_equivalent, plane_layout
from lipdub.media.pixels import describe_upright
from lipdub.media.unread_formats import name_unread_format

if TYPE_CHECKING:
    from collections.abc import Iterable

_CONTAINER_TIME_BASE = Fraction(1, 1_000_000)  # seconds per tick of FFmpeg's container times
_SAME_RATE = 1e-3  # largest relative difference of a stream's claimed rate from the measured one
_TIME_CODE_TAG = "tmcd"  # sample description of the time code tracks of MOV and MP4
# Codecs whose frames do not hold two fields. H.265 stores each field as a picture of its own.
_FIELDLESS_CODECS = {"hevc", "vvc", "vp8", "vp9", "av1"}
_FRAMES_WITH_FIELDS = 8  # frames looked at for interlacing
# Places of chroma that has every row of luma: the place between rows means nothing.
_ROW_PLACES = {"topleft": "left", "bottomleft": "left", "top": "center", "bottom": "center"}
# FFmpeg's numbers of the container's field orders: TT and TB, BB and BT.
_CONTAINER_FIELD_ORDERS = {2: TOP_FIELD_FIRST, 4: TOP_FIELD_FIRST, 3: BOTTOM_FIELD_FIRST, 5: BOTTOM_FIELD_FIRST}
_SAME_START = Fraction(1, 1000)  # seconds; streams that begin closer together begin at the same time
_JITTER_SECONDS = 0.002  # frame gaps that differ by no more are one rate, rounded to the time base


@dataclass(frozen=True)
class VideoFacts:
    """The video stream. Times are absolute, in seconds.

    Attributes:
        index: Number of the stream in the file.
        codec: Name of the codec.
        profile: Name of the codec's profile.
        pix_fmt: Pixel format of the stream.
        planar: Planar format its pictures have here.
        bit_depth: Bits of a sample.
        width: Columns in display orientation, of square pixels where the stored ones are far from square.
        height: Rows in display orientation, likewise.
        coded_width: Columns as stored.
        coded_height: Rows as stored.
        rotation: Degrees to turn counterclockwise for display: a multiple of 90, as PyAV's ``frame.rotation``.
        mirrored: Whether a left to right flip follows the turn.
        time_base: Seconds per tick of the frame times.
        start_time: When the first frame is shown.
        duration: Seconds from then to the end of the last frame.
        average_rate: Frames per second.
        variable: Whether the gaps between frames differ.
        frames: Exact number of frames.
        sample_aspect: Width of a sample divided by its height; None if unknown.
        colour: What the code values mean.
        is_image: Whether the file is a still picture.
        bit_rate: Bits per second; None if unknown.
        field_order: "progressive", or which field of an interlaced frame is shown first.
        first_field: Which field comes first if each is stored as a picture of its own (H.265); else "progressive".
        missing: How many frames the container lists that are not in the file.
        hdr: Static metadata of HDR10.
        dynamic_hdr: Names of the metadata that describe each picture, such as "Dolby Vision".
        roles: FFmpeg's names of its dispositions ("original").
        display_matrix: How the container places the stored picture for display; None for as it is.
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
    field_order: str = PROGRESSIVE
    first_field: str = PROGRESSIVE
    missing: int = 0
    hdr: HdrMetadata = NO_HDR
    dynamic_hdr: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    display_matrix: DisplayMatrix | None = None

    @property
    def end_time(self) -> Fraction:
        """When the last frame stops being shown, in seconds."""
        return self.start_time + self.duration

    @property
    def is_interlaced(self) -> bool:
        """Whether frames hold two fields of different times."""
        return self.field_order != PROGRESSIVE

    @property
    def is_turned(self) -> bool:
        """Whether frames are stored in another orientation than shown."""
        return bool(self.rotation or self.mirrored)


@dataclass(frozen=True)
class AudioFacts:
    """A sound stream.

    Attributes:
        index: Number of the stream in the file.
        codec: Name of the codec.
        rate: Samples per second.
        channels: Number of channels.
        layout: Name of the channel layout.
        start_time: When the first sample is heard, in seconds on the clock of the frame times; encoder priming
            is not heard. None if the stream does not decode.
        duration: Seconds; None if unknown.
        language: Language tag.
        metadata: Metadata of the stream.
        roles: FFmpeg's names of its dispositions ("forced").
    """

    index: int
    codec: str
    rate: int
    channels: int
    layout: str
    start_time: Fraction | None
    duration: Fraction | None
    language: str | None = None
    metadata: dict[str, str] = field(default_factory=dict)
    roles: tuple[str, ...] = ()


@dataclass(frozen=True)
class OtherStream:
    """A stream that is neither sound nor the video used: subtitles, data, attachments, more video.

    Attributes:
        index: Number of the stream in the file.
        type: FFmpeg's name of the kind of stream.
        codec: Name of the codec; None if there is no decoder.
        language: Language tag.
        tag: The container's tag of the codec.
        cover: Whether it is a cover picture, or an attached file that may become one.
        generated: Whether muxers make it anew: titles of chapters, time codes.
        metadata: Metadata of the stream.
    """

    index: int
    type: str
    codec: str | None
    language: str | None = None
    tag: str = ""
    cover: bool = False
    generated: bool = False
    metadata: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Chapter:
    """A chapter; ``start`` and ``end`` are in seconds."""

    start: Fraction
    end: Fraction
    title: str


@dataclass(frozen=True)
class MediaFacts:
    """A whole file. Times are in seconds.

    Attributes:
        path: Absolute path.
        format: FFmpeg's name of the container format.
        start_time: When the earliest stream begins.
        duration: Length of the file.
        video: The video stream; None if there is none.
        audio: The sound streams.
        others: All other streams.
        metadata: Metadata of the container.
        chapters: The chapters.
        notes: Remarks for the person, for example that the file is cut short.
    """

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
        """Return plain values: fractions as "n/d" text, the path as text."""
        return {key: _plain(value) for key, value in asdict(self).items()}

    @property
    def sound_delay(self) -> Fraction:
        """Seconds from the first picture to the first sample of the first sound stream that decodes.

        It is 0 where there is no such stream, and where both begin at the same time but for the rounding of a container
        that stores whole milliseconds.
        """
        starts = [sound.start_time for sound in self.audio if sound.start_time is not None]
        if self.video is None or self.video.is_image or not starts:
            return Fraction(0)
        delay = starts[0] - self.video.start_time
        return delay if abs(delay) > _SAME_START else Fraction(0)


def _plain(value: Any) -> Any:
    """Replace the values JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(part) for key, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, (Fraction, Path)):
        return str(value)
    return value


def probe(path: Path | str) -> MediaFacts:
    """Read the facts of a media file.

    Raises:
        InputError: The file is missing, a folder, empty, not media or cut before its index, or it holds
            neither a readable frame nor sound.
    """
    place = absolute_path(path)
    with open_media(path) as container:
        stream = select_video_stream(container)
        video = _video_facts(place, container, stream) if stream is not None else None
        notes = _video_notes(video, stream) if video is not None else ()
        others = _other_streams(place, container, stream)
        chapters = read_chapters(container)
        metadata = read_metadata(container)
        name = container.format.name
        sounds = [stream.index for stream in container.streams.audio]
        start = (container.start_time or 0) * _CONTAINER_TIME_BASE
        length = (container.duration or 0) * _CONTAINER_TIME_BASE
    audio = tuple(_audio_facts(place, index) for index in sounds)
    if video is None and not audio:
        _refuse_unread_format(place, path)
        raise InputError(f"{printable(path)} holds neither video nor sound")
    if not length:
        length = video.duration if video is not None else (audio[0].duration or Fraction(0))
    return MediaFacts(place, name, start, length, video, audio, others, metadata, chapters, notes)


def _other_streams(path: Path, container: Any, video: Any | None) -> tuple[OtherStream, ...]:
    """Return the streams that are neither sound nor the video used."""
    from av.stream import Disposition

    streams = [s for s in container.streams if s.type != "audio" and (video is None or s.index != video.index)]
    tracks = read_mov_tracks(path) if streams and "mov" in container.format.name else []
    tags = {track.number: track.tag for track in tracks}
    chapters = {number for track in tracks for number in track.chapter_tracks}
    return tuple(
        OtherStream(
            index=stream.index,
            type=stream.type,
            codec=_name_codec(stream),
            language=stream.metadata.get("language"),
            tag=read_codec_tag(stream) or tags.get(stream.id, ""),
            cover=bool(stream.disposition & Disposition.attached_pic) or is_picture_attachment(stream),
            generated=stream.id in chapters or tags.get(stream.id) == _TIME_CODE_TAG,
            metadata=dict(stream.metadata),
        )
        for stream in streams
    )


def _name_codec(stream: Any) -> str | None:
    if is_picture_attachment(stream):
        return find_picture_codec(stream.data)
    return codec_name(stream) if stream.codec_context is not None else None


def is_picture_attachment(stream: Any) -> bool:
    """Whether a stream is an attached file that holds a picture."""
    return stream.type == "attachment" and find_picture_codec(stream.data or b"") is not None


def read_roles(stream: Any) -> tuple[str, ...]:
    """Return FFmpeg's names of a stream's dispositions."""
    from av.stream import Disposition

    return tuple(str(role.name) for role in Disposition if stream.disposition & role)


def read_codec_tag(stream: Any) -> str:
    """Return the container's tag of a stream's codec; empty if PyAV does not tell or it is not text."""
    try:
        return str(stream.codec_context.codec_tag) if stream.codec_context is not None else ""
    except (UnicodeDecodeError, ValueError):
        return ""


def read_metadata(container: Any) -> dict[str, str]:
    """Return the metadata of an open file. Ogg has that of the file in its streams."""
    streams = container.streams if container.format.name == "ogg" else ()
    return {key: value for part in (*streams, container) for key, value in part.metadata.items()}


def read_chapters(container: Any) -> tuple[Chapter, ...]:
    """Return the chapters of an open file."""
    return tuple(
        Chapter(
            start=Fraction(chapter["start"]) * chapter["time_base"],
            end=Fraction(chapter["end"]) * chapter["time_base"],
            title=chapter["metadata"].get("title", ""),
        )
        for chapter in container.chapters()
    )


def _video_facts(path: Path, container: Any, stream: Any) -> VideoFacts:
    frame = decode_first_frame(container, stream)
    if frame is None:
        _refuse_unread_format(path, path)
        raise InputError(f"{printable(path)} holds a video stream without a single readable frame")
    index = read_frame_index(path)
    description = describe_media(container)
    _check_dolby_vision(path, description)
    context = stream.codec_context
    turns, mirrored = read_orientation(path, frame, context.name, is_still=index.is_still)
    pix_fmt = frame.format.name
    planar, colour = planar_equivalent(pix_fmt), read_colour_tags(frame, context)
    width, height = (frame.height, frame.width) if turns % 2 else (frame.width, frame.height)
    coded_width, coded_height = frame.width, frame.height
    aspect = Fraction(stream.sample_aspect_ratio) if stream.sample_aspect_ratio else None
    square_size = find_square_size(width, height, aspect, turns)
    if index.is_still and (turns or mirrored):
        # A still picture is brought to display orientation when it is read: few players show mirrored video.
        planar, colour = describe_upright(planar, colour, (frame.width, frame.height), turns, mirrored=mirrored)
        aspect = 1 / aspect if aspect and turns % 2 else aspect
        coded_width, coded_height, turns, mirrored = width, height, 0, False
    layout = plane_layout(planar)
    assert layout is not None
    variable = _is_variable(index)
    if square_size is not None:
        width, height = square_size
    return VideoFacts(
        index=stream.index,
        codec=codec_name(stream),
        profile=context.profile,
        pix_fmt=pix_fmt,
        planar=planar,
        bit_depth=layout.depth,
        width=width,
        height=height,
        coded_width=coded_width,
        coded_height=coded_height,
        rotation=turns * 90 if turns < 3 else -90,
        mirrored=mirrored,
        time_base=index.time_base,
        start_time=int(index.pts[0]) * index.time_base,
        duration=int(index.pts[-1] + index.duration[-1] - index.pts[0]) * index.time_base,
        average_rate=_average_rate(index, stream.average_rate, variable=variable),
        variable=variable,
        frames=len(index.pts),
        sample_aspect=aspect,
        colour=colour,
        is_image=index.is_still,
        bit_rate=stream.bit_rate or None,
        field_order=PROGRESSIVE if index.is_still else read_field_order(path),
        first_field=_read_first_field(frame, context),
        missing=index.missing,
        hdr=read_hdr_metadata(frame, context.name),
        dynamic_hdr=read_dynamic_metadata(frame, context.name, description),
        roles=read_roles(stream),
        display_matrix=None if index.is_still else read_display_matrix(frame, context.name),
    )


def _refuse_unread_format(place: Path, path: Path | str) -> None:
    """Raise InputError where a file without a readable frame is of a known format."""
    name = name_unread_format(place)
    if name is not None:
        raise InputError(
            f"{printable(path)} is {name}, which the installed FFmpeg libraries do not decode",
            hint="Save it as MP4, GIF or APNG first." if "animated" in name else "Save it as PNG or JPEG first.",
        )


def _check_dolby_vision(path: Path, description: str) -> None:
    """Refuse pictures whose colours only a Dolby Vision player can tell. Raises InputError."""
    if read_dolby_vision_profile(description) == DOLBY_VISION_ONLY:
        raise InputError(
            f"{printable(path)} is Dolby Vision of profile {DOLBY_VISION_ONLY}, whose colours are lost without its "
            "metadata",
            hint="Convert it to HDR10 or SDR first.",
        )


def read_field_order(path: Path | str) -> str:
    """Return the order of the fields of a file.

    Streams may begin with progressive frames, so that a few are looked at.
    """
    with open_media(path) as media:
        stream = select_video_stream(media)
        assert stream is not None
        return find_field_order(islice(decode_frames(media, stream), _FRAMES_WITH_FIELDS), stream.codec_context)


def _read_first_field(frame: Any, context: Any) -> str:
    """Return which field comes first if each is a picture of its own; else "progressive"."""
    if context.name != "hevc" or not frame.interlaced_frame:
        return PROGRESSIVE
    return read_frame_tags(frame).field_order


def find_field_order(frames: Iterable[Any], context: Any) -> str:
    """Return the order of the fields: that of the first interlaced frame, else what the container says.

    Args:
        frames: Decoded ``av.VideoFrame``.
        context: The codec context of their stream.
    """
    if getattr(context.codec, "canonical_name", context.name) in _FIELDLESS_CODECS:
        return PROGRESSIVE
    for frame in frames:
        if frame.interlaced_frame:
            return read_frame_tags(frame).field_order
    return _CONTAINER_FIELD_ORDERS.get(int(context.field_order), PROGRESSIVE)


def _is_variable(index: FrameIndex) -> bool:
    """Whether the gaps between frames differ by more than rounding to the time base explains."""
    gaps = np.diff(index.pts)
    tolerance = max(1, round(_JITTER_SECONDS / float(index.time_base)))
    return len(gaps) > 1 and int(gaps.max() - gaps.min()) > tolerance


def _average_rate(index: FrameIndex, claimed_rate: Fraction | None, *, variable: bool) -> Fraction:
    """Return frames per second: the rate the stream claims if it agrees with the frame times, else theirs."""
    gaps = len(index.pts) - 1
    if gaps:
        rate = Fraction(gaps) / (int(index.pts[-1] - index.pts[0]) * index.time_base)
    else:
        rate = 1 / (int(index.duration[0]) * index.time_base)
    if claimed_rate and abs(float(claimed_rate / rate) - 1.0) < _SAME_RATE and not variable:
        return Fraction(claimed_rate)
    return rate


def _video_notes(video: VideoFacts, stream: Any) -> tuple[str, ...]:
    """Return remarks about unreadable parts of the video stream."""
    notes = []
    if video.missing:
        notes.append(f"the file is cut short: it holds {video.frames} of {video.frames + video.missing} frames")
    layout = plane_layout(video.planar)
    assert layout is not None
    if video.is_interlaced:
        turns = video.rotation // 90
        is_separable = has_separable_fields(video.coded_height, video.height, turns, layout)
        how = "alike in both fields" if is_separable else "as if it were progressive, so that it may show combs"
        notes.append(f"the video is interlaced ({video.field_order}): a mouth is drawn once a frame, {how}")
    if stream.metadata.get("alpha_mode") == "1" and not layout.alpha:
        notes.append("the opacity of the source (VP9 alpha) is not read; the result is opaque")
    if video.dynamic_hdr:
        notes.append(f"{' and '.join(video.dynamic_hdr)} metadata fit the source's pictures only and are left out")
    return tuple(notes)


def read_colour_tags(frame: Any, context: Any) -> ColourTags:
    """Return the colour tags of a frame, those of its stream where the frame has none.

    Args:
        frame: A decoded ``av.VideoFrame``.
        context: The codec context of its stream.
    """

    def pick(value: int, fallback: int, none: int) -> int:
        return int(value) if int(value) != none else int(fallback)

    pix_fmt = frame.format.name
    color_range = pick(frame.color_range, context.color_range, RANGE_UNSPECIFIED)
    layout = plane_layout(planar_equivalent(pix_fmt))
    is_yuv = layout is not None and layout.kind == "yuv"
    is_jpeg = pix_fmt.startswith("yuvj")
    return ColourTags.from_raw(
        color_range,
        pick(frame.colorspace, context.colorspace, UNSPECIFIED),
        pick(frame.color_primaries, context.color_primaries, UNSPECIFIED),
        pick(frame.color_trc, context.color_trc, UNSPECIFIED),
        full_range=color_range == RANGE_FULL or is_jpeg or (not is_yuv and color_range != RANGE_LIMITED),
        chroma_place=_read_chroma_place(frame, context, layout),
    )


def _read_chroma_place(frame: Any, context: Any, layout: PlaneLayout | None) -> str:
    """Return where the chroma samples of a frame lie; "unspecified" if there is nothing to say."""
    if layout is None or layout.kind != "yuv" or layout.step == (1, 1):
        return CHROMA_PLACE_UNKNOWN
    if frame.format.name.startswith("yuvj") and context.name in ("mjpeg", "webp"):
        return CHROMA_PLACE_CENTRE
    place = read_frame_tags(frame).chroma_place
    return place if layout.step[1] > 1 else _ROW_PLACES.get(place, place)


def _audio_facts(path: Path, number: int) -> AudioFacts:
    with open_media(path) as container:
        stream = container.streams[number]
        start: Fraction | None = None
        frame = next(decode_sound_frames(container, stream), None)
        if frame is not None:
            if frame.pts is not None:
                start = frame.pts * frame.time_base
            else:
                start = Fraction(stream.start_time or 0) * stream.time_base
        context = stream.codec_context
        layout = context.layout if context is not None else None
        return AudioFacts(
            index=stream.index,
            codec=codec_name(stream),
            rate=(context.sample_rate or 0) if context is not None else 0,
            channels=layout.nb_channels if layout is not None else 0,
            layout=layout.name if layout is not None else "",
            start_time=start,
            duration=stream.duration * stream.time_base if stream.duration else None,
            language=stream.metadata.get("language"),
            metadata=dict(stream.metadata),
            roles=read_roles(stream),
        )
