"""What a file holds, as far as two files can be compared: streams, tags, side data, chapters."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.media.cover_pictures import PICTURE_CODECS, find_picture_codec
from lipdub.media.demux import (
    absolute_path,
    codec_name,
    decode_frames,
    is_image_container,
    open_media,
    select_video_stream,
)
from lipdub.media.languages import UNDETERMINED
from lipdub.media.mov_tracks import read_mov_tracks
from lipdub.media.orientation import NAMED_PROFILE_DECODERS, read_frame_turn
from lipdub.media.pixel_formats import name_format, planar_equivalent, plane_layout
from lipdub.media.probe import (
    find_field_order,
    read_chapters,
    read_codec_tag,
    read_colour_tags,
    read_metadata,
    read_roles,
)

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lipdub.arrays import U8
    from lipdub.media.colour import ColourTags
    from lipdub.media.mov_tracks import MovTrack
    from lipdub.media.probe import Chapter

_ANGLE_DIGITS = 1  # digits of a turn in degrees
_FRAMES = 2  # how many of the first frames are searched for side data
_THUMBNAIL_SIZE = 16  # columns and rows
_DEFAULT_SERVICE = "Service01"  # the name FFmpeg gives a program without one
_PROBE_TIMEOUT = 30  # seconds
# What encoders say of themselves in the user data of a picture, by its UUID: x264, x265.
_ENCODER_USER_DATA = (
    bytes.fromhex("dc45e9bde6d948b7962cd820d923eeef"),
    bytes.fromhex("2ca2de09b51747dbbb55a4fe7fc2fc4e"),
)
_UUID_BYTES = 16
_GOP_TIME_BITS = 0b0_11111_111111_0_111111_111111  # hours, minutes, seconds and pictures of a GOP's time code


@dataclass(frozen=True, eq=False)
class PictureContents:
    """The picture of a file.

    Attributes:
        codec: Name of the codec.
        tag: The container's tag of the codec.
        pix_fmt: Planar pixel format.
        format_name: What people call the pixel format as it is in the file.
        size: Columns and rows as stored.
        first_time: When the first frame is shown, in seconds.
        aspect: Width of a sample divided by its height; 1 if unknown.
        rotation: Degrees to turn counterclockwise for display.
        mirrored: Whether a left to right flip follows the turn.
        colour: What the code values mean.
        field_order: "progressive", or which field of an interlaced frame is shown first.
        thumbnail: (16, 16) uint8, the first frame as stored, in shades of grey.
        side_data: FFmpeg's names of what the first frames carry beside the picture.
        is_image: Whether the file is a still picture.
    """

    codec: str
    tag: str
    pix_fmt: str
    format_name: str
    size: tuple[int, int]
    first_time: Fraction
    aspect: Fraction
    rotation: float
    mirrored: bool
    colour: ColourTags
    field_order: str
    thumbnail: U8
    side_data: frozenset[str]
    is_image: bool


@dataclass(frozen=True)
class StreamContents:
    """A stream.

    Attributes:
        index: Number of the stream in the file.
        kind: FFmpeg's name of the kind of stream.
        codec: Name of the codec, or its tag in the container; empty if it has neither.
        metadata: Metadata of the stream.
        dispositions: FFmpeg's names of the stream's roles ("forced").
        chapters: Whether it holds the titles or pictures of chapters.
        rate: Samples per second; 0 for what is not sound.
        channels: Channels of sound.
    """

    index: int
    kind: str
    codec: str
    metadata: dict[str, str] = field(default_factory=dict)
    dispositions: frozenset[str] = frozenset()
    chapters: bool = False
    rate: int = 0
    channels: int = 0

    @property
    def language(self) -> str:
        """Language tag; empty if it has none."""
        tag = self.metadata.get("language", UNDETERMINED)
        return "" if tag == UNDETERMINED else tag

    @property
    def title(self) -> str:
        """Title, which MOV and MP4 call the name; empty if it has none."""
        return self.metadata.get("title") or self.metadata.get("name") or self.metadata.get("filename") or ""

    @property
    def is_cover(self) -> bool:
        """Whether it is a cover picture, or an attached file that may become one."""
        return "attached_pic" in self.dispositions or (self.kind == "attachment" and self.codec in PICTURE_CODECS)


@dataclass(frozen=True)
class Contents:
    """A file.

    Attributes:
        format: FFmpeg's name of the container format.
        picture: The picture; None if there is none.
        picture_stream: The picture's stream; None if there is none.
        streams: All other streams.
        metadata: Metadata of the file.
        chapters: The chapters.
        programs: Names of the programs, if there is more than one or one has a name of its own.
    """

    format: str
    picture: PictureContents | None
    picture_stream: StreamContents | None
    streams: tuple[StreamContents, ...]
    metadata: dict[str, str]
    chapters: tuple[Chapter, ...]
    programs: tuple[str, ...] = ()


def read_contents(path: Path | str) -> Contents:
    """Read what a file holds. Only the first frames are decoded.

    Raises:
        InputError: The file cannot be read.
    """
    place = absolute_path(path)
    with open_media(place) as container:
        video = select_video_stream(container)
        frames = list(islice(decode_frames(container, video), _FRAMES)) if video is not None else []
        picture = _read_picture(container, video, frames) if frames else None
        tracks = read_mov_tracks(place) if "mov" in container.format.name else []
        streams = {stream.index: _read_stream(stream, tracks) for stream in container.streams}
        picture_stream = streams.pop(video.index) if video is not None else None
        return Contents(
            format=container.format.name,
            picture=picture,
            picture_stream=picture_stream,
            streams=tuple(streams.values()),
            metadata=read_metadata(container),
            chapters=read_chapters(container),
            programs=_read_programs(place) if container.format.name == "mpegts" else (),
        )


def _read_picture(container: Any, stream: Any, frames: Sequence[Any]) -> PictureContents:
    context, frame = stream.codec_context, frames[0]
    turn = read_frame_turn(frame, context.name)
    # The frame of a stream of one frame may have no time base of its own.
    time = frame.pts * (frame.time_base or stream.time_base) if frame.pts is not None else Fraction(0)
    return PictureContents(
        codec=codec_name(stream),
        tag=read_codec_tag(stream),
        pix_fmt=planar_equivalent(frame.format.name).replace("yuvj", "yuv"),
        format_name=name_format(codec_name(stream), frame.format.name),
        size=(frame.width, frame.height),
        first_time=Fraction(0) if container.format.name == "avi" else time,  # AVI has no start times
        aspect=Fraction(stream.sample_aspect_ratio or 1),
        rotation=round(turn.degrees, _ANGLE_DIGITS) % 360,
        mirrored=turn.mirrored,
        colour=read_colour_tags(frame, context),
        field_order=find_field_order(frames, context),
        thumbnail=_draw_thumbnail(frame),
        side_data=frozenset[str]().union(*(_side_data_names(frame, context.name) for frame in frames)),
        is_image=is_image_container(container),
    )


def _draw_thumbnail(frame: Any) -> U8:
    """Return a frame in small and grey; black for rare pixel formats, which FFmpeg's scaler may not survive."""
    if plane_layout(frame.format.name) is None:
        return np.zeros((_THUMBNAIL_SIZE, _THUMBNAIL_SIZE), np.uint8)
    thumbnail: U8 = frame.reformat(_THUMBNAIL_SIZE, _THUMBNAIL_SIZE, "gray").to_ndarray()
    return thumbnail


