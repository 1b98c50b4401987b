"""The options of the ffmpeg command that makes the result. Each function returns a part of the command."""

from __future__ import annotations

import re
from fractions import Fraction
from typing import TYPE_CHECKING, Any, NamedTuple

from lipdub.media.colour import (
    CHROMA_PLACE_UNKNOWN,
    DEFAULT_CHROMA_PLACE,
    RANGE_LIMITED,
    RANGE_UNSPECIFIED,
    UNSPECIFIED,
)
from lipdub.media.copied_streams import COPY
from lipdub.media.frame_tags import FIELD_ORDER_NUMBERS, PROGRESSIVE
from lipdub.media.languages import language_for
from lipdub.media.mux_plan import MILLISECOND
from lipdub.media.orientation import Turn, measure_turn

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from lipdub.media.copied_streams import CopiedStream
    from lipdub.media.mux_plan import MuxPlan
    from lipdub.media.probe import Chapter

# Metadata that describes the old file instead of its content.
_STALE_METADATA = {
    "major_brand",
    "minor_version",
    "compatible_brands",
    "encoder",
    "duration",
    "rotate",
    "vendor_id",
    "handler_name",
}
# Keys of phones and cameras. MP4 and MOV hold them in a table of keys, which FFmpeg writes on request and then for
# all metadata. Many players look for a plain title elsewhere, so it is written for these keys only, and for unknown
# ones if there is nothing that players show.
_KEY_TABLE_PREFIX = "com."
_KEY_TABLE_NAMES = {"mp4": {"make", "model", "software"}, "mov": {"software"}}
_SHOWN_KEYS = {
    "title", "artist", "album_artist", "author", "composer", "album", "date", "genre", "copyright", "grouping",
    "lyrics", "description", "synopsis", "show", "episode_id", "network", "keywords", "track", "disc",
}  # fmt: skip
_PLAIN_KEYS = _SHOWN_KEYS | {"comment", "creation_time", "timecode", "location", "language", "make", "model"}
_STALE_STREAM_PREFIXES = ("_STATISTICS", "NUMBER_OF", "BPS", "DURATION-")  # Matroska's statistics tags
_CHAPTER_TICKS = 1_000_000  # per second
_MAX_ASPECT_TERM = 255  # ffmpeg rounds the terms of -aspect to this
_OPUS_RATE = 48000  # Hz
_EXPERIMENTAL_IN_MOV = ("flac", "opus", "libopus")  # what older releases of ffmpeg call so
_MOV_TITLE = "name"  # what FFmpeg calls the title of a stream of MOV and MP4
_DEFAULT_ROLE = "default"
# Media type and file name of covers that Matroska holds as attachments, by the codec.
COVER_TYPES = {"mjpeg": ("image/jpeg", "cover.jpg"), "png": ("image/png", "cover.png")}
_UNKNOWN_COVER = ("application/octet-stream", "cover")
_ROLES_OF_STILLS = {"attached_pic", "timed_thumbnails", "still_image", "dependent", "multilayer"}
# ffmpeg would take four channels without places for the layout 4.0; two are always left and right.
_NO_GUESSED_PLACES = {"guess_layout_max": "2"}
_PCM_16 = "pcm_s16le"


class CoverFile(NamedTuple):
    """A cover picture in a file of its own, and FFmpeg's name of its codec; empty if it is unknown."""

    path: Path
    codec: str


def format_seconds(time: Fraction) -> str:
    """Return seconds as ffmpeg reads them, to the microsecond."""
    return f"{float(time):.6f}"


def picture_input_options(plan: MuxPlan, *, tags_rotation: bool) -> dict[str, str | None]:
    """Return the options with which the joined video is read.

    Args:
        plan: The plan.
        tags_rotation: Whether this ffmpeg writes the rotation into the result.
    """
    options: dict[str, str | None] = {"itsoffset": format_seconds(plan.joined.first_time)}
    if plan.excerpt is not None:
        options["t"] = format_seconds(plan.excerpt)
    turn = _find_turn(plan)
    if turn != Turn() and tags_rotation:
        options["display_rotation:v:0"] = f"{turn.degrees:g}"
        if turn.mirrored:
            options["display_hflip:v:0"] = None  # an option without a value
    return options


def _find_turn(plan: MuxPlan) -> Turn:
    """Return the turn that the joined video lacks: all of it in NUT, which has none, elsewhere what is no quarter."""
    note, video = plan.joined.note, plan.facts.video
    matrix = video.display_matrix if video is not None else None
    exact = measure_turn(matrix) if matrix is not None and plan.container.is_matroska else None
    if exact is not None and not exact.is_quarter:
        return exact
    return Turn(note.rotation, note.mirrored) if plan.joined.path.suffix == ".nut" else Turn()


def sound_input_options(begin: Fraction) -> dict[str, str]:
    """Return the options with which a laid out sound is read that begins at this time, in seconds."""
    return {"itsoffset": format_seconds(begin)} | _NO_GUESSED_PLACES


