"""What a source has and its result has not, from what the two files hold.

Nothing here knows how a result is made: whatever is lost, for whichever reason, is seen in the files.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

import numpy as np

from lipdub.media.colour import (
    CHROMA_PLACE_UNKNOWN,
    DEFAULT_CHROMA_PLACE,
    MATRIX_NAMES,
    PRIMARIES_NAMES,
    RANGE_UNSPECIFIED,
    TRANSFER_NAMES,
    UNSPECIFIED,
)
from lipdub.media.contents import Contents, PictureContents, StreamContents, read_contents
from lipdub.media.copied_streams import COVER, KEEP_NOTHING, KEEP_OTHERS
from lipdub.media.frame_tags import PROGRESSIVE
from lipdub.media.languages import is_same_language, normalize_language
from lipdub.media.mux_options import lasting_metadata
from lipdub.media.orientation import Turn
from lipdub.media.pixel_formats import plane_layout
from lipdub.words import join_names

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
    from pathlib import Path

    from lipdub.arrays import U8

_TIME_CODE_TAG = "tmcd"
_TIME_CODE = "timecode"  # key of the time code of the first picture
_SAME_TIME = Fraction(1, 50)  # seconds; a smaller difference of the first pictures is rounding
_SAME_ASPECT = Fraction(1, 200)  # relative difference of sample shapes that containers round away
_SAME_ANGLE = 0.2  # degrees; containers round turns
_SAME_PLACE = 1e-4  # degrees of latitude and longitude
_DATE_LETTERS = 19  # letters of a date and time up to the seconds
# Roles that follow from a stream's place in the file, or that people do not see.
_ROLES_OF_PLACE = {"default", "still_image", "dependent", "multilayer"}
_STREAM_KEYS = {"language"}  # metadata of streams that is compared on its own
_MPEG_SOUNDS = {"mp2", "mp3"}  # FFmpeg takes both for MP3 in MP4
_TEXT = "text"
_CODEC_CLASSES = {"subrip": _TEXT, "srt": _TEXT, "ass": _TEXT, "ssa": _TEXT, "webvtt": _TEXT, "mov_text": _TEXT}
_KIND_NAMES = {"audio": "sound"}
# Side data a viewer or an editor may miss, by FFmpeg's names.
_SIDE_DATA = {
    "A53_CC": "captions in the picture (CEA-608/708)",
    "STEREO3D": "stereo 3D tag",
    "AFD": "active format description (AFD)",
    "MASTERING_DISPLAY_METADATA": "HDR mastering display",
    "GOP_TIMECODE": "time codes in the picture",
    "S12M_TIMECODE": "time codes in the picture",
    "SPHERICAL": "spherical (360 degree) tag",
    "CONTENT_LIGHT_LEVEL": "HDR light levels (MaxCLL)",
    "ICC_PROFILE": "colour profile (ICC)",
    "DYNAMIC_HDR_PLUS": "HDR10+ metadata",
    "DYNAMIC_HDR_VIVID": "HDR Vivid metadata",
    "AMBIENT_VIEWING_ENVIRONMENT": "ambient viewing environment",
    "DOVI_RPU_BUFFER": "Dolby Vision metadata",
    "DOVI_METADATA": "Dolby Vision metadata",
    "FILM_GRAIN_PARAMS": "film grain parameters",
    "SEI_UNREGISTERED": "user data in the picture (SEI)",
}


@dataclass(frozen=True)
class Comparison:
    """How a result differs from its source.

    Attributes:
        lost: What the source has and the result has not.
        changed: What the result has in another form.
    """

    lost: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()

    @property
    def notes(self) -> list[str]:
        """One sentence on what is lost and changed; none if nothing is."""
        parts = []
        if self.lost:
            parts.append(f"not in the result: {', '.join(self.lost)}")
        if self.changed:
            parts.append(f"changed from the source: {', '.join(self.changed)}")
        return ["; ".join(parts)] if parts else []

    def leave_out(self, told: Collection[str]) -> Comparison:
        """Return the comparison without what is told elsewhere."""
        return Comparison(*(tuple(text for text in texts if text not in told) for texts in (self.lost, self.changed)))


def compare_files(
    source: Path | str,
    result: Path | str,
    *,
    keep_audio: str = KEEP_OTHERS,
    has_speech: bool = True,
    told: Collection[int] = (),
) -> Comparison:
    """Compare a result with its source. Takes some hundredths of a second.

    Args:
        source: The source.
        result: The result.
        keep_audio: Which sound streams of the source were to be kept: 'others', 'all', 'none'.
        has_speech: Whether the result's first sound stream is the speech.
        told: Numbers of the source's streams that are lost, as another note tells.

    Raises:
        InputError: A file cannot be read.
    """
    ours, theirs = read_contents(source), read_contents(result)
    return compare(ours, theirs, keep_audio=keep_audio, has_speech=has_speech, told=told)


def compare(
    source: Contents,
    result: Contents,
    *,
    keep_audio: str = KEEP_OTHERS,
    has_speech: bool = True,
    told: Collection[int] = (),
) -> Comparison:
    """Compare what a source and its result hold.

    Args:
        source: What the source holds.
        result: What the result holds.
        keep_audio: Which sound streams of the source were to be kept: 'others', 'all', 'none'. What was not to be
            kept is not missed.
        has_speech: Whether the result's first sound stream is the speech.
        told: Numbers of the source's streams that are lost, as another note tells.
    """
    lost: list[str] = []
    changed: list[str] = []
    if source.picture is not None and result.picture is not None:
        lost += _lost_of_picture(source.picture, result.picture)
        changed += _changes_of_picture(source.picture, result.picture)
    if source.picture is not None and source.picture.is_image:
        return Comparison(tuple(lost), tuple(changed))
    wanted = _wanted_streams(source, keep_audio, has_speech=has_speech)
    wanted = [stream for stream in wanted if not _is_generated(stream) and stream.index not in told]
    found = _leave_out_first_sound(result.streams) if has_speech else result.streams
    pairs = pair_streams(wanted, found)
    kept = [(stream, partner) for stream, partner in pairs if partner is not None]
    lost += [_describe(stream) for stream, partner in pairs if partner is None]
    lost += [f"{what} of {names}" for what, names, _ in _group(kept, lambda a, b: _lost_of_stream(a, b, source))]
    for change, names, count in _group(kept, _changes_of_stream):
        changed.append(f"{names} {'is' if count == 1 else 'are'} {change}")
    lost += _lost_of_file(source, result)
    return Comparison(tuple(dict.fromkeys(lost)), tuple(changed))


# -- streams


def _wanted_streams(source: Contents, keep_audio: str, *, has_speech: bool) -> Sequence[StreamContents]:
    """Return the streams of the source that the result was to have."""
    if keep_audio == KEEP_NOTHING:
        return tuple(stream for stream in source.streams if stream.kind != "audio")
    if keep_audio == KEEP_OTHERS and has_speech:
        return _leave_out_first_sound(source.streams)
    return source.streams


def _leave_out_first_sound(streams: Sequence[StreamContents]) -> tuple[StreamContents, ...]:
    first = next((stream for stream in streams if stream.kind == "audio"), None)
    return tuple(stream for stream in streams if stream is not first)


def pair_streams(
    source: Sequence[StreamContents], result: Sequence[StreamContents]
) -> list[tuple[StreamContents, StreamContents | None]]:
    """Find the stream of a result that came from each stream of its source.

    Streams of a kind keep their order. Of those that may be missing, the ones are taken to be so whose language,
    codec and title fit none that is left.

    Returns:
        Every stream of the source, with its partner or None.
    """
    pairs: dict[int, StreamContents | None] = {}
    for kind in dict.fromkeys(map(_pairing_kind, source)):
        ours = [stream for stream in source if _pairing_kind(stream) == kind]
        theirs = [stream for stream in result if _pairing_kind(stream) == kind]
        pairs |= dict(zip((stream.index for stream in ours), _align(ours, theirs), strict=True))
    return [(stream, pairs[stream.index]) for stream in source]


def _pairing_kind(stream: StreamContents) -> str:
    """Return the kind of streams among which a stream's partner is: covers are attachments or streams of a picture."""
    return COVER if stream.is_cover else stream.kind


