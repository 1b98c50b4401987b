"""Joining encoded segments into one video without encoding again."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import InputError, UsageError, printable
from lipdub.media.captions import CAPTION_FAMILIES, Captions, add_captions, read_captions
from lipdub.media.demux import absolute_path, open_media
from lipdub.media.frame_index import read_frame_index
from lipdub.media.frame_tags import FIELD_ORDER_NUMBERS, PROGRESSIVE
from lipdub.media.hdr import NO_HDR, HdrMetadata
from lipdub.media.mov_boxes import add_sample_entry_boxes
from lipdub.media.write import SEGMENT_NOTE_KEY

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from lipdub.arrays import I64
    from lipdub.media.containers import Container
    from lipdub.media.probe import MediaFacts

# Formats whose clock has no zero of its own: their results begin at zero.
_FREE_CLOCKS = {"mpegts", "mpeg", "vob", "rtp", "rtsp"}
# File formats for the joined video that store any time exactly: NUT, or MOV and MP4 with the source's time scale.
_JOINED_SUFFIX = {"prores": ".mov", "ffv1": ".nut"}
_DEFAULT_JOINED_SUFFIX = ".mp4"


@dataclass(frozen=True)
class SegmentNote:
    """The facts that joining needs of a segment.

    Attributes:
        first: PTS of the first frame, in ``time_base``.
        time_base: Seconds per tick.
        colour: Fields of :class:`~lipdub.media.colour.ColourTags`.
        rotation: Degrees to turn counterclockwise for display.
        mirrored: Whether a left to right flip follows the turn.
        codec: Codec family.
        aspect: Width of a sample divided by its height; None if unknown.
        field_order: Which field is coded first, or "progressive".
        hdr: Static metadata of HDR10.
    """

    first: int
    time_base: Fraction
    colour: dict[str, Any]
    rotation: int
    mirrored: bool
    codec: str
    aspect: Fraction | None
    field_order: str = PROGRESSIVE
    hdr: HdrMetadata = NO_HDR

    @property
    def is_rotated(self) -> bool:
        """Whether frames are stored in another orientation than shown."""
        return bool(self.rotation or self.mirrored)


_MAX_EVEN_RATE = 120  # frames per second of an even clock, unless frames are shown faster


@dataclass(frozen=True)
class JoinedVideo:
    """The joined video, in a file whose times begin at zero.

    Attributes:
        path: The file.
        note: The facts of the first segment.
        first: When the first frame is shown in the result, in ticks.
        end: When the last frame stops being shown in the result, in ticks.
        shift: Ticks taken off the source's clock.
        size: Columns and rows as stored.
        even_rate: Frames per second of an even clock that shows every frame in time, for containers without times.
        is_even: Whether that clock shows every frame at its very time.
    """

    path: Path
    note: SegmentNote
    first: int
    end: int
    shift: int
    size: tuple[int, int]
    even_rate: Fraction = Fraction(1)
    is_even: bool = True

    @property
    def time_base(self) -> Fraction:
        """Seconds per tick."""
        return self.note.time_base

    @property
    def first_time(self) -> Fraction:
        """When the first frame is shown in the result, in seconds."""
        return self.first * self.time_base

    @property
    def shift_time(self) -> Fraction:
        """Seconds taken off the source's clock."""
        return self.shift * self.time_base


def read_segment_note(path: Path, container: Any) -> SegmentNote:
    """Read the facts of a segment.

    Args:
        path: The file.
        container: The same, opened by PyAV.

    Raises:
        InputError: The file is not a segment.
    """
    try:
        note = json.loads(container.metadata[SEGMENT_NOTE_KEY])
        return SegmentNote(
            first=note["first"],
            time_base=Fraction(note["time_base"]),
            colour=note["colour"],
            rotation=note["rotation"],
            mirrored=note["mirrored"],
            codec=note["codec"],
            aspect=None if note["aspect"] is None else Fraction(note["aspect"]),
            field_order=note["field_order"],
            hdr=HdrMetadata.from_json(note["hdr"]),
        )
    except (KeyError, ValueError, TypeError):
        raise InputError(f"{printable(path)} is not a segment written by lipdub") from None


