"""What a result lacks of its source, as ffprobe tells it: the other half of the tests of lipdub's comparison."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

from lipdub.media.mux import mux
from lipdub.media.mux_plan import PictureInput, SourceInput, SpeechInput
from lipdub.media.probe import probe
from lipdub.media.read import read_frames
from lipdub.media.video_encoder import VideoCodec
from lipdub.media.write import write_segment

if TYPE_CHECKING:
    from pathlib import Path

STALE = {"major_brand", "minor_version", "compatible_brands", "encoder", "duration", "handler_name", "vendor_id"}
TEXT = {"subrip", "ass", "mov_text", "webvtt"}
SIDE_DATA = {
    "Mastering display metadata": "HDR mastering display",
    "Content light level metadata": "HDR light levels",
    "Stereo 3D": "stereo 3D",
    "ATSC A53 Part 4 Closed Captions": "captions",
    "ICC profile": "colour profile",
    "Spherical Mapping": "spherical",
    "GOP timecode": "time codes in the picture",
}
RESULTS = (".mp4", ".mov", ".mkv", ".webm", ".avi")
SAME_LANGUAGES = {"fra": "fre", "fre": "fra", "deu": "ger", "ger": "deu"}
FRAMES = 2


@dataclass(frozen=True)
class Loss:
    """Something ffprobe misses in a result.

    Attributes:
        what: For people.
        pattern: What the note must say of it.
        count: How often.
    """

    what: str
    pattern: str
    count: int = 1


def make_result(source: Path, out: Path, speech: Path) -> list[str]:
    """Put the source's own first frames and a speech into a result, as a dub does. Returns its notes."""
    facts = probe(source)
    assert facts.video is not None
    piece = out.with_suffix(".seg")
    preset = {".webm": "8"}.get(out.suffix)
    codec = VideoCodec(preset=preset, container=out.suffix)
    write_segment(piece, ((frame.picture, frame.pts) for frame in read_frames(source)), facts.video, codec)
    return mux(PictureInput([piece]), SpeechInput(speech, start=facts.start_time), SourceInput(source, facts), out)


def ffprobe(path: Path) -> dict[str, Any]:
    """What ffprobe tells of a file, with the first frames of its picture."""
    show = ["-show_streams", "-show_format", "-show_chapters", "-show_programs", "-show_frames"]
    command = ["ffprobe", "-v", "error", "-of", "json", *show, str(path)]
    facts = json.loads(subprocess.run(command, capture_output=True, check=True).stdout)
    picture = _picture(facts)["index"]
    facts["frames"] = [frame for frame in facts["frames"] if frame.get("stream_index") == picture][:FRAMES]
    return dict(facts)


def list_losses(source: Path, result: Path) -> list[Loss]:
    """Return what the source has and the result of :func:`make_result` has not, by ffprobe alone."""
    before, after = ffprobe(source), ffprobe(result)
    losses = [
        *_lost_streams(before, after, result.read_bytes()),
        *_lost_picture(before, after),
        *_lost_tags(before["format"].get("tags", {}), after["format"].get("tags", {})),
    ]
    missing = len(before["chapters"]) - len(after["chapters"])
    if missing > 0:
        losses.append(Loss(f"{missing} chapters", f"^{missing} of {len(before['chapters'])} chapters$"))
    codes = _codes(before) - _codes(after)
    if codes:
        losses.append(Loss("time code", "^the time code"))
    names = [program.get("tags", {}).get("service_name", "") for program in before["programs"]]
    if len(names) > len(after["programs"]) and (len(names) > 1 or set(names) - {"", "Service01"}):
        losses.append(Loss("programs", "^the program table"))
    return losses


def check(losses: list[Loss], items: list[str]) -> list[str]:
    """Return what is said of a result and is not so, and what is so and not said."""
    faults = [f"unsaid: {loss.what}" for loss in losses if _count(loss.pattern, items) < loss.count]
    false = [item for item in items if not any(re.search(loss.pattern, item) for loss in losses)]
    return faults + [f"not so: {item}" for item in false]


