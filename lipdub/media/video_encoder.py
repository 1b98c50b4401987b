"""Choosing how the picture is encoded: the encoder, its options, and what of the source it cannot keep."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from lipdub.errors import UsageError
from lipdub.media.colour import (
    CHROMA_PLACE_UNKNOWN,
    DEFAULT_CHROMA_PLACE,
    MATRIX_RGB,
    RANGE_FULL,
    RANGE_LIMITED,
    UNSPECIFIED,
    ColourTags,
    default_matrix,
)
from lipdub.media.containers import (
    Encoder,
    SourceFormat,
    choose_encoder,
    container_for,
    encoder_accepts,
)
from lipdub.media.frame_tags import FIELD_MODES, PROGRESSIVE
from lipdub.media.pixel_formats import has_opacity, name_format, plane_layout, turned_format
from lipdub.media.pixels import describe_upright

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from lipdub.media.probe import VideoFacts

_ANIMATION_CODECS = ("gif", "apng", "webp")  # animations of web pages, treated as the stills they are beside
# CRFs that look like x264's 18.
_CRF = {"h264": 18, "hevc": 20, "vp9": 24, "av1": 24}
_MAX_CRF = {"h264": 51, "hevc": 51, "vp9": 63, "av1": 63}
# Presets as fast as x264's "medium", or faster. For H.264, "faster" costs 4 % more bytes and 0.0005 of SSIM than
# "medium" at the same CRF, and a third less time.
_PRESET = {"h264": "faster", "hevc": "veryfast", "vp9": "4", "av1": "9"}
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
_PRESETS = {
    "h264": _X26_PRESETS,
    "hevc": _X26_PRESETS,
    "vp9": tuple(str(n) for n in range(-8, 9)),
    "av1": tuple(str(n) for n in range(-1, 14)),
}
# ProRes profiles by the name FFmpeg gives them, with the encoder's number.
_PRORES_PROFILES = {"proxy": "0", "lt": "1", "standard": "2", "hq": "3", "4444": "4", "xq": "5", "4444 xq": "5"}
_PRORES_HQ, _PRORES_4444 = "3", "4"
_PRORES_FULL_CHROMA = ("4", "5")
# All instruction sets of an AVX-512 processor that x264 uses, without AVX-512 itself: 12 % slower.
_X264_ASM = "AVX2,FMA3,BMI1,BMI2,LZCNT"
_CV_CPU_AVX512 = 256  # OpenCV's number of the set x264 calls AVX512
_MACROBLOCK = 16  # pixels
_AVX512_MACROBLOCKS = 8  # macroblocks of a row that x264's AVX-512 code reads at once
_FIELD_ENCODERS = ("libx264", "libx264rgb", "prores_ks", "ffv1")  # encoders that code the fields of frames


@dataclass(frozen=True)
class VideoCodec:
    """The user's options of the video encoder.

    Attributes:
        codec: h264, hevc, vp9, av1, prores, ffv1, or auto: the source's family if the container holds it.
        crf: Constant rate factor; None for the family's own value that looks like x264's 18.
        preset: The encoder's word for its speed; None for the family's default.
        lossless: Whether to keep every sample.
        container: Ending of the result (".mp4"), which limits the codecs.
    """

    codec: str = "auto"
    crf: int | None = None
    preset: str | None = None
    lossless: bool = False
    container: str = ".mp4"


@dataclass(frozen=True)
class EncoderPlan:
    """How a source is encoded.

    Attributes:
        facts: The video stream as it is stored: the source's, or upright where the container cannot tag a turn.
        encoder: The encoder.
        options: The encoder's options.
        field_order: Which field is coded first, or "progressive" for whole frames.
        turned: Whether the picture is stored upright instead of as the source has it.
        colour: Colour tags of the result: the source's own unless the pixel format changes.
        exact: Whether every sample is kept.
        size: Columns and rows of the encoded pictures.
        notes: Remarks for the person.
    """

    facts: VideoFacts
    encoder: Encoder
    options: dict[str, str]
    field_order: str
    turned: bool
    colour: ColourTags
    exact: bool
    size: tuple[int, int]
    notes: tuple[str, ...] = ()


def plan_encoder(facts: VideoFacts, codec: VideoCodec) -> EncoderPlan:
    """Plan how a source is encoded. This is cheap: call it before any heavy work.

    Args:
        facts: The source's video stream.
        codec: The user's choice.

    Raises:
        UsageError: The codec, container, preset or CRF does not fit.
    """
    container = container_for(codec.container)
    is_turned = facts.is_turned and not container.turns
    if is_turned:
        facts = _turn_upright(facts)
    is_image = facts.is_image or facts.codec in _ANIMATION_CODECS
    coded = facts.coded_width, facts.coded_height
    size = _trim_to_even(coded) if is_image and not codec.lossless else coded
    source = SourceFormat(facts.codec, facts.planar, *size, is_image, name_format(facts.codec, facts.pix_fmt))
    encoder = choose_encoder(codec.codec, container, source, lossless=codec.lossless)
    if encoder_accepts(encoder.name, encoder.pix_fmt, *coded):
        size = coded
    # Containers store how long a frame lasts in decoding order. With reordered frames and uneven times the
    # duration of the last frame would be lost. AVI has no frame times.
    reorder = container.timed and not facts.variable
    field_order = facts.field_order if _codes_fields(encoder, facts.coded_height) else PROGRESSIVE
    settings = _EncoderSettings(
        facts=facts,
        width=size[0],
        pix_fmt=encoder.pix_fmt,
        crf=str(_check_crf(encoder.family, codec.crf)),
        preset=codec.preset or _PRESET.get(encoder.family, ""),
        lossless=codec.lossless,
        reorder=reorder,
        field_order=field_order,
    )
    options = _FAMILY_OPTIONS[encoder.family](settings)
    if field_order != PROGRESSIVE:
        options["flags"] = "+ilme+ildct"
    if codec.preset is not None:
        _check_preset(encoder.family, codec.preset)
    colour = _convert_colour(facts, encoder.pix_fmt) if encoder.converts else facts.colour
    if _is_chroma_place_worth_a_tag(colour.chroma_place, encoder.pix_fmt):
        options["chroma_sample_location"] = colour.chroma_place
    return EncoderPlan(
        facts,
        encoder,
        options,
        field_order,
        is_turned,
        colour,
        exact=codec.lossless and not encoder.converts,
        size=size,
        notes=tuple(_describe_changes(facts, encoder, size, is_turned=is_turned)),
    )


def _trim_to_even(size: tuple[int, int]) -> tuple[int, int]:
    """Return a size without its last odd column and row: players show no pictures of odd sizes with 4:2:0 chroma."""
    width, height = size
    return max(width - width % 2, 1), max(height - height % 2, 1)


def _describe_changes(facts: VideoFacts, encoder: Encoder, size: tuple[int, int], *, is_turned: bool) -> Iterator[str]:
    """Yield remarks on what the encoded pictures do not keep of the source's."""
    coded = facts.coded_width, facts.coded_height
    layout = plane_layout(encoder.pix_fmt)
    assert layout is not None
    if facts.first_field != PROGRESSIVE and encoder.family != "hevc":
        yield "each field of the source is a picture of its own: the result has them as whole pictures"
    if is_turned:
        yield "the container cannot tag a turned picture: it is stored upright"
    if has_opacity(facts.codec, facts.planar) and not layout.alpha:
        yield "the source's opacity, if it has any, is left out: the result is opaque"
    if size != coded:
        yield (
            f"the picture of {coded[0]}x{coded[1]} becomes {size[0]}x{size[1]}: "
            "browsers and QuickTime want even numbers of columns and rows"
        )
    elif encoder.family == "h264" and encoder.converts and layout.step == (1, 1) and size != _trim_to_even(size):
        yield (
            f"{size[0]}x{size[1]} is an odd size, for which H.264 needs full chroma: "
            "browsers and QuickTime do not play that; scale the source to even numbers for them"
        )


