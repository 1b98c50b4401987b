"""Encoding pictures into independent pieces ("segments") that are later joined without encoding again."""

from __future__ import annotations

import json
import os
import secrets
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from lipdub.errors import EnvironmentFailure, UsageError, wrap_os_error
from lipdub.media.colour import UNSPECIFIED, ColourTags, default_matrix
from lipdub.media.containers import Encoder, choose_encoder, container_for, encoder_input_format
from lipdub.media.pixel_formats import plane_layout
from lipdub.media.pixels import Picture
from lipdub.parallel import map_ordered

if TYPE_CHECKING:
    from collections.abc import Iterable

    from lipdub.media.probe import VideoFacts

SEGMENT_NOTE_KEY = "lipdub"  # metadata key under which a segment says what it is
# Qualities that look alike to x264's CRF 18, and presets that keep pace with its "medium".
_CRF = {"h264": 18, "hevc": 20, "vp9": 24, "av1": 24}
# H.264: "faster" costs 4 % more bytes and 0.0005 of SSIM than "medium" at the same CRF, and a third less time.
_PRESET = {"h264": "faster", "hevc": "veryfast", "vp9": "4", "av1": "9"}
_CRF_RANGE = {"h264": 51, "hevc": 51, "vp9": 63, "av1": 63}


@dataclass(frozen=True)
class VideoCodec:
    """How a result's picture is encoded.

    ``codec`` 'auto' keeps the source's family where the container holds it; or h264, hevc, vp9, av1, prores,
    ffv1. ``crf`` None is the family's own value that looks like x264's 18. ``preset`` is the encoder's word for
    its speed. ``lossless`` keeps every sample. ``container`` is the ending of the result (".mp4"), which
    decides what may be used.
    """

    codec: str = "auto"
    crf: int | None = None
    preset: str | None = None
    lossless: bool = False
    container: str = ".mp4"


@dataclass(frozen=True)
class EncoderPlan:
    """What a :class:`VideoCodec` comes to for a source: the encoder, its options, and the colour tags the
    result has (the source's own unless the pixel format has to change).
    """

    encoder: Encoder
    options: dict[str, str]
    colour: ColourTags
    exact: bool

    @property
    def notes(self) -> list[str]:
        """Remarks for the person."""
        if not self.encoder.converts:
            return []
        return [f"{self.encoder.name} does not take the source's pixel format, encoded as {self.encoder.pix_fmt}"]


def plan_encoder(facts: VideoFacts, codec: VideoCodec) -> EncoderPlan:
    """The encoder for a source; :class:`UsageError` for a codec, container, preset or CRF that does not fit.
    Cheap: call it before any heavy work.
    """
    container = container_for(codec.container)
    encoder = choose_encoder(
        codec.codec,
        container,
        facts.codec,
        facts.planar,
        facts.coded_width,
        facts.coded_height,
        lossless=codec.lossless,
        is_image=facts.is_image,
    )
    # Reordered frames and uneven times do not go together: containers store how long a frame lasts in decoding
    # order, so the last one's would be lost. AVI has no frame times at all.
    options = _options(encoder, codec, facts, reorder=container.timed and not facts.variable)
    colour = facts.colour
    if encoder.converts:
        colour = _converted_colour(facts, encoder.pix_fmt)
    return EncoderPlan(encoder, options, colour, codec.lossless and not encoder.converts)


def _options(encoder: Encoder, codec: VideoCodec, facts: VideoFacts, *, reorder: bool) -> dict[str, str]:
    family = encoder.family
    top = _CRF_RANGE.get(family)
    crf = _CRF.get(family) if codec.crf is None else codec.crf
    if codec.crf is not None and (top is None or not 0 <= codec.crf <= top):
        wanted = f"from 0 to {top}" if top is not None else "not used by it"
        raise UsageError(f"the CRF of {family} is {wanted}, not {codec.crf}")
    preset = codec.preset or _PRESET.get(family, "")
    options: dict[str, str] = {}
    if family == "h264":
        options["preset"] = preset
        options.update({"qp": "0"} if codec.lossless else {"crf": str(crf)})
        if not codec.lossless and _x264_reads_beyond(facts.coded_width):
            options["x264-params"] = f"asm={_X264_ASM}"
        if not reorder:
            options["bf"] = "0"
    elif family == "hevc":
        options["preset"] = preset
        # Closed groups: each segment stands alone.
        params = ["log-level=error", "open-gop=0"]
        if not reorder:
            params.append("bframes=0")
        if codec.lossless:
            params.append("lossless=1")
        else:
            options["crf"] = str(crf)
        options["x265-params"] = ":".join(params)
    elif family == "vp9":
        options.update({"deadline": "good", "cpu-used": preset, "row-mt": "1"})
        options.update({"lossless": "1"} if codec.lossless else {"crf": str(crf)})
        if facts.planar.startswith("yuva"):
            options["auto-alt-ref"] = "0"  # libvpx cannot hide frames in a stream with opacity
    elif family == "av1":
        options.update({"preset": preset, "crf": str(crf)})
    elif family == "prores":
        options.update({"profile": _prores_profile(facts, encoder.pix_fmt), "vendor": "apl0"})
    elif family == "ffv1":
        options.update({"level": "3", "slicecrc": "1"})
    if codec.preset is not None:
        _check_preset(family, codec.preset)
    return options


