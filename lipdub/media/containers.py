"""What each result container holds, and which encoders take which pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lipdub.errors import UsageError, printable
from lipdub.media.pixel_formats import PlaneLayout, plane_layout

TEXT_SUBTITLE_CODECS = {"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"}


@dataclass(frozen=True)
class Container:
    """A container a result may have.

    Attributes:
        name: Its name for people.
        muxer: FFmpeg's name of the muxer.
        families: Video codec families it holds.
        sounds: Audio codecs it holds; None for any.
        speech_codec: Audio codec of the speech by default.
        text: Encoder of text subtitles; None if it holds none.
        copied_text: Text subtitle codecs that are copied as they are.
        bitmap: Bitmap subtitle codecs it holds.
        data: Whether it holds data streams.
        attachments: Whether it holds attachments.
        covers: Whether it holds cover pictures.
        more_video: Whether it holds more than one video stream.
        turns: Whether it stores how the picture is turned for display.
        timed: Whether it stores any frame time; otherwise it has one constant rate and begins at zero.
    """

    name: str
    muxer: str
    families: tuple[str, ...]
    sounds: frozenset[str] | None
    speech_codec: str
    text: str | None
    copied_text: frozenset[str]
    bitmap: frozenset[str]
    data: bool = False
    attachments: bool = False
    covers: bool = False
    more_video: bool = False
    turns: bool = True
    timed: bool = True

    @property
    def is_mov(self) -> bool:
        """Whether it belongs to the QuickTime family, which has edit lists and time scales."""
        return self.muxer in ("mp4", "mov")

    @property
    def is_matroska(self) -> bool:
        """Whether it is Matroska or WebM, which store times in whole milliseconds."""
        return self.muxer in ("matroska", "webm")


_MP4 = Container(
    name="MP4",
    muxer="mp4",
    families=("h264", "hevc", "vp9", "av1"),
    sounds=frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "alac", "opus", "flac", "dts"}),
    speech_codec="aac",
    text="mov_text",
    copied_text=frozenset({"mov_text"}),
    bitmap=frozenset({"dvd_subtitle"}),
    data=True,
    covers=True,
    more_video=True,
)
_MOV = Container(
    name="MOV",
    muxer="mov",
    families=("h264", "hevc", "prores"),
    sounds=frozenset(
        {
            "aac",
            "mp3",
            "ac3",
            "eac3",
            "alac",
            "pcm_s16le",
            "pcm_s16be",
            "pcm_s24le",
            "pcm_s24be",
            "pcm_s32le",
            "pcm_s32be",
            "pcm_f32le",
            "pcm_f32be",
            "pcm_u8",
            "pcm_alaw",
            "pcm_mulaw",
        }
    ),
    speech_codec="pcm",
    text="mov_text",
    copied_text=frozenset({"mov_text", "eia_608"}),
    bitmap=frozenset(),
    data=True,
    more_video=True,
)
_MKV = Container(
    name="Matroska",
    muxer="matroska",
    families=("h264", "hevc", "vp9", "av1", "ffv1", "prores"),
    sounds=None,
    speech_codec="opus",
    text="srt",
    copied_text=frozenset({"subrip", "srt", "ass", "ssa", "webvtt", "text"}),
    bitmap=frozenset({"dvd_subtitle", "hdmv_pgs_subtitle", "dvb_subtitle", "hdmv_text_subtitle"}),
    attachments=True,
    covers=True,
    more_video=True,
)
_WEBM = Container(
    name="WebM",
    muxer="webm",
    families=("vp9", "av1"),
    sounds=frozenset({"opus", "vorbis"}),
    speech_codec="opus",
    text="webvtt",
    copied_text=frozenset({"webvtt"}),
    bitmap=frozenset(),
)
_AVI = Container(
    name="AVI",
    muxer="avi",
    families=("h264", "ffv1"),
    sounds=frozenset({"pcm_s16le"}),
    speech_codec="pcm",
    text=None,
    copied_text=frozenset(),
    bitmap=frozenset(),
    turns=False,
    timed=False,
)
_BY_SUFFIX = {
    ".mp4": _MP4,
    ".m4v": _MP4,
    ".mov": _MOV,
    ".qt": _MOV,
    ".mkv": _MKV,
    ".webm": _WEBM,
    ".avi": _AVI,
}


def container_for(out: Path | str) -> Container:
    """Return the container of a result by the ending of its path, or by an ending alone (".mp4").

    Raises:
        UsageError: No container has this ending.
    """
    ending = out.suffix if isinstance(out, Path) else out
    try:
        return _BY_SUFFIX[ending.lower()]
    except KeyError:
        name = printable(out.name if isinstance(out, Path) else out)
        fault = f"no container ends in {printable(ending)}" if ending else f"the name {name} has no ending"
        hint = f"Name the result with one of {', '.join(_BY_SUFFIX)}."
        raise UsageError(f"a result cannot be written as {name}: {fault}", hint=hint) from None


# Encoders of each codec family, in the order they are tried.
_ENCODERS = {
    "h264": ("libx264", "libx264rgb"),
    "hevc": ("libx265",),
    "vp9": ("libvpx-vp9",),
    "av1": ("libsvtav1",),
    "prores": ("prores_ks",),
    "ffv1": ("ffv1",),
}
CODEC_FAMILIES = tuple(_ENCODERS)
CODEC_FAMILY_ALIASES = {
    "h264": "h264",
    "x264": "h264",
    "avc": "h264",
    "libx264": "h264",
    "hevc": "hevc",
    "h265": "hevc",
    "x265": "hevc",
    "libx265": "hevc",
    "vp9": "vp9",
    "libvpx-vp9": "vp9",
    "av1": "av1",
    "libsvtav1": "av1",
    "prores": "prores",
    "prores_ks": "prores",
    "ffv1": "ffv1",
}
# The family in which a source's codec is encoded by default; h264 for any other codec.
_FAMILY_OF_CODEC = {
    "h264": "h264",
    "hevc": "hevc",
    "vvc": "hevc",
    "vp9": "vp9",
    "vp8": "vp9",
    "av1": "av1",
    "prores": "prores",
    "ffv1": "ffv1",
    "dnxhd": "prores",
    "cfhd": "prores",
    "apv": "prores",
    "qtrle": "prores",
    "png": "prores",
    "huffyuv": "ffv1",
    "ffvhuff": "ffv1",
    "utvideo": "ffv1",
    "rawvideo": "ffv1",
    "v210": "prores",
}


# Encoders that accept 8-bit RGB only in packed form: the planar format and its packed form.
_PACKED_INPUT = {("libx264rgb", "gbrp"): "rgb24", ("ffv1", "gbrp"): "bgr0", ("ffv1", "gbrap"): "bgra"}
_MIN_SVTAV1_SIZE = 64  # smallest width and height of libsvtav1
_MIN_X265_SIZE = 32  # smallest width and height of libx265
_PLAYABLE_FORMATS = ("yuv420p", "yuvj420p")  # what every player shows


@dataclass(frozen=True)
class Encoder:
    """A video encoder and the pixel format of its pictures.

    Attributes:
        family: Codec family.
        name: FFmpeg's name of the encoder.
        pix_fmt: Planar pixel format.
        converts: Whether that differs from the source's format.
    """

    family: str
    name: str
    pix_fmt: str
    converts: bool


@dataclass(frozen=True)
class SourceFormat:
    """What the choice of an encoder depends on in a source.

    Attributes:
        codec: Name of the codec.
        pix_fmt: Planar pixel format.
        width: Columns as stored.
        height: Rows as stored.
        is_image: Whether it is a still picture or an animation, such as a GIF.
        format_name: What people call the pixel format; empty for ``pix_fmt``.
    """

    codec: str
    pix_fmt: str
    width: int
    height: int
    is_image: bool
    format_name: str = ""

    def describe(self) -> str:
        """Return the pictures' pixel format and size, for people."""
        return f"{self.format_name or self.pix_fmt} pictures of {self.width}x{self.height}"


