"""Encoding pictures into independent segments that are later joined without encoding again."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import EnvironmentFailure, wrap_os_error
from lipdub.media.colour import (
    RANGE_FULL,
)
from lipdub.media.containers import (
    encoder_input_format,
)
from lipdub.media.demux import absolute_path
from lipdub.media.frame_tags import FIELD_ORDER_NUMBERS, PROGRESSIVE, FieldTagger
from lipdub.media.pixel_formats import plane_layout
from lipdub.media.video_encoder import plan_encoder
from lipdub.parallel import map_ordered

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from lipdub.media.pixels import Picture
    from lipdub.media.probe import VideoFacts
    from lipdub.media.video_encoder import EncoderPlan, VideoCodec

SEGMENT_NOTE_KEY = "lipdub"  # metadata key of the note a segment carries
_MIN_RATE, _MAX_RATE = Fraction(1), Fraction(1000)  # frames per second of a stream
_MAX_RATE_DENOMINATOR = 100_000


def write_segment(
    path: Path, frames: Iterable[tuple[Picture, int]], facts: VideoFacts, codec: VideoCodec, threads: int = 0
) -> int:
    """Encode pictures into one segment.

    A segment begins with a key frame and refers to nothing outside. It is renamed into place when complete:
    ``path`` is absent or whole. Pixel format, colour tags, sample aspect, rotation and time base are the
    source's. The same pictures and options give the same bytes.

    Args:
        path: The segment's file.
        frames: Pictures with their PTS, rising, in ``facts.time_base``.
        facts: The source's video stream.
        codec: The user's choice.
        threads: Threads of the encoder; 0 for its own choice.

    Returns:
        The number of frames.

    Raises:
        UsageError: The options do not fit.
        EnvironmentFailure: The segment cannot be written.
        ValueError: There are no frames.
    """
    import av

    plan = plan_encoder(facts, codec)
    path = absolute_path(path)  # FFmpeg takes what precedes a colon in a relative name for a protocol
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        count = _encode(part, frames, plan, threads)
        part.replace(path)
    except av.error.FFmpegError as error:
        raise wrap_os_error(OSError(error.errno, error.strerror), path, "write") from error
    except OSError as error:
        raise wrap_os_error(error, path, "write") from error
    else:
        return count
    finally:
        with suppress(OSError):
            part.unlink()


def _encode(part: Path, frames: Iterable[tuple[Picture, int]], plan: EncoderPlan, threads: int) -> int:
    """Encode frames into a file and return their number."""
    import av

    # The AV1 encoder reads this before its first use and writes notes to stderr without it.
    os.environ.setdefault("SVT_LOG", "1")
    facts, encoder = plan.facts, plan.encoder
    tag_fields = FieldTagger(plan.field_order) if plan.field_order != PROGRESSIVE else None
    input_format = encoder_input_format(encoder.name, encoder.pix_fmt)
    container = None
    count = 0
    first = 0

    def make_frame(item: tuple[Picture, int]) -> tuple[Any, int]:
        picture, pts = item
        return _make_frame(picture, plan, input_format), pts

    try:
        for frame, pts in map_ordered(make_frame, frames, 1):
            if container is None:
                first = pts
                container = av.open(str(absolute_path(part)), "w", **_segment_format(encoder.family, facts.time_base))
                stream = _add_stream(container, plan, input_format, threads)
                container.metadata[SEGMENT_NOTE_KEY] = _segment_note(plan, first)
            coded = tag_fields(frame) if tag_fields is not None else frame
            coded.pts = pts - first
            coded.time_base = facts.time_base
            for packet in stream.encode(coded):
                container.mux(packet)
            count += 1
        if container is None:
            raise ValueError("a segment needs at least one frame")
        for packet in stream.encode(None):
            container.mux(packet)
    finally:
        if container is not None:
            container.close()
    return count


def _segment_format(family: str, base: Fraction) -> dict[str, Any]:
    """Return how the file of a segment is opened.

    NUT stores any time exactly and holds nearly any codec. It does not hold ProRes, whose frames are never
    reordered, so that MOV stores them exactly too.
    """
    if family != "prores":
        return {"format": "nut"}
    options = {"video_track_timescale": str(base.denominator), "movflags": "use_metadata_tags"}
    return {"format": "mov", "options": options}


def _add_stream(container: Any, plan: EncoderPlan, input_format: str, threads: int) -> Any:
    """Add the video stream to an output container and start its encoder."""
    import av

    facts = plan.facts
    rate = Fraction(facts.average_rate).limit_denominator(_MAX_RATE_DENOMINATOR)
    rate = min(max(rate, _MIN_RATE), _MAX_RATE)
    stream = container.add_stream(plan.encoder.name, rate=rate, options=plan.options)
    context = stream.codec_context
    context.width, context.height = plan.size
    context.pix_fmt = input_format
    context.time_base = facts.time_base
    context.bit_rate = 0
    if facts.sample_aspect:
        context.sample_aspect_ratio = facts.sample_aspect
    colour = plan.colour
    context.color_range = _range_tag(plan)
    context.colorspace = colour.matrix_raw
    context.color_primaries = colour.primaries_raw
    context.color_trc = colour.transfer_raw
    if plan.field_order != PROGRESSIVE:
        context.field_order = FIELD_ORDER_NUMBERS[plan.field_order]
    context.thread_count = threads
    context.thread_type = "AUTO"
    context.flags |= int(av.codec.context.Flags.global_header)
    try:
        context.open()
    except av.error.FFmpegError as error:
        raise EnvironmentFailure(f"the encoder {plan.encoder.name} does not start: {error.strerror}") from error
    return stream


def _range_tag(plan: EncoderPlan) -> int:
    """Return the range to tag: full if it holds, since yuvj formats may lack the tag, else the source's."""
    layout = plane_layout(plan.encoder.pix_fmt)
    assert layout is not None
    if plan.colour.full_range and layout.kind != "rgb":
        return RANGE_FULL
    return plan.colour.range_raw


def _segment_note(plan: EncoderPlan, first: int) -> str:
    """Return the facts that joining needs and the stream may not carry, as JSON."""
    facts = plan.facts
    colour = asdict(plan.colour)
    colour["range_raw"] = _range_tag(plan)
    return json.dumps(
        {
            "first": first,
            "time_base": str(facts.time_base),
            "colour": colour,
            "rotation": facts.rotation,
            "mirrored": facts.mirrored,
            "codec": plan.encoder.family,
            "aspect": str(facts.sample_aspect) if facts.sample_aspect else None,
            "field_order": plan.field_order,
            "hdr": asdict(facts.hdr),
        }
    )


def _make_frame(picture: Picture, plan: EncoderPlan, input_format: str) -> Any:
    """Return a picture as the ``av.VideoFrame`` its encoder accepts."""
    import av

    if plan.turned:
        picture = picture.to_upright()
    if picture.pix_fmt != plan.encoder.pix_fmt:
        picture = picture.convert(plan.encoder.pix_fmt, plan.colour)
    picture = picture.trim(*plan.size)
    layout = plane_layout(input_format)
    if layout is not None:
        frame = replace(picture, layout=layout).to_frame()
    else:
        green, blue, red = picture.coded[:3]
        opacity = picture.coded[3:] or (np.zeros_like(green),)
        order = [red, green, blue] if input_format == "rgb24" else [blue, green, red, *opacity]
        packed_format = "bgra" if input_format == "bgr0" else input_format
        frame = av.VideoFrame.from_ndarray(np.dstack(order), format=packed_format)
        if input_format == "bgr0":
            frame = frame.reformat(format="bgr0")
    frame.pict_type = 0
    return frame