def _turn_upright(facts: VideoFacts) -> VideoFacts:
    """Return the facts of the pictures stored in display orientation."""
    turns = facts.rotation // 90 % 4
    aspect = facts.sample_aspect
    planar = turned_format(facts.planar) if turns % 2 else facts.planar
    size = facts.coded_width, facts.coded_height
    pix_fmt, colour = describe_upright(facts.planar, facts.colour, size, turns, mirrored=facts.mirrored)
    if pix_fmt != planar:
        colour = replace(facts.colour, chroma_place=CHROMA_PLACE_UNKNOWN)
    return replace(
        facts,
        coded_width=facts.width,
        coded_height=facts.height,
        planar=planar,
        sample_aspect=1 / aspect if aspect and turns % 2 else aspect,
        rotation=0,
        mirrored=False,
        field_order=PROGRESSIVE,
        colour=colour,
    )


def _codes_fields(encoder: Encoder, height: int) -> bool:
    """Whether an encoder codes the fields of interlaced frames of this height."""
    if encoder.name not in _FIELD_ENCODERS:
        return False
    layout = plane_layout(encoder.pix_fmt)
    assert layout is not None
    return encoder.family != "h264" or height % (2 * layout.step[1]) == 0


def _is_chroma_place_worth_a_tag(place: str, pix_fmt: str) -> bool:
    """Whether a stream must say where its chroma samples lie: 4:2:0 that is not as players assume it."""
    layout = plane_layout(pix_fmt)
    assert layout is not None
    return layout.step == (2, 2) and place not in (CHROMA_PLACE_UNKNOWN, DEFAULT_CHROMA_PLACE)


def _check_crf(family: str, crf: int | None) -> int | None:
    """Return the CRF, the family's own by default; None for families without one."""
    if crf is None:
        return _CRF.get(family)
    top = _MAX_CRF.get(family)
    if top is None or not 0 <= crf <= top:
        allowed = f"from 0 to {top}" if top is not None else "not used by it"
        raise UsageError(f"the CRF of {family} is {allowed}, not {crf}")
    return crf