def _count(pattern: str, items: list[str]) -> int:
    return sum(re.search(pattern, item) is not None for item in items)


def _picture(facts: dict[str, Any]) -> dict[str, Any]:
    """The video stream that lipdub takes: the first that is no cover."""
    return next(s for s in facts["streams"] if s["codec_type"] == "video" and not s["disposition"]["attached_pic"])


def _codes(facts: dict[str, Any]) -> set[str]:
    tags = [facts["format"].get("tags", {}), *(stream.get("tags", {}) for stream in facts["streams"])]
    return {value for tag in tags for key, value in tag.items() if key.lower() == "timecode"}


def _lost_streams(before: dict[str, Any], after: dict[str, Any], content: bytes) -> list[Loss]:
    losses: list[Loss] = []
    for kind, name in (
        ("audio", "sound"),
        ("video", "(video|cover picture)"),
        ("subtitle", "subtitle"),
        ("data", "data"),
        ("attachment", "attachment"),
    ):
        ours = [s for s in before["streams"] if s["codec_type"] == kind and not _is_anew(s)]
        theirs = [s for s in after["streams"] if s["codec_type"] == kind and not _is_anew(s)]
        if kind == "audio":
            ours, theirs = ours[1:], theirs[1:]  # the speech takes the place of the first
        elif kind == "video":
            ours.remove(_picture(before))
            theirs.remove(_picture(after))
        missing = len(ours) - len(theirs)
        if missing > 0:
            losses.append(Loss(f"{missing} {kind} streams", rf"^{name}( stream)? \d+ \(", missing))
        if missing == 0:
            for one, other in zip(ours, theirs, strict=True):
                losses += _lost_of_stream(
                    one, other, rf"{name}( stream)?s? ([0-9, ]+|and )*\b{one['index']}\b.*", content
                )
    losses += _lost_of_stream(_picture(before), _picture(after), "the picture", content)
    return losses


def _is_anew(stream: dict[str, Any]) -> bool:
    """Whether a stream only holds chapters or a time code."""
    return stream["codec_type"] == "data" and stream["codec_tag_string"] in ("text", "tmcd")


def _lost_of_stream(one: dict[str, Any], other: dict[str, Any], name: str, content: bytes) -> list[Loss]:
    """What a stream has lost. Titles are looked for in the bytes: ffprobe before 7 does not show them in MP4."""
    losses = []
    tags, kept = one.get("tags", {}), other.get("tags", {})
    language = tags.get("language", "und")
    if language not in ("und", kept.get("language"), SAME_LANGUAGES.get(kept.get("language", ""))):
        losses.append(Loss(f"language {language}", f"^the language {language} of {name}$"))
    ours = {role for role, is_set in one["disposition"].items() if is_set}
    theirs = {role for role, is_set in other["disposition"].items() if is_set}
    losses += [
        Loss(f"role {role}", f"^the role '{role.replace('_', ' ')}' of {name}$") for role in ours - theirs - {"default"}
    ]
    if one.get("codec_name") != other.get("codec_name") and (one["codec_name"], other["codec_name"]) != ("mp2", "mp3"):
        verb = "is coded as" if name == "the picture" else "(is|are)"
        losses.append(Loss("codec", f"^{name} {verb} {other['codec_name']} instead of {one['codec_name']}$"))
    losses += [
        Loss(key, f"^{name} (is|are) .* instead of {one[key]}( Hz| channels)$")
        for key in ("sample_rate", "channels")
        if one.get(key) != other.get(key)
    ]
    for key, value in _lasting(tags).items():
        is_told_anew = key in ("language", "timecode", "creation_time", "filename", "mimetype")
        is_in_the_bytes = len(value) > 3 and value.encode() in content
        if not is_told_anew and value not in kept.values() and not is_in_the_bytes:
            losses.append(Loss(f"tag {key}", f"^the metadata .*{re.escape(key)}.* of {name}$"))
    return losses


def _lasting(tags: dict[str, str]) -> dict[str, str]:
    stale = ("_STATISTICS", "NUMBER_OF", "BPS", "DURATION")
    return {key: value for key, value in tags.items() if key.lower() not in STALE and not key.startswith(stale)}