def _align(ours: Sequence[StreamContents], theirs: Sequence[StreamContents]) -> list[StreamContents | None]:
    """Pair two lists in order so that the pairs fit best. Returns the partner of each stream of the first."""
    # best[i][j] is the fit and the partners of ours[i:] among theirs[j:].
    best: dict[tuple[int, int], tuple[int, list[StreamContents | None]]] = {}
    for i in range(len(ours), -1, -1):
        for j in range(len(theirs), -1, -1):
            if i == len(ours):
                best[i, j] = (0, [])
                continue
            fit, partners = best[i + 1, j]
            options = [(fit, [None, *partners])]
            if j < len(theirs):
                options.append(best[i, j + 1])
                fit, partners = best[i + 1, j + 1]
                if (own := _fit(ours[i], theirs[j])) > 0:
                    options.append((fit + own, [theirs[j], *partners]))
            best[i, j] = max(options, key=lambda option: option[0])
    return best[0, 0][1]


def _fit(ours: StreamContents, theirs: StreamContents) -> int:
    """Return how well two streams of a kind fit; 0 if one cannot have become the other."""
    if ours.kind in ("data", "attachment") and not ours.is_cover and ours.codec != theirs.codec:
        return 0
    same = [
        normalize_language(ours.language) == normalize_language(theirs.language),
        _codec_class(ours.codec) == _codec_class(theirs.codec),
        (ours.rate, ours.channels) == (theirs.rate, theirs.channels),
        ours.title == theirs.title,
    ]
    return 1 + sum(same)


