"""What each result container holds, and which encoders take which pictures."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from lipdub.errors import UsageError, printable
from lipdub.media.pixel_formats import plane_layout

TEXT_SUBTITLE_CODECS = {"subrip", "srt", "ass", "ssa", "webvtt", "mov_text", "text"}


@dataclass(frozen=True)
class Container:
    """A result container: the muxer's name, video families and sound codecs it takes (None: any), the encoder
    for text subtitles (None: it has none), whether subtitles pass as they are, whether data, attachments,
    cover pictures and further video fit, and the sound codec taken by default.
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
    timed: bool = True  # holds any frame time; else one constant rate from zero

    @property
    def is_mov(self) -> bool:
        """Of the QuickTime family: has edit lists and time scales."""
        return self.muxer in ("mp4", "mov")

    @property
    def is_matroska(self) -> bool:
        """Matroska or WebM: times in whole milliseconds."""
        return self.muxer in ("matroska", "webm")


_MP4 = Container(
    "MP4",
    "mp4",
    ("h264", "hevc", "vp9", "av1"),
    frozenset({"aac", "mp3", "mp2", "ac3", "eac3", "alac", "opus", "flac", "dts"}),
    "aac",
    "mov_text",
    frozenset({"mov_text"}),
    frozenset({"dvd_subtitle"}),
    data=True,
    covers=True,
)
_MOV = Container(
    "MOV",
    "mov",
    ("h264", "hevc", "prores"),
    frozenset(
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
    "pcm",
    "mov_text",
    frozenset({"mov_text", "eia_608"}),
    frozenset(),
    data=True,
    covers=True,
)
_MKV = Container(
    "Matroska",
    "matroska",
    ("h264", "hevc", "vp9", "av1", "ffv1", "prores"),
    None,
    "opus",
    "srt",
    frozenset({"subrip", "srt", "ass", "ssa", "webvtt", "text"}),
    frozenset({"dvd_subtitle", "hdmv_pgs_subtitle", "dvb_subtitle", "hdmv_text_subtitle"}),
    attachments=True,
)
_WEBM = Container(
    "WebM",
    "webm",
    ("vp9", "av1"),
    frozenset({"opus", "vorbis"}),
    "opus",
    "webvtt",
    frozenset({"webvtt"}),
    frozenset(),
)
_AVI = Container(
    "AVI",
    "avi",
    ("h264", "ffv1"),
    frozenset({"pcm_s16le"}),
    "pcm",
    None,
    frozenset(),
    frozenset(),
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
    """The container a result's name asks for; :class:`UsageError` if it is none of ours."""
    suffix = Path(out).suffix.lower() if not str(out).startswith(".") else str(out).lower()
    try:
        return _BY_SUFFIX[suffix]
    except KeyError:
        known = ", ".join(_BY_SUFFIX)
        ending = printable(suffix) or "no ending"
        raise UsageError(f"a result cannot be written as {ending}", hint=f"Name it with one of {known}.") from None


# Encoders of each family, in order of trying.
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
_OWN_FAMILY = {
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


@dataclass(frozen=True)
class Encoder:
    """An encoder and the pixel format it is fed, which is the source's own unless ``converts``."""

    family: str
    name: str
    pix_fmt: str
    converts: bool


def choose_encoder(
    asked: str,
    container: Container,
    codec: str,
    pix_fmt: str,
    width: int,
    height: int,
    *,
    lossless: bool,
    is_image: bool,
) -> Encoder:
    """The encoder of a result.

    ``asked`` is 'auto' or a family's name, ``codec``, ``pix_fmt`` (planar), ``width`` and ``height`` (coded)
    the source's. 'auto' stays in the source's family where container and pixel format allow it, else takes the
    first that keeps the pixel format; if none does, the nearest format of the first (never when ``lossless``).
    Raises :class:`UsageError`.
    """
    if asked == "auto":
        own = "h264" if is_image and not lossless else _OWN_FAMILY.get(codec, "h264")
        families = [own, *(name for name in CODEC_FAMILIES if name != own)]
        families = [name for name in families if name in container.families]
        if own in families and not lossless and (own == "prores" or is_image):
            families = [own]  # rather another pixel format than another codec
    else:
        family = CODEC_FAMILY_ALIASES.get(asked.lower())
        if family is None:
            raise UsageError(f"there is no codec {asked!r}", hint=f"Choose auto or one of {', '.join(CODEC_FAMILIES)}.")
        if family not in container.families:
            raise UsageError(
                f"{container.name} does not hold {family}",
                hint=f"It holds {', '.join(container.families)}; or give the result another ending.",
            )
        families = [family]
    if lossless:
        families = [name for name in families if name != "prores"]
    wanted = pix_fmt
    if is_image and not lossless and pix_fmt not in ("yuvj420p", "yuv420p"):
        wanted = "yuv420p"  # what every player shows
    for family in families:
        for name in _ENCODERS[family]:
            if encoder_accepts(name, wanted, width, height, lossless=lossless):
                return Encoder(family, name, wanted, wanted != pix_fmt)
    if lossless:
        asked_for = f"{asked} in {container.name}" if asked != "auto" else container.name
        raise UsageError(
            f"{asked_for} has no lossless form for {pix_fmt} pictures of {width}x{height}",
            hint="Use --codec ffv1 with a .mkv result, or leave --lossless out.",
        )
    nearest = [
        Encoder(family, name, form, True)
        for family in families
        for name in _ENCODERS[family]
        if (form := _nearest(name, wanted, width, height)) is not None
    ]
    # The first, unless it alone would lose the opacity.
    nearest.sort(key=lambda encoder: _loses_alpha(wanted, encoder.pix_fmt))
    if nearest:
        return nearest[0]
    raise UsageError(f"no encoder for {container.name} takes {pix_fmt} pictures of {width}x{height}")


@lru_cache(maxsize=16)
def encoder_formats(name: str) -> frozenset[str]:
    """Planar formats an encoder takes; none if it is not built in."""
    import av

    try:
        formats = {form.name for form in av.Codec(name, "w").video_formats or []}
    except ValueError:
        return frozenset()
    planar = {form for form in formats if plane_layout(form) is not None}
    planar |= {form for (encoder, form), packed in _PACKED_FEED.items() if encoder == name and packed in formats}
    return frozenset(planar)


# Encoders that take RGB of 8 bits packed only: the planar format -> what they are fed.
_PACKED_FEED = {("libx264rgb", "gbrp"): "rgb24", ("ffv1", "gbrp"): "bgr0", ("ffv1", "gbrap"): "bgra"}


def encoder_input_format(encoder: str, pix_fmt: str) -> str:
    """The pixel format an encoder is fed for pictures of a planar format: with ``yuvj420p`` and its like under
    the name that goes with a colour range tag.
    """
    return _PACKED_FEED.get((encoder, pix_fmt), pix_fmt.replace("yuvj", "yuv"))


def encoder_accepts(name: str, pix_fmt: str, width: int, height: int, *, lossless: bool = False) -> bool:
    """Whether an encoder takes pictures of this format and coded size."""
    if pix_fmt.replace("yuvj", "yuv") not in encoder_formats(name):
        return False
    layout = plane_layout(pix_fmt)
    assert layout is not None
    if name == "libsvtav1" and (lossless or width < 64 or height < 64 or width % 2 or height % 2):
        return False
    if name in ("libx264", "libx265"):
        if layout.alpha or width % layout.step[0] or height % layout.step[1]:
            return False
        if layout.kind == "gray" and lossless:
            return False  # decoders give it back as YUV
        if name == "libx265" and (width < 32 or height < 32):
            return False
    return True


def _loses_alpha(pix_fmt: str, nearest: str) -> bool:
    source, layout = plane_layout(pix_fmt), plane_layout(nearest)
    assert source is not None and layout is not None
    return source.alpha and not layout.alpha


def _nearest(name: str, pix_fmt: str, width: int, height: int) -> str | None:
    """The format nearest to ``pix_fmt`` an encoder takes: keeping, in this order, alpha, kind, chroma
    resolution and depth as well as it can; losing little counts less than storing more.
    """
    source = plane_layout(pix_fmt)
    assert source is not None
    best: tuple[tuple[int, ...], str] | None = None
    for form in sorted(encoder_formats(name)):
        if not encoder_accepts(name, form, width, height):
            continue
        layout = plane_layout(form)
        assert layout is not None
        cost = (
            int(source.alpha and not layout.alpha),
            int(source.kind != "gray" and layout.kind == "gray"),
            int(layout.step[0] > source.step[0]) + int(layout.step[1] > source.step[1]),
            max(0, source.depth - layout.depth),
            int(layout.alpha and not source.alpha),
            int(layout.kind != source.kind),
            source.step[0] - layout.step[0] + source.step[1] - layout.step[1],
            max(0, layout.depth - source.depth),
        )
        if best is None or cost < best[0]:
            best = (cost, form)
    return best[1] if best is not None else None