def source_input_options(plan: MuxPlan) -> dict[str, str]:
    """Return the options with which the source is read for its copied streams."""
    options = dict(_NO_GUESSED_PLACES) if plan.facts.audio else {}
    if plan.joined.shift:
        options["itsoffset"] = format_seconds(-plan.joined.shift_time)
    # With -copyts an input's duration counts from its own start.
    if plan.excerpt is not None:
        options["t"] = format_seconds(plan.excerpt)
    elif plan.end is not None and plan.end < plan.facts.start_time + plan.facts.duration:
        options["t"] = format_seconds(max(MILLISECOND, plan.end - plan.facts.start_time))
    return options


def speech_options(plan: MuxPlan) -> dict[str, str]:
    """Return the options of the speech, which is the first sound stream."""
    speech = plan.speech
    if speech is None:
        return {}
    encoder = speech.encoder
    options = {"c:a:0": encoder.encoder, "ar:a:0": str(encoder.rate), "disposition:a:0": "default"}
    if encoder.bitrate:
        options["b:a:0"] = str(encoder.bitrate)
    if encoder.encoder == "libopus" and encoder.layout.channels > 2:
        options["mapping_family:a:0"] = "1"
    if encoder.encoder in _EXPERIMENTAL_IN_MOV and plan.container.is_mov:
        options["strict"] = "experimental"
    if speech.language:
        options["metadata:s:a:0"] = f"language={speech.language}"
    return options


def copied_options(plan: MuxPlan) -> dict[str, str]:
    """Return the options of the copied streams."""
    options: dict[str, str] = {}
    for specifier, stream in plan.ordered_streams:
        options[f"c:{specifier}"] = stream.encoder
        if stream.kind == "audio":
            options |= _copied_sound_options(plan, specifier, stream)
    return options


def _copied_sound_options(plan: MuxPlan, specifier: str, stream: CopiedStream) -> dict[str, str]:
    if not plan.container.timed:
        return {f"c:{specifier}": _PCM_16}
    options = {}
    if stream.is_laid_out_anew:
        roles = [role for role in stream.roles if plan.speech is None or role != _DEFAULT_ROLE]
        options[f"disposition:{specifier}"] = "+".join(roles) or "0"
    elif plan.speech is not None:
        options[f"disposition:{specifier}"] = f"-{_DEFAULT_ROLE}"
    if stream.encoder == COPY:
        if plan.container.is_mov and stream.codec in _EXPERIMENTAL_IN_MOV:
            options["strict"] = "experimental"
        # Priming before time zero must stay, or the start of the sound is damaged; Matroska has no room for it.
        options[f"copypriorss:{specifier}"] = "0" if plan.container.is_matroska else "1"
    elif stream.encoder == "libopus":
        options[f"ar:{specifier}"] = str(_OPUS_RATE)
    return options


def picture_options(plan: MuxPlan) -> dict[str, str]:
    """Return the options of the picture: tags that the coded stream itself may lack."""
    note = plan.joined.note
    video = plan.facts.video
    own_roles = video.roles if video is not None else ()
    roles = [_DEFAULT_ROLE, *(role for role in own_roles if role not in _ROLES_OF_STILLS | {_DEFAULT_ROLE})]
    options = {"c:v:0": COPY, "disposition:v:0": "+".join(roles)} | colour_options(note.colour, note.codec)
    if not plan.container.timed and video is not None:
        # ffmpeg would choose another rate. It fills the places between frames with empty ones.
        options["r:v:0"] = str(plan.joined.even_rate if video.variable else video.average_rate)
    if note.field_order != PROGRESSIVE:
        options["field_order:v:0"] = str(FIELD_ORDER_NUMBERS[note.field_order])
    if note.codec == "hevc" and plan.container.is_mov:
        options["tag:v:0"] = "hvc1"
    if note.aspect is not None:
        shape = note.aspect * Fraction(*plan.joined.size)
        # ffmpeg would round larger terms: they are left to the joined stream.
        if max(shape.numerator, shape.denominator) <= _MAX_ASPECT_TERM:
            options["aspect:v:0"] = f"{shape.numerator}:{shape.denominator}"
    return options


def colour_options(colour: Mapping[str, Any], codec: str) -> dict[str, str]:
    """Return the colour tags of the picture.

    Args:
        colour: Fields of :class:`~lipdub.media.colour.ColourTags`.
        codec: Codec family.
    """
    options = {}
    if colour["range_raw"] != RANGE_UNSPECIFIED:
        options["color_range:v:0"] = str(colour["range_raw"])
    names = {"matrix_raw": "colorspace", "primaries_raw": "color_primaries", "transfer_raw": "color_trc"}
    tagged = {name: colour[key] for key, name in names.items() if colour[key] != UNSPECIFIED}
    options |= {f"{name}:v:0": str(value) for name, value in tagged.items()}
    place = colour.get("chroma_place", CHROMA_PLACE_UNKNOWN)
    if place not in (CHROMA_PLACE_UNKNOWN, DEFAULT_CHROMA_PLACE):
        options["chroma_sample_location:v:0"] = place
    if not tagged and colour["range_raw"] == RANGE_LIMITED and codec in ("h264", "hevc"):
        # Encoders leave a lone "limited range" out of the stream.
        options["bsf:v:0"] = f"{codec}_metadata=video_full_range_flag=0"
    return options