def choose_encoder(codec: str, container: Container, source: SourceFormat, *, lossless: bool) -> Encoder:
    """Choose the encoder of a result.

    'auto' stays in the source's family if the container and the pixel format allow it; otherwise it takes the
    first family that keeps the pixel format. If none does, it takes the nearest format of the first family;
    lossless results never change the format.

    Args:
        codec: 'auto' or the name of a codec family.
        container: The result's container.
        source: What is encoded.
        lossless: Whether every sample must be kept.

    Raises:
        UsageError: No encoder fits.
    """
    families = _list_families(codec, container, source, lossless=lossless)
    pix_fmt = source.pix_fmt
    if source.is_image and not lossless and pix_fmt not in _PLAYABLE_FORMATS:
        pix_fmt = _PLAYABLE_FORMATS[0]
    candidates = [(family, name) for family in families for name in _ENCODERS[family]]
    for family, name in candidates:
        if not _holds_format(container, family, pix_fmt):
            continue
        if encoder_accepts(name, pix_fmt, source.width, source.height, lossless=lossless):
            return Encoder(family, name, pix_fmt, pix_fmt != source.pix_fmt)
    if lossless:
        place = f"{codec} in {container.name}" if codec != "auto" else container.name
        raise UsageError(
            f"{place} has no lossless form for {source.describe()}",
            hint="Use --codec ffv1 with a .mkv result, or leave --lossless out.",
        )
    nearest = [
        Encoder(family, name, form, converts=True)
        for family, name in candidates
        if (form := _nearest_format(container, (family, name), pix_fmt, (source.width, source.height))) is not None
    ]
    if not nearest:
        raise UsageError(f"no encoder for {container.name} takes {source.describe()}")
    # The first, unless it loses the opacity and another does not.
    return min(nearest, key=lambda encoder: _drops_alpha(pix_fmt, encoder.pix_fmt))


def _holds_format(container: Container, family: str, pix_fmt: str) -> bool:
    """Whether a container holds pictures of a format: the opacity of VP9 lies beside the stream, in Matroska only."""
    return family != "vp9" or container.is_matroska or not _planar_layout(pix_fmt).alpha