def _lost_tags(before: dict[str, str], after: dict[str, str]) -> list[Loss]:
    lost = [key for key, value in _lasting(before).items() if value not in after.values() and key != "timecode"]
    return [Loss(f"tag {key}", r"^the metadata (?!.* of (the picture|\w+ streams? [^,]*\d+)$)") for key in lost]


def _lost_picture(before: dict[str, Any], after: dict[str, Any]) -> list[Loss]:
    losses = []
    one, other = _picture(before), _picture(after)
    ours, theirs = (_side_data(facts) for facts in (before, after))
    losses += [Loss(kind, text) for kind, text in SIDE_DATA.items() if kind in ours - theirs]
    is_stored_upright = (
        _turn(one) % 180
        and _turn(other) == 0
        and (one["width"], one["height"])
        == (
            other["height"],
            other["width"],
        )
    )
    if _turn(one) != _turn(other) and not is_stored_upright:
        losses.append(Loss("rotation", "^the rotation"))
    if abs(_aspect(one) / _aspect(other) - 1) > 0.005:
        losses.append(Loss("aspect", "^the pixel shape"))
    order, new_order = _field_order(before), _field_order(after)
    if order and order != new_order:
        losses.append(Loss(f"field order {order}", "^the (interlaced coding|field order)"))
    has_own_tags = "gbr" in _format(one) or "gbr" in _format(other)  # RGB has one matrix and range, tagged or not
    for key, word in (("color_space", "matrix"), ("color_primaries", "primaries"), ("color_transfer", "transfer")):
        if one.get(key, "unknown") not in ("unknown", other.get(key)) and not (has_own_tags and word == "matrix"):
            losses.append(Loss(key, f"^the colour tags .*{word}"))
    if one.get("color_range", "unknown") not in ("unknown", other.get("color_range")) and not has_own_tags:
        losses.append(Loss("color_range", "^the colour tags .*range"))
    place = one.get("chroma_location", "left")
    has_rows_between = not any(form in _format(other) for form in ("444", "422", "gbr"))  # else top and left are one
    if place not in ("unspecified", "left", other.get("chroma_location")) and has_rows_between:
        losses.append(Loss("chroma_location", "^the colour tags .*chroma place"))
    if _format(one) != _format(other):
        losses.append(Loss("pix_fmt", "^the picture is .* instead of"))
    if one["codec_tag_string"] != other["codec_tag_string"] and one["codec_name"] == other["codec_name"] == "prores":
        losses.append(Loss("ProRes profile", "^the picture is ProRes"))
    times = [float(facts["frames"][0].get("pts_time", 0)) for facts in (before, after) if facts["frames"]]
    if max(times) - min(times) > 0.02:
        losses.append(Loss("first picture", "^the first picture"))
    return losses


def _side_data(facts: dict[str, Any]) -> set[str]:
    places = [_picture(facts), *facts["frames"]]
    found = [data for place in places for data in place.get("side_data_list", [])]
    return {data["side_data_type"] for data in found if data.get("timecode") != "00:00:00:00"}


def _turn(stream: dict[str, Any]) -> float:
    return sum(float(data.get("rotation", 0)) for data in stream.get("side_data_list", []))


def _aspect(stream: dict[str, Any]) -> float:
    return float(Fraction(stream.get("sample_aspect_ratio", "1:1").replace(":", "/")))


def _field_order(facts: dict[str, Any]) -> str:
    """Which field is first, "t" or "b"; empty for whole frames."""
    for frame in facts["frames"]:
        if int(frame["interlaced_frame"]):
            return "t" if int(frame["top_field_first"]) else "b"
    order = str(_picture(facts).get("field_order", "unknown"))
    return "" if order in ("progressive", "unknown") else order[0]


def _format(stream: dict[str, Any]) -> str:
    """The pixel format in its planar form."""
    name = str(stream.get("pix_fmt", "unknown to ffprobe")).replace("yuvj", "yuv")
    return {"bgr0": "gbrp", "rgb24": "gbrp", "bgra": "gbrap", "pal8": "gbrap"}.get(name, name)
