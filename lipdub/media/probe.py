"""What a media file holds: streams, the exact times of its frames, colour tags, metadata."""

from __future__ import annotations

import os
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError, os_failure, shown
from lipdub.media.pixels import ColourTags, planar_equivalent, plane_layout

if TYPE_CHECKING:
    from collections.abc import Iterator

IMAGE_RATE = Fraction(25)  # frame rate given to still images
_IMAGE_FORMATS = {
    "image2",
    "png_pipe",
    "jpeg_pipe",
    "mjpeg_pipe",
    "webp_pipe",
    "bmp_pipe",
    "tiff_pipe",
    "jpegxl_pipe",
    "ppm_pipe",
    "pgm_pipe",
    "gif_pipe",
    "j2k_pipe",
    "tga_pipe",
    "dpx_pipe",
    "exr_pipe",
    "avif",
    "heif",
}
# In these containers each packet of these codecs is one shown frame with its own time, so frames can be
# listed without decoding. Anything else is decoded once to list them.
_EXACT_FORMATS = ("mov,mp4,m4a,3gp,3g2,mj2", "matroska,webm", "nut")
_EXACT_CODECS = {
    "h264",
    "hevc",
    "vp9",
    "av1",
    "prores",
    "ffv1",
    "mjpeg",
    "png",
    "mpeg4",
    "dnxhd",
    "vvc",
    "qtrle",
    "rawvideo",
    "utvideo",
    "huffyuv",
    "ffvhuff",
    "cfhd",
    "apv",
}


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


def check_readable(path: Path | str) -> Path:
    """``path`` made absolute; :class:`InputError` if it is missing, a directory, empty or not readable."""
    place = Path(os.path.abspath(path))
    try:
        if place.is_dir():
            raise InputError(f"{shown(path)} is a folder, not a media file")
        if not place.exists():
            raise InputError(f"there is no file {shown(path)}")
        with place.open("rb") as file:
            if place.is_file() and not file.read(1):
                raise InputError(f"{shown(path)} is empty (0 bytes)")
    except PermissionError as error:
        raise InputError(f"no permission to read {shown(path)}") from error
    except OSError as error:
        raise os_failure(error, path, "read") from error
    return place


@contextmanager
def opened(path: Path | str) -> Iterator[Any]:
    """The file as a PyAV input container; what cannot be opened raises :class:`InputError` with the reason."""
    import av

    place = check_readable(path)
    try:
        # In the name of a picture, % would be taken for a numbered sequence: such a file is handed over open.
        if "%" in place.name and place.suffix.lower() not in (".mp4", ".mov", ".mkv", ".webm", ".avi", ".wav"):
            container = av.open(place.open("rb"), metadata_errors="replace")
        else:
            container = av.open(str(place), metadata_errors="replace")
    except (av.error.FFmpegError, ValueError) as error:
        raise InputError(f"{shown(path)} cannot be read as video or sound: {_why(place, error)}") from error
    except OSError as error:
        raise os_failure(error, path, "read") from error
    try:
        yield container
    finally:
        container.close()


def _why(path: Path, error: Exception) -> str:
    """A likelier reason than FFmpeg's "invalid data"."""
    with path.open("rb") as file:
        head = file.read(4096)
    if head[4:8] in (b"ftyp", b"mdat", b"wide", b"free", b"skip", b"moov"):
        return "the file is cut short or damaged (its index, the moov atom, is missing)"
    if not head.strip(b"\0"):
        return "it holds only zero bytes"
    if _is_text(head):
        return "it is a text file"
    return getattr(error, "strerror", None) or "unknown or damaged format"


def _is_text(head: bytes) -> bool:
    try:
        text = head.decode("utf-8", "strict") if len(head) < 4096 else head[:-4].decode("utf-8", "ignore")
    except UnicodeDecodeError:
        return False
    return all(letter.isprintable() or letter in "\r\n\t" for letter in text)


def codec_name(stream: Any) -> str:
    """The codec of a stream by its common name ("av1", whichever decoder reads it)."""
    return str(getattr(stream.codec_context.codec, "canonical_name", stream.codec_context.name))