def _codec_class(codec: str) -> str:
    """Return what a codec's content is; text subtitles are the same in every form."""
    return _CODEC_CLASSES.get(codec, codec)


def _is_generated(stream: StreamContents) -> bool:
    """Whether a stream only holds chapters or a time code, which are compared on their own."""
    return stream.chapters or stream.codec == _TIME_CODE_TAG


def _time_codes(contents: Contents) -> dict[str, None]:
    """Return the time codes a file has, wherever they are."""
    streams = [*contents.streams, *([contents.picture_stream] if contents.picture_stream is not None else [])]
    everywhere = [contents.metadata, *(stream.metadata for stream in streams)]
    return {text: None for metadata in everywhere for key, text in metadata.items() if key.lower() == _TIME_CODE}


def _group(
    pairs: Sequence[tuple[StreamContents, StreamContents]],
    tell: Callable[[StreamContents, StreamContents], Iterator[str]],
) -> Iterator[tuple[str, str, int]]:
    """Yield what is told of pairs of streams, the names of the streams of which it is told, and how many they are."""
    groups: dict[tuple[str, str], list[int]] = {}
    for ours, theirs in pairs:
        for text in tell(ours, theirs):
            groups.setdefault((text, _kind_name(ours)), []).append(ours.index)
    for (text, kind), numbers in groups.items():
        plural = "s" if len(numbers) > 1 else ""
        yield text, f"{kind}{plural} {join_names([str(number) for number in numbers])}", len(numbers)


def _lost_of_stream(ours: StreamContents, theirs: StreamContents, source: Contents) -> Iterator[str]:
    """Yield what a kept stream has lost. What the source says of the whole file, too, is not missed here."""
    if ours.language and not is_same_language(ours.language, theirs.language):
        yield f"the language {ours.language}"
    for role in sorted(ours.dispositions - theirs.dispositions - _ROLES_OF_PLACE):
        yield f"the role '{role.replace('_', ' ')}'"
    told = ours.metadata.items()
    own = {key: value for key, value in told if value not in source.metadata.values() and key not in _STREAM_KEYS}
    keys = _lost_keys(own, theirs.metadata)
    if keys and not ours.is_cover:  # containers name covers in their own way
        yield f"the metadata {join_names(keys)}"


def _changes_of_stream(ours: StreamContents, theirs: StreamContents) -> Iterator[str]:
    """Yield how a kept stream is changed."""
    if ours.codec != theirs.codec and not {ours.codec, theirs.codec} <= _MPEG_SOUNDS:
        yield f"{theirs.codec} instead of {ours.codec}"
    if ours.rate != theirs.rate:
        yield f"at {theirs.rate} instead of {ours.rate} Hz"
    if ours.channels != theirs.channels:
        yield f"of {theirs.channels} instead of {ours.channels} channels"