def _side_data_names(frame: Any, decoder: str) -> set[str]:
    """Return the names of a frame's side data; the user data of encoders does not count."""
    if decoder in NAMED_PROFILE_DECODERS:
        return set()
    try:
        items = [frame.side_data[number] for number in range(len(frame.side_data))]
    except ValueError:  # PyAV does not know one of the kinds
        return set()
    return {item.type.name for item in items if not _is_said_by_every_encoder(item)}


def _is_said_by_every_encoder(item: Any) -> bool:
    """Whether side data holds only what the encoder says of itself, or a time code of zero."""
    if item.type.name == "SEI_UNREGISTERED":
        return bytes(item)[:_UUID_BYTES] in _ENCODER_USER_DATA
    return item.type.name == "GOP_TIMECODE" and not int.from_bytes(bytes(item), sys.byteorder) & _GOP_TIME_BITS


def _read_stream(stream: Any, tracks: Sequence[MovTrack]) -> StreamContents:
    context = stream.codec_context
    tag = next((track.tag for track in tracks if track.number == stream.id), "")
    if stream.type == "attachment":
        tag = find_picture_codec(stream.data or b"") or tag
    is_sound = stream.type == "audio" and context is not None
    return StreamContents(
        index=stream.index,
        kind=stream.type,
        codec=codec_name(stream) if context is not None else tag,
        metadata=dict(stream.metadata),
        dispositions=frozenset(read_roles(stream)),
        chapters=any(stream.id in track.chapter_tracks for track in tracks),
        rate=(context.sample_rate or 0) if is_sound else 0,
        channels=context.layout.nb_channels if is_sound else 0,
    )


def _read_programs(path: Path) -> tuple[str, ...]:
    """Return the names of a transport stream's programs, which PyAV does not tell."""
    from lipdub.media.ffmpeg import find_ffmpeg

    command = [find_ffmpeg(), "-nostdin", "-hide_banner", "-i", str(path)]
    try:
        output = subprocess.run(command, capture_output=True, timeout=_PROBE_TIMEOUT, check=False).stderr
    except (OSError, subprocess.TimeoutExpired):
        return ()
    parts = re.split(r"^  Program \d+ *", output.decode("utf-8", "replace"), flags=re.MULTILINE)[1:]
    found = [re.search(r"^ +service_name *: (.*)$", part, flags=re.MULTILINE) for part in parts]
    names = tuple(match.group(1) if match else "" for match in found)
    is_plain = len(names) < 2 and set(names) <= {"", _DEFAULT_SERVICE}
    return () if is_plain else names