# What x264 may use of a processor that has AVX-512, but for that: 12 % slower.
_X264_ASM = "AVX2,FMA3,BMI1,BMI2,LZCNT"
_AVX512 = 256  # OpenCV's number for what x264 calls AVX512


def _x264_reads_beyond(width: int) -> bool:
    """Whether x264 would decide by whatever lies in memory: with AVX-512 its macroblock tree (core 165) reads past the
    last macroblock of a row, unless there are a multiple of eight. The same pictures then gave other bytes in every run.
    """
    import cv2

    return -(-width // 16) % 8 != 0 and cv2.checkHardwareSupport(_AVX512)


_X26_PRESETS = (
    "ultrafast",
    "superfast",
    "veryfast",
    "faster",
    "fast",
    "medium",
    "slow",
    "slower",
    "veryslow",
    "placebo",
)


def _check_preset(family: str, preset: str) -> None:
    allowed = {
        "h264": _X26_PRESETS,
        "hevc": _X26_PRESETS,
        "vp9": tuple(str(n) for n in range(-8, 9)),
        "av1": tuple(str(n) for n in range(-1, 14)),
    }.get(family)
    if allowed is None:
        raise UsageError(f"{family} has no presets")
    if preset not in allowed:
        raise UsageError(f"{family} has no preset {preset!r}", hint=f"Choose one of {', '.join(allowed)}.")


def _prores_profile(facts: VideoFacts, pix_fmt: str) -> str:
    known = {"proxy": "0", "lt": "1", "standard": "2", "hq": "3", "4444": "4", "xq": "5", "4444 xq": "5"}
    full = "444" in pix_fmt
    own = known.get((facts.profile or "").lower().removeprefix("apple prores ")) if facts.codec == "prores" else None
    if own is not None and (own in "45") == full:
        return own
    return "4" if full else "3"


def _converted_colour(facts: VideoFacts, pix_fmt: str) -> ColourTags:
    """Tags once the pixel format has changed: of the same kind nothing does; RGB becomes limited-range YUV
    with the matrix of its size.
    """
    layout = plane_layout(pix_fmt)
    own = plane_layout(facts.planar)
    assert layout is not None and own is not None
    tags = facts.colour
    if layout.kind == own.kind:
        return replace(tags, centred_chroma=tags.centred_chroma and layout.step == own.step)
    if layout.kind == "yuv":
        matrix = (
            tags.matrix_raw if tags.matrix_raw not in (0, UNSPECIFIED) else default_matrix(facts.width, facts.height)
        )
        return ColourTags.from_raw(1, matrix, tags.primaries_raw, tags.transfer_raw)
    return ColourTags.from_raw(2, 0, tags.primaries_raw, tags.transfer_raw)


def write_segment(
    path: Path, frames: Iterable[tuple[Picture, int]], facts: VideoFacts, codec: VideoCodec, threads: int = 0
) -> int:
    """Encode pictures, each with its PTS (rising, in ``facts.time_base``), into one piece; returns their count.

    The piece stands alone (it begins with a key frame and refers to nothing outside) and is renamed into place
    when complete: ``path`` is absent or whole. Pixel format, colour tags, sample aspect and time base are the
    source's, turned sources are stored turned as they were. The same pictures and options give the same bytes.
    Raises :class:`UsageError` for options that do not fit, :class:`EnvironmentFailure` when it cannot be written.
    """
    import av

    plan = plan_encoder(facts, codec)
    path = Path(path)
    part = path.with_name(f".{path.name}.{secrets.token_hex(4)}.part")
    try:
        count = _encode(part, frames, facts, plan, threads)
        os.replace(part, path)
        return count
    except av.error.FFmpegError as error:
        raise wrap_os_error(OSError(error.errno, error.strerror), path, "write") from error
    except OSError as error:
        raise wrap_os_error(error, path, "write") from error
    finally:
        with suppress(OSError):
            part.unlink()


def _encode(
    part: Path, frames: Iterable[tuple[Picture, int]], facts: VideoFacts, plan: EncoderPlan, threads: int
) -> int:
    import av

    # The AV1 encoder writes its own notes to stderr unless told not to, before it is first used.
    os.environ.setdefault("SVT_LOG", "1")
    encoder = plan.encoder
    fed = encoder_input_format(encoder.name, encoder.pix_fmt)
    container = None
    count = 0
    first = 0

    def made(item: tuple[Picture, int]) -> tuple[Any, int]:
        return _frame(item[0], encoder, plan.colour, fed), item[1]

    try:
        for frame, pts in map_ordered(made, frames, 1):
            if container is None:
                first = pts
                container = av.open(str(part), "w", **_segment_format(encoder.family, facts.time_base))
                stream = _stream(container, facts, plan, fed, threads)
                container.metadata[SEGMENT_NOTE_KEY] = _note(facts, plan, first)
            frame.pts = pts - first
            frame.time_base = facts.time_base
            for packet in stream.encode(frame):
                container.mux(packet)
            count += 1
        if container is None:
            raise ValueError("a segment needs one frame at least")
        for packet in stream.encode(None):
            container.mux(packet)
    finally:
        if container is not None:
            container.close()
    return count


def _segment_format(family: str, base: Fraction) -> dict[str, Any]:
    """NUT keeps any time exactly and takes nearly any codec; ProRes, which it does not take, has no reordered
    frames to be confused about in MOV.
    """
    if family != "prores":
        return {"format": "nut"}
    options = {"video_track_timescale": str(base.denominator), "movflags": "use_metadata_tags"}
    return {"format": "mov", "options": options}


def _stream(container: Any, facts: VideoFacts, plan: EncoderPlan, fed: str, threads: int) -> Any:
    import av

    rate = Fraction(facts.average_rate).limit_denominator(100_000)
    rate = min(max(rate, Fraction(1)), Fraction(1000))
    stream = container.add_stream(plan.encoder.name, rate=rate, options=plan.options)
    context = stream.codec_context
    context.width, context.height = facts.coded_width, facts.coded_height
    context.pix_fmt = fed
    context.time_base = facts.time_base
    context.bit_rate = 0
    if facts.sample_aspect:
        context.sample_aspect_ratio = facts.sample_aspect
    colour = plan.colour
    context.color_range = _range_tag(plan)
    context.colorspace = colour.matrix_raw
    context.color_primaries = colour.primaries_raw
    context.color_trc = colour.transfer_raw
    context.thread_count = threads
    context.thread_type = "AUTO"
    context.flags |= int(av.codec.context.Flags.global_header)
    try:
        context.open()
    except av.error.FFmpegError as error:
        raise EnvironmentFailure(f"the encoder {plan.encoder.name} does not start: {error.strerror}") from error
    return stream


def _range_tag(plan: EncoderPlan) -> int:
    """The range to tag: full where it holds (yuvj formats have no tag of their own), else the source's."""
    layout = plane_layout(plan.encoder.pix_fmt)
    assert layout is not None
    if plan.colour.full_range and layout.kind != "rgb":
        return 2
    return plan.colour.range_raw


def _note(facts: VideoFacts, plan: EncoderPlan, first: int) -> str:
    """What joining needs and the stream itself may not tell."""
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
        }
    )


def _frame(picture: Picture, encoder: Encoder, colour: ColourTags, fed: str) -> Any:
    import av

    if picture.pix_fmt != encoder.pix_fmt:
        picture = picture.converted(encoder.pix_fmt, colour)
    layout = plane_layout(fed)
    if layout is not None:
        frame = replace(picture, layout=layout).to_frame()
    else:
        green, blue, red = picture.coded[:3]
        opacity = picture.coded[3:] or (np.zeros_like(green),)
        order = [red, green, blue] if fed == "rgb24" else [blue, green, red, *opacity]
        frame = av.VideoFrame.from_ndarray(np.dstack(order), format="bgra" if fed == "bgr0" else fed)
        if fed == "bgr0":
            frame = frame.reformat(format="bgr0")
    frame.pict_type = 0
    return frame