def video_stream(container: Any) -> Any | None:
    """The stream taken for the video: the default one, else the first, cover pictures left out."""
    from av.stream import Disposition

    streams = [
        stream
        for stream in container.streams.video
        if not stream.disposition & (Disposition.attached_pic | Disposition.timed_thumbnails)
        and stream.codec_context is not None
    ]
    chosen = [stream for stream in streams if stream.disposition & Disposition.default]
    return (chosen or streams or [None])[0]


def is_image_container(container: Any) -> bool:
    """Whether the file is a still picture."""
    names = set(container.format.name.split(","))
    return bool(names & _IMAGE_FORMATS) or container.format.name.endswith("_pipe")


# -- the list of frames


@dataclass(frozen=True)
class FrameIndex:
    """Every shown frame of the video stream in presentation order.

    ``pts`` and ``duration`` are in ``time_base``; ``keys`` holds the PTS of the frames decoding can begin at.
    ``counted``: the file gives no (or no usable) times, so they were made from its rate, and reading goes by
    counting from the first frame. ``missing``: frames the container promises but which are not in the file.
    """

    pts: np.ndarray
    duration: np.ndarray
    keys: np.ndarray
    time_base: Fraction
    counted: bool = False
    missing: int = 0


def frame_index(path: Path | str) -> FrameIndex:
    """The frames of the video stream of a file (cached while the file does not change)."""
    place = check_readable(path)
    state = place.stat()
    return _frame_index(str(place), state.st_size, state.st_mtime_ns)


@lru_cache(maxsize=16)
def _frame_index(path: str, size: int, changed: int) -> FrameIndex:
    with opened(path) as container:
        stream = video_stream(container)
        if stream is None:
            raise InputError(f"{shown(path)} holds no video")
        if is_image_container(container):
            base = 1 / IMAGE_RATE
            return FrameIndex(np.zeros(1, np.int64), np.ones(1, np.int64), np.zeros(1, np.int64), base)
        exact = container.format.name in _EXACT_FORMATS and codec_name(stream) in _EXACT_CODECS
        found = _from_packets(container, stream) if exact else None
    if found is not None and _starts_with(path, int(found.pts[0])):
        return found
    return _from_frames(path)


def _from_packets(container: Any, stream: Any) -> FrameIndex | None:
    """The list from packets alone; None if they do not tell it reliably."""
    import av

    times: list[int] = []
    spans: list[int] = []
    keys: list[int] = []
    unreadable = hidden = 0
    try:
        for packet in container.demux(stream):
            if packet.size == 0:
                continue
            if packet.pts is None:
                return None
            if not keys and not packet.is_keyframe:
                unreadable += 1
                continue
            if packet.is_corrupt:
                continue
            if packet.is_keyframe:
                keys.append(packet.pts)
            if packet.is_discard:
                hidden += 1  # cut away by an edit list: there, but not shown
                continue
            times.append(packet.pts)
            spans.append(packet.duration or 0)
    except av.error.FFmpegError:
        pass  # a damaged tail: what came before counts
    if not times:
        return None
    order = np.argsort(np.array(times, np.int64), kind="stable")
    pts = np.array(times, np.int64)[order]
    # Frames shown before the first one decoding can begin at may or may not decode; doubles are no times.
    if len(pts) > 1 and (np.diff(pts) <= 0).any():
        return None
    if pts[0] < min(keys):
        return None
    missing = max(0, stream.frames - len(times) - unreadable - hidden) if stream.frames else 0
    duration = _durations(pts, np.array(spans, np.int64)[order], stream)
    return FrameIndex(pts, duration, np.unique(np.array(keys, np.int64)), stream.time_base, missing=missing)


def _durations(pts: np.ndarray, spans: np.ndarray, stream: Any) -> np.ndarray:
    """How long each frame is shown: to the next one; the last as its packet says, else like the others."""
    duration = np.empty(len(pts), np.int64)
    duration[:-1] = np.diff(pts)
    last = int(spans[-1])
    if last <= 0:
        if len(pts) > 1:
            last = int(np.median(duration[:-1]))
        else:
            rate = stream.average_rate or stream.guessed_rate or IMAGE_RATE
            last = round(1 / (rate * stream.time_base))
    duration[-1] = max(1, last)
    return duration