def join_segments(
    segments: Sequence[Path], folder: Path, container: Container, facts: MediaFacts, last_duration: int | None
) -> JoinedVideo:
    """Join the packets of segments in a new file of a folder.

    PTS are exact. DTS rise and are never later than PTS.

    Args:
        segments: The segments; their order does not matter for the times.
        folder: Where the file is written.
        container: The result's container.
        facts: The source.
        last_duration: Ticks the last frame is shown; by default as in the source, or like most other frames.

    Raises:
        InputError: The segments overlap in time or were encoded in different ways.
        UsageError: The container does not hold their codec.
    """
    if not segments:
        raise ValueError("there are no segments to join")
    parts = [_read_segment(path) for path in segments]
    notes = [part.note for part in parts]
    note = notes[0]
    _check_segments(notes, container)
    base = note.time_base
    delay = max(part.delay for part in parts)
    source_pts = np.sort(np.concatenate([part.pts for part in parts]))
    if (np.diff(source_pts) <= 0).any():
        raise InputError("the segments overlap in time and cannot be joined")
    last = last_duration or _last_duration(source_pts, base, facts)
    shift = _shift_to_zero(facts, container, int(source_pts[0]), base)
    first = int(source_pts[0]) - shift
    file_pts = source_pts - source_pts[0]  # demuxers misread durations in files that do not begin at zero
    durations = np.append(np.diff(source_pts), last)
    dts = np.concatenate([-int(durations[0]) * np.arange(delay, 0, -1), file_pts])[: len(source_pts)]
    path = folder / f"video{_JOINED_SUFFIX.get(note.codec, _DEFAULT_JOINED_SUFFIX)}"
    schedule = _Schedule(file_pts, dts, durations, shift + first)
    captions = read_captions(facts.path) if note.codec in CAPTION_FAMILIES else {}
    size = _copy_packets(parts, path, schedule, captions)
    if note.hdr and path.suffix != ".nut":
        add_sample_entry_boxes(path, note.hdr.to_boxes())
    end = int(source_pts[-1]) - shift + last
    return JoinedVideo(path, note, first, end, shift, size, *_find_even_rate(durations[:-1], base))


def _find_even_rate(gaps: I64, base: Fraction) -> tuple[Fraction, bool]:
    """Find the rate of an even clock for frames with gaps (n - 1,) in ticks, and whether all fall on it."""
    if len(gaps) == 0:
        return 1 / base, True
    rate = 1 / (int(np.gcd.reduce(gaps)) * base)
    if rate <= _MAX_EVEN_RATE:
        return rate, True
    return Fraction(max(_MAX_EVEN_RATE, math.ceil(1 / (int(gaps.min()) * base)))), False


def _check_segments(notes: list[SegmentNote], container: Container) -> None:
    """Check that segments fit together and into a container."""
    note = notes[0]
    if any((other.codec, other.time_base) != (note.codec, note.time_base) for other in notes):
        raise InputError("the segments were encoded in different ways and cannot be joined")
    if note.codec not in container.families:
        raise UsageError(
            f"{container.name} does not hold {note.codec} video", hint="Encode for this container, or rename OUT."
        )


@dataclass(frozen=True)
class _Segment:
    """A segment that was read once.

    Attributes:
        path: The file.
        note: Its facts.
        pts: (n,) int64 PTS of its packets in decoding order, on the source's clock.
        delay: By how many frames decoding runs ahead.
    """

    path: Path
    note: SegmentNote
    pts: I64
    delay: int


def _read_segment(path: Path) -> _Segment:
    """Read the facts and times of a segment. Raises InputError."""
    with open_media(path) as container:
        note = read_segment_note(path, container)
        stream = container.streams.video[0]
        packets = (packet.pts for packet in container.demux(stream) if packet.size)
        times = np.array([round(pts * stream.time_base / note.time_base) for pts in packets], np.int64)
    # Muxers may shift times to avoid negative ones: the first shown frame shows by how much.
    times += note.first - times.min()
    rank = np.empty(len(times), np.int64)
    rank[np.argsort(times, kind="stable")] = np.arange(len(times))
    # If DTS are the sorted PTS moved back by `delay` places, DTS <= PTS needs place - delay <= rank.
    return _Segment(path, note, times, int((np.arange(len(times)) - rank).max()))