def _check_preset(family: str, preset: str) -> None:
    presets = _PRESETS.get(family)
    if presets is None:
        raise UsageError(f"{family} has no presets")
    if preset not in presets:
        raise UsageError(f"{family} has no preset {preset!r}", hint=f"Choose one of {', '.join(presets)}.")


# -- options of each family


@dataclass(frozen=True)
class _EncoderSettings:
    """What the options of an encoder depend on.

    Attributes:
        facts: The source's video stream.
        width: Columns of the encoded pictures.
        pix_fmt: Planar pixel format of the result.
        crf: Constant rate factor.
        preset: The encoder's word for its speed.
        lossless: Whether to keep every sample.
        reorder: Whether frames may be stored out of order.
        field_order: Which field is coded first, or "progressive".
    """

    facts: VideoFacts
    width: int
    pix_fmt: str
    crf: str
    preset: str
    lossless: bool
    reorder: bool
    field_order: str


def _h264_options(settings: _EncoderSettings) -> dict[str, str]:
    options = {"preset": settings.preset}
    params = []
    if settings.lossless:
        options["qp"] = "0"
    else:
        options["crf"] = settings.crf
        if _is_x264_nondeterministic(settings.width):
            params.append(f"asm={_X264_ASM}")
    if settings.field_order != PROGRESSIVE:
        params.append(f"{FIELD_MODES[settings.field_order]}=1")
    if params:
        options["x264-params"] = ":".join(params)
    if not settings.reorder:
        options["bf"] = "0"
    return options


def _is_x264_nondeterministic(width: int) -> bool:
    """Whether x264 would read undefined memory.

    With AVX-512, its macroblock tree (core 165) reads beyond the last macroblock of a row, unless their number
    is a multiple of eight. The same pictures then give other bytes in every run.
    """
    import cv2

    macroblocks = -(-width // _MACROBLOCK)
    return macroblocks % _AVX512_MACROBLOCKS != 0 and bool(cv2.checkHardwareSupport(_CV_CPU_AVX512))


def _hevc_options(settings: _EncoderSettings) -> dict[str, str]:
    # With closed groups of pictures each segment stands alone.
    params = ["log-level=error", "open-gop=0", *settings.facts.hdr.to_x265_params()]
    if not settings.reorder:
        params.append("bframes=0")
    if settings.facts.first_field != PROGRESSIVE:
        params.append(f"interlace={FIELD_MODES[settings.facts.first_field]}")
    if settings.lossless:
        params.append("lossless=1")
        return {"preset": settings.preset, "x265-params": ":".join(params)}
    return {"preset": settings.preset, "crf": settings.crf, "x265-params": ":".join(params)}


def _vp9_options(settings: _EncoderSettings) -> dict[str, str]:
    options = {"deadline": "good", "cpu-used": settings.preset, "row-mt": "1"}
    options |= {"lossless": "1"} if settings.lossless else {"crf": settings.crf}
    return options


def _av1_options(settings: _EncoderSettings) -> dict[str, str]:
    return {"preset": settings.preset, "crf": settings.crf}


def _prores_options(settings: _EncoderSettings) -> dict[str, str]:
    return {"profile": _prores_profile(settings.facts, settings.pix_fmt), "vendor": "apl0"}


def _prores_profile(facts: VideoFacts, pix_fmt: str) -> str:
    """Return the source's own profile if it has the chroma resolution, else HQ or 4444."""
    is_full_chroma = "444" in pix_fmt
    if facts.codec == "prores":
        name = (facts.profile or "").lower().removeprefix("apple prores ")
        own = _PRORES_PROFILES.get(name)
        if own is not None and (own in _PRORES_FULL_CHROMA) == is_full_chroma:
            return own
    return _PRORES_4444 if is_full_chroma else _PRORES_HQ


def _ffv1_options(settings: _EncoderSettings) -> dict[str, str]:
    return {"level": "3", "slicecrc": "1"}


_FAMILY_OPTIONS: dict[str, Callable[[_EncoderSettings], dict[str, str]]] = {
    "h264": _h264_options,
    "hevc": _hevc_options,
    "vp9": _vp9_options,
    "av1": _av1_options,
    "prores": _prores_options,
    "ffv1": _ffv1_options,
}


def _convert_colour(facts: VideoFacts, pix_fmt: str) -> ColourTags:
    """Return the tags after a change of the pixel format.

    Formats of the same kind keep the tags. RGB becomes limited-range YUV with the matrix of its size.
    """
    layout = plane_layout(pix_fmt)
    own = plane_layout(facts.planar)
    assert layout is not None
    assert own is not None
    tags = facts.colour
    if layout.kind == own.kind:
        return tags if layout.step == own.step else replace(tags, chroma_place=CHROMA_PLACE_UNKNOWN)
    if layout.kind == "yuv":
        matrix = tags.matrix_raw
        if matrix in (MATRIX_RGB, UNSPECIFIED):
            matrix = default_matrix(facts.coded_width, facts.coded_height)
        return ColourTags.from_raw(RANGE_LIMITED, matrix, tags.primaries_raw, tags.transfer_raw)
    return ColourTags.from_raw(RANGE_FULL, MATRIX_RGB, tags.primaries_raw, tags.transfer_raw)