def _starts_with(path: str, pts: int) -> bool:
    """Whether the first frame the decoder gives is the one the list begins with."""
    with opened(path) as container:
        frame = first_frame(container, video_stream(container))
        return frame is not None and frame.pts == pts


def _from_frames(path: str) -> FrameIndex:
    """The list from decoding everything."""
    with opened(path) as container:
        stream = video_stream(container)
        assert stream is not None
        stream.thread_type = "AUTO"
        times: list[int | None] = []
        spans: list[int] = []
        keys: list[int] = []
        for frame in decoded(container, stream):
            times.append(frame.pts)
            spans.append(frame.duration or 0)
            if frame.key_frame and frame.pts is not None:
                keys.append(frame.pts)
        if not times:
            raise InputError(f"{shown(path)} holds a video stream without a single readable frame")
        base = stream.time_base or Fraction(1, 90000)
        rate = stream.average_rate or stream.guessed_rate or IMAGE_RATE
        known = [time for time in times if time is not None]
        usable = len(known) == len(times) and all(b > a for a, b in zip(known, known[1:], strict=False))
        if usable:
            pts = np.array(known, np.int64)
        else:
            step = 1 / (rate * base)
            first = known[0] if known else 0
            pts = np.array([first + round(number * step) for number in range(len(times))], np.int64)
            if len(pts) > 1 and (np.diff(pts) <= 0).any():
                base = 1 / Fraction(rate)
                pts = np.arange(len(times), dtype=np.int64)
        duration = _durations(pts, np.array(spans, np.int64), stream)
        return FrameIndex(pts, duration, np.array(keys or [int(pts[0])], np.int64), base, counted=not usable)


def decoded(container: Any, stream: Any) -> Iterator[Any]:
    """Frames of a stream in presentation order; damaged packets are passed over."""
    import av

    packets = container.demux(stream)
    while True:
        try:
            packet = next(packets)
        except (StopIteration, av.error.FFmpegError):
            packet = None
        try:
            # A packet without data (and the end of the file) empties the decoder.
            yield from stream.decode(None if packet is None or packet.size == 0 else packet)
        except av.error.EOFError:
            pass
        except av.error.FFmpegError:
            if packet is None:
                return
            continue
        if packet is None or packet.size == 0:
            return


def first_frame(container: Any, stream: Any) -> Any | None:
    """The first frame of a freshly opened container."""
    return next(decoded(container, stream), None)


def frame_pts(path: Path | str) -> np.ndarray:
    """PTS (int64, in the video stream's time base) of every frame in presentation order."""
    return frame_index(path).pts.copy()


def frame_times(path: Path | str) -> np.ndarray:
    """Seconds (float64, PTS times time base, absolute) of every frame in presentation order."""
    index = frame_index(path)
    return index.pts * float(index.time_base)


# -- the whole file


def probe(path: Path | str) -> MediaFacts:
    """Facts of a media file. A file without video has ``video`` None.

    Raises :class:`InputError` if it is missing, a folder, empty, not media, cut before its index, or holds
    neither a readable frame nor sound.
    """
    from av.stream import Disposition

    notes: list[str] = []
    with opened(path) as container:
        place = Path(os.path.abspath(path))
        stream = video_stream(container)
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
        raise InputError(f"{shown(path)} holds neither video nor sound")
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
    frame = first_frame(container, stream)
    if frame is None:
        raise InputError(f"{shown(path)} holds a video stream without a single readable frame")
    index = frame_index(path)
    context = stream.codec_context
    turns, mirrored = orientation(frame)
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
        colour=colour_tags(frame, context),
        is_image=is_image_container(container),
        bit_rate=stream.bit_rate or None,
        interlaced=bool(frame.interlaced_frame),
        missing=index.missing,
    )


def colour_tags(frame: Any, context: Any) -> ColourTags:
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


def orientation(frame: Any) -> tuple[int, bool]:
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
    with opened(path) as container:
        stream = container.streams[number]
        start: Fraction | None = None
        frame = first_frame(container, stream)
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