def _last_duration(pts: I64, base: Fraction, facts: MediaFacts) -> int:
    """Return the ticks the last frame is shown: as in the source if it is the source's last, else like most."""
    assert facts.video is not None
    source = read_frame_index(facts.path)
    if base == facts.video.time_base and source.pts[-1] == pts[-1]:
        return int(source.duration[-1])
    if len(pts) > 1:
        return int(np.median(np.diff(pts)))
    return max(1, int(source.duration[-1] * source.time_base / base))


def _shift_to_zero(facts: MediaFacts, container: Container, first: int, base: Fraction) -> int:
    """Return the ticks to take off every time.

    Results begin at zero if the container has no start times or the source's clock has no zero of its own. No
    time is negative.
    """
    if not container.timed:
        return first
    if set(facts.format.split(",")) & _FREE_CLOCKS:
        return min(first, int(facts.start_time / base))
    return min(0, first)


@dataclass(frozen=True)
class _Schedule:
    """When packets are decoded and shown in the joined file, in ticks.

    Attributes:
        pts: (n,) int64, when each frame is shown, in presentation order; begins at zero.
        dts: (n,) int64, when each packet is decoded, in decoding order.
        durations: (n,) int64, how long each frame is shown, in presentation order.
        origin: The source's PTS of the first frame.
    """

    pts: I64
    dts: I64
    durations: I64
    origin: int


def _copy_packets(segments: Sequence[_Segment], path: Path, schedule: _Schedule, captions: Captions) -> tuple[int, int]:
    """Write the packets of segments to a file and return columns and rows of its frames.

    Args:
        segments: The segments.
        path: The file.
        schedule: When packets are decoded and shown.
        captions: The captions of the source's frames.
    """
    import av

    note = segments[0].note
    base = note.time_base
    scale = str(base.denominator)
    options = {} if path.suffix == ".nut" else {"video_track_timescale": scale, "movie_timescale": scale}
    size = (0, 0)
    with av.open(str(absolute_path(path)), "w", options=options) as file:
        stream = None
        number = 0
        for segment in segments:
            with open_media(segment.path) as container:
                template = container.streams.video[0]
                if stream is None:
                    stream = _add_stream(file, template, note)
                    size = (template.codec_context.width, template.codec_context.height)
                packets = (packet for packet in container.demux(template) if packet.size)
                for packet, source_pts in zip(packets, segment.pts.tolist(), strict=True):
                    copy = _add_captions(packet, captions.get(source_pts), note.codec)
                    pts = source_pts - schedule.origin
                    copy.stream = stream
                    copy.time_base = base
                    copy.pts, copy.dts = pts, int(schedule.dts[number])
                    copy.duration = int(schedule.durations[np.searchsorted(schedule.pts, pts)])
                    file.mux_one(copy)
                    number += 1
    return size


def _add_stream(file: Any, template: Any, note: SegmentNote) -> Any:
    """Add the stream of segments to a file and return it."""
    stream = file.add_stream_from_template(template, opaque=True)
    stream.time_base = note.time_base
    if note.codec == "prores":
        # The muxer would take the tag of 422 HQ for every flavour.
        stream.codec_context.codec_tag = template.codec_context.codec_tag
    if note.field_order != PROGRESSIVE:
        stream.codec_context.field_order = FIELD_ORDER_NUMBERS[note.field_order]
    if note.is_rotated:
        stream.set_display_rotation(float(note.rotation), hflip=note.mirrored)
    return stream


def _add_captions(packet: Any, captions: list[bytes] | None, family: str) -> Any:
    """Return a packet with the captions of its frame; times and stream are the caller's."""
    import av

    if not captions:
        return packet
    copy = av.Packet(add_captions(bytes(packet), captions, family))
    copy.is_keyframe = packet.is_keyframe
    return copy