def _kind_name(stream: StreamContents) -> str:
    """Return what a person calls a stream."""
    return "cover picture" if stream.is_cover else f"{_KIND_NAMES.get(stream.kind, stream.kind)} stream"


def _describe(stream: StreamContents) -> str:
    """Return a stream's kind and number, with its codec, language and title."""
    name = f"{_kind_name(stream)} {stream.index}"
    details = [detail for detail in (stream.codec, stream.language, stream.title) if detail]
    return f"{name} ({', '.join(details)})" if details else name


# -- the picture


def _lost_of_picture(ours: PictureContents, theirs: PictureContents) -> Iterator[str]:
    """Yield what the picture has lost."""
    missing = ours.side_data - theirs.side_data
    yield from dict.fromkeys(f"the {name}" for kind, name in _SIDE_DATA.items() if kind in missing)
    if ours.is_image:
        return
    is_alike = _is_shown_alike(ours, theirs)
    if not is_alike:
        turn = f"{ours.rotation:g} degrees" + (" and a flip" if ours.mirrored else "")
        yield f"the rotation of the picture ({turn})"
    is_turned = is_alike and not _is_same_angle(2 * ours.rotation, 2 * theirs.rotation)
    if abs(theirs.aspect / (1 / ours.aspect if is_turned else ours.aspect) - 1) > _SAME_ASPECT:
        yield f"the pixel shape {ours.aspect.numerator}:{ours.aspect.denominator}"
    if ours.field_order not in (PROGRESSIVE, theirs.field_order):
        what = "interlaced coding" if theirs.field_order == PROGRESSIVE else "field order"
        yield f"the {what} ({ours.field_order})"
    tags = list(_lost_colour_tags(ours, theirs))
    if tags:
        yield f"the colour tags {join_names(tags)}"


def _is_shown_alike(ours: PictureContents, theirs: PictureContents) -> bool:
    """Whether players turn both pictures alike, or the result's is turned already."""
    if ours.mirrored == theirs.mirrored and _is_same_angle(ours.rotation, theirs.rotation):
        return True
    if not Turn(ours.rotation).is_quarter or not Turn(theirs.rotation).is_quarter:
        return False
    shown = _turn(theirs.thumbnail, round(theirs.rotation / 90), mirrored=theirs.mirrored).astype(float)
    turns = ((number, mirrored) for mirrored in (False, True) for number in range(4))
    nearest = min(turns, key=lambda turn: np.abs(_turn(ours.thumbnail, turn[0], mirrored=turn[1]) - shown).sum())
    return nearest == (round(ours.rotation / 90) % 4, ours.mirrored)


def _is_same_angle(one: float, other: float) -> bool:
    """Whether two angles in degrees are the same, but for rounding."""
    return abs((one - other + 180) % 360 - 180) <= _SAME_ANGLE


def _turn(picture: U8, turns: int, *, mirrored: bool) -> U8:
    """Return a picture turned counterclockwise, and then flipped left to right if it is ``mirrored``."""
    turned = np.rot90(picture, turns)
    return turned[:, ::-1] if mirrored else turned


def _lost_colour_tags(ours: PictureContents, theirs: PictureContents) -> Iterator[str]:
    before, after = ours.colour, theirs.colour
    # RGB has one matrix and its full range, with or without tags; another kind of picture has tags of its own.
    has_own_tags = _colour_kind(ours.pix_fmt) == "rgb" or _colour_kind(ours.pix_fmt) != _colour_kind(theirs.pix_fmt)
    if before.range_raw not in (RANGE_UNSPECIFIED, after.range_raw) and not has_own_tags:
        yield "range"
    for kind, old, new, names in (
        ("matrix", before.matrix_raw, after.matrix_raw, MATRIX_NAMES),
        ("primaries", before.primaries_raw, after.primaries_raw, PRIMARIES_NAMES),
        ("transfer", before.transfer_raw, after.transfer_raw, TRANSFER_NAMES),
    ):
        if old not in (UNSPECIFIED, new) and not (has_own_tags and kind == "matrix"):
            yield f"{kind} {names.get(old, old)}"
    layout = plane_layout(theirs.pix_fmt)
    has_places = layout is not None and layout.step != (1, 1)
    if has_places and before.chroma_place not in (CHROMA_PLACE_UNKNOWN, DEFAULT_CHROMA_PLACE, after.chroma_place):
        yield f"chroma place {before.chroma_place}"