def container_options(plan: MuxPlan) -> dict[str, str]:
    """Return the options of the muxer."""
    options = {
        "f": plan.container.muxer,
        "map_metadata:g": "-1",
        "max_muxing_queue_size": "100000",
        "max_interleave_delta": "0",
    }
    if plan.container.is_matroska:
        # Matroska stores encoder delay separately; ffmpeg would shift every stream by it.
        options["avoid_negative_ts"] = "disabled"
    if plan.container.is_mov:
        scale = str(plan.joined.time_base.denominator)
        flags = "+faststart+use_metadata_tags" if _needs_key_table(plan) else "+faststart"
        options |= {"movflags": flags, "video_track_timescale": scale, "movie_timescale": scale}
    return options


def _needs_key_table(plan: MuxPlan) -> bool:
    """Whether the source has metadata that MP4 and MOV hold only in a table of keys."""
    names = _KEY_TABLE_NAMES[plan.container.muxer]
    keys = {key.lower() for key in lasting_metadata(plan.facts.metadata)}
    if any(key.startswith(_KEY_TABLE_PREFIX) or key in names for key in keys):
        return True
    return not keys <= _PLAIN_KEYS and not keys & _SHOWN_KEYS


def stream_metadata_options(plan: MuxPlan) -> list[str]:
    """Return the options that write the metadata of the copied streams, also of those that are encoded anew."""
    words: list[str] = []
    for specifier, stream in plan.ordered_streams:
        for key, value in lasting_metadata(stream.metadata).items():
            name = "title" if key == _MOV_TITLE else key
            text = language_for(value, plan.container) if key == "language" else value
            if key != "timecode":  # a time code of the picture, which has it already
                words += [f"-metadata:s:{specifier}", f"{name}={text}"]
    return words


def cover_options(plan: MuxPlan, files: Sequence[CoverFile]) -> list[str]:
    """Return the options that make pictures covers: attachments in Matroska, streams of their own in MP4.

    Args:
        plan: The plan.
        files: The plan's covers.
    """
    words: list[str] = []
    if not plan.container.is_matroska:
        first = 1 + sum(stream.kind == "video" for stream in plan.copied)
        for number in range(first, first + len(files)):
            words += [f"-c:v:{number}", COPY, f"-disposition:v:{number}", "attached_pic"]
        return words
    first = sum(stream.kind == "attachment" for stream in plan.copied)
    for number, (file, codec) in enumerate(files, first):
        media_type, name = COVER_TYPES.get(codec, _UNKNOWN_COVER)
        words += ["-attach", str(file)]
        words += [f"-metadata:s:t:{number}", f"mimetype={media_type}", f"-metadata:s:t:{number}", f"filename={name}"]
    return words


def metadata_options(file: Mapping[str, str], added: Mapping[str, str], picture: Mapping[str, str]) -> list[str]:
    """Return the options that write metadata, without what describes the old file.

    Args:
        file: Metadata of the source.
        added: Metadata to add to it. What the source says under the same key follows it.
        picture: Metadata of the source's video stream.
    """
    kept = lasting_metadata(file)
    for key, value in added.items():
        old = next((kept.pop(other) for other in list(kept) if other.lower() == key.lower()), "")
        kept[key] = old if value in old else f"{value} {old}".strip()
    options = [word for key, value in kept.items() for word in ("-metadata", f"{key}={value}")]
    for key, value in lasting_metadata(picture).items():
        options += ["-metadata:s:v:0", f"{key}={value}"]
    return options


def lasting_metadata(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return the metadata of a file or stream that does not describe the old file."""
    return {
        key: value
        for key, value in metadata.items()
        if key.lower() not in _STALE_METADATA and not key.upper().startswith(_STALE_STREAM_PREFIXES)
    }


def chapter_text(chapters: Sequence[Chapter], shift: Fraction) -> str:
    """Return chapters as an FFMETADATA file.

    Args:
        chapters: The source's chapters.
        shift: Seconds to take off their times; what then lies before zero is cut.
    """
    lines = [";FFMETADATA1"]
    for chapter in chapters:
        begin, end = (round((time - shift) * _CHAPTER_TICKS) for time in (chapter.start, chapter.end))
        if end > 0:
            title = re.sub(r"([=;#\\\n])", r"\\\1", chapter.title)
            time_base = f"TIMEBASE=1/{_CHAPTER_TICKS}"
            lines += ["[CHAPTER]", time_base, f"START={max(0, begin)}", f"END={end}", f"title={title}"]
    return "\n".join(lines) + "\n"