def _list_families(codec: str, container: Container, source: SourceFormat, *, lossless: bool) -> list[str]:
    """Return the codec families that may be used, in order of preference."""
    if codec != "auto":
        families = [_find_family(codec, container)]
    else:
        source_family = _find_source_family(source, container, lossless=lossless)
        families = [source_family, *(name for name in CODEC_FAMILIES if name != source_family)]
        families = [name for name in families if name in container.families]
        if source_family in families and not lossless and (source_family == "prores" or source.is_image):
            families = [source_family]  # another pixel format is better than another codec
    return [name for name in families if name != "prores"] if lossless else families


def _find_source_family(source: SourceFormat, container: Container, *, lossless: bool) -> str:
    """Return the family in which a source is encoded by default."""
    family = _FAMILY_OF_CODEC.get(source.codec, "h264")
    # QuickTime and most editors do not play VP9 in MP4.
    if (source.is_image and not lossless) or (family == "vp9" and container.is_mov):
        return "h264"
    return family


def _find_family(codec: str, container: Container) -> str:
    """Return the family a user names; :class:`UsageError` if it is unknown or the container does not hold it."""
    family = CODEC_FAMILY_ALIASES.get(codec.lower())
    if family is None:
        raise UsageError(f"there is no codec {codec!r}", hint=f"Choose auto or one of {', '.join(CODEC_FAMILIES)}.")
    if family not in container.families:
        raise UsageError(
            f"{container.name} does not hold {family}",
            hint=f"It holds {', '.join(container.families)}; or give the result another ending.",
        )
    return family


@lru_cache(maxsize=16)
def encoder_formats(name: str) -> frozenset[str]:
    """Return the planar formats an encoder accepts; none if FFmpeg was built without it."""
    import av

    try:
        formats = {form.name for form in av.Codec(name, "w").video_formats or []}
    except ValueError:
        return frozenset()
    planar = {form for form in formats if plane_layout(form) is not None}
    planar |= {form for (encoder, form), packed in _PACKED_INPUT.items() if encoder == name and packed in formats}
    return frozenset(planar)


def encoder_input_format(encoder: str, pix_fmt: str) -> str:
    """Return the pixel format an encoder is fed for pictures of a planar format.

    ``yuvj420p`` and its like get the name that goes with a colour range tag.
    """
    return _PACKED_INPUT.get((encoder, pix_fmt), pix_fmt.replace("yuvj", "yuv"))


def encoder_accepts(name: str, pix_fmt: str, width: int, height: int, *, lossless: bool = False) -> bool:
    """Whether an encoder accepts pictures of this planar format and coded size."""
    if pix_fmt.replace("yuvj", "yuv") not in encoder_formats(name):
        return False
    layout = _planar_layout(pix_fmt)
    if name == "libsvtav1":
        is_even = width % 2 == 0 and height % 2 == 0
        return not lossless and is_even and min(width, height) >= _MIN_SVTAV1_SIZE
    if name == "libvpx-vp9":
        return not layout.alpha  # it codes opacity beside the stream, where segments do not keep it
    if name in ("libx264", "libx265"):
        if layout.alpha or width % layout.step[0] or height % layout.step[1]:
            return False
        if layout.kind == "gray" and lossless:
            return False  # decoders return it as YUV
        return name != "libx265" or min(width, height) >= _MIN_X265_SIZE
    return True


def _planar_layout(pix_fmt: str) -> PlaneLayout:
    """Return the layout of a format known to be planar."""
    layout = plane_layout(pix_fmt)
    assert layout is not None
    return layout


def _drops_alpha(pix_fmt: str, nearest: str) -> bool:
    return _planar_layout(pix_fmt).alpha and not _planar_layout(nearest).alpha


def _nearest_format(container: Container, encoder: tuple[str, str], pix_fmt: str, size: tuple[int, int]) -> str | None:
    """Return the format nearest to ``pix_fmt`` that an encoder accepts; None if it accepts none at this size.

    Args:
        container: Where the result is written.
        encoder: Codec family, and FFmpeg's name of the encoder.
        pix_fmt: Planar format of the source.
        size: Columns and rows.
    """
    family, name = encoder
    forms = [
        form
        for form in sorted(encoder_formats(name))
        if encoder_accepts(name, form, *size) and _holds_format(container, family, form)
    ]
    source = _planar_layout(pix_fmt)
    return min(forms, key=lambda form: _conversion_cost(source, _planar_layout(form)), default=None)


def _conversion_cost(source: PlaneLayout, target: PlaneLayout) -> tuple[int, ...]:
    """Return the losses and additions of a conversion, the most important first; smaller tuples are better."""
    return (
        int(source.alpha and not target.alpha),
        int(source.kind != "gray" and target.kind == "gray"),
        int(target.step[0] > source.step[0]) + int(target.step[1] > source.step[1]),
        max(0, source.depth - target.depth),
        int(target.alpha and not source.alpha),
        int(target.kind != source.kind),
        source.step[0] - target.step[0] + source.step[1] - target.step[1],
        max(0, target.depth - source.depth),
    )