def _colour_kind(pix_fmt: str) -> str:
    """Return "yuv", "rgb" or "gray"."""
    layout = plane_layout(pix_fmt)
    return layout.kind if layout is not None else ""


def _changes_of_picture(ours: PictureContents, theirs: PictureContents) -> Iterator[str]:
    """Yield how the picture is changed, but for what the encoder's plan tells: lost opacity, sizes made even."""
    if ours.pix_fmt not in (theirs.pix_fmt, theirs.pix_fmt.replace("yuv", "yuva")):
        yield f"the picture is {theirs.format_name} instead of {ours.format_name}"
    if ours.is_image:
        return
    if ours.codec != theirs.codec:
        yield f"the picture is coded as {theirs.codec} instead of {ours.codec}"
    elif ours.codec == "prores" and ours.tag != theirs.tag:
        yield f"the picture is ProRes {theirs.tag} instead of {ours.tag}"
    even = ours.size[0] // 2 * 2, ours.size[1] // 2 * 2
    if theirs.size not in (ours.size, even) and ours.size != theirs.size[::-1]:
        yield "the picture is {}x{} instead of {}x{}".format(*theirs.size, *ours.size)
    if abs(ours.first_time - theirs.first_time) > _SAME_TIME:
        yield f"the first picture is shown at {float(theirs.first_time):.3f} instead of {float(ours.first_time):.3f} s"


# -- the file


def _lost_of_file(source: Contents, result: Contents) -> Iterator[str]:
    """Yield what the file as a whole, or its picture's stream, has lost."""
    titles = [chapter.title for chapter in result.chapters]
    missing = [chapter for chapter in source.chapters if chapter.title not in titles]
    if len(result.chapters) < len(source.chapters) or missing:
        count = max(len(missing), len(source.chapters) - len(result.chapters))
        yield f"{count} of {len(source.chapters)} chapters"
    if source.programs:
        yield f"the program table ({join_names([name or 'no name' for name in source.programs])})"
    codes = list(_time_codes(source).keys() - _time_codes(result).keys())
    if codes:
        yield f"the time code {join_names(codes)}"
    keys = _lost_keys(source.metadata, result.metadata)
    if keys:
        yield f"the metadata {join_names(keys)}"
    ours, theirs = source.picture_stream, result.picture_stream
    if ours is not None and theirs is not None:
        yield from (f"{what} of the picture" for what in _lost_of_stream(ours, theirs, source))


def _lost_keys(before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Return the keys whose values are not in the metadata of the result, under any key."""
    values = set(after.values())

    def is_kept(key: str, value: str) -> bool:
        same_key = [text for other, text in after.items() if other.lower() == key.lower()]
        return value in values or any(
            value in text or _is_same_date(value, text) or _is_same_place(value, text) for text in same_key
        )

    told = {key: value for key, value in lasting_metadata(before).items() if value}
    return [key for key, value in told.items() if key.lower() != _TIME_CODE and not is_kept(key, value)]


def _is_same_date(one: str, other: str) -> bool:
    """Whether two texts are the same date and time; containers keep it to the second."""
    return one[:_DATE_LETTERS].replace("T", " ") == other[:_DATE_LETTERS].replace("T", " ")


def _is_same_place(one: str, other: str) -> bool:
    """Whether two texts are the same place on earth (ISO 6709); containers write numbers with digits of their own."""
    places = [[float(number) for number in re.findall(r"[+-]\d+(?:\.\d+)?", text)] for text in (one, other)]
    return min(map(len, places)) > 1 and np.allclose(places[0][:2], places[1][:2], atol=_SAME_PLACE)
