"""The arguments of the final ffmpeg command, one builder at a time."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from lipdub.media.audio import AudioSource
from lipdub.media.audio_encoder import SpeechEncoder
from lipdub.media.channel_layouts import LayoutFit
from lipdub.media.containers import container_for
from lipdub.media.copied_streams import CopiedStream
from lipdub.media.join import JoinedVideo, SegmentNote
from lipdub.media.mux_options import (
    CoverFile,
    chapter_text,
    colour_options,
    container_options,
    copied_options,
    cover_options,
    format_seconds,
    metadata_options,
    picture_options,
    source_input_options,
    speech_options,
    stream_metadata_options,
)
from lipdub.media.mux_plan import MuxPlan, SpeechTrack, place_samples, speech_begin
from lipdub.media.probe import Chapter, MediaFacts

if TYPE_CHECKING:
    from collections.abc import Sequence

UNTAGGED = {"range_raw": 0, "matrix_raw": 2, "primaries_raw": 2, "transfer_raw": 2}
NOTE = SegmentNote(0, Fraction(1, 1000), UNTAGGED, 0, mirrored=False, codec="h264", aspect=None)
JOINED = JoinedVideo(Path("video.mp4"), NOTE, first=500, end=2500, shift=0, size=(64, 48))
FACTS = MediaFacts(Path("in.mp4"), "mov,mp4", Fraction(0), Fraction(3), None)
SOURCE = AudioSource(48000, 1, "mono", "s16", lossless=True, bits=16, start=Fraction(0))
TRACK = SpeechTrack(
    Path("speech.wav"), Fraction(1, 2), SOURCE, SpeechEncoder("aac", 48000, 128_000, LayoutFit("mono", 1))
)
SOUND_METADATA = {"language": "deu", "name": "Music", "handler_name": "x", "timecode": "10:00:00:00"}
SOUND = CopiedStream(3, "audio")


def make_plan(suffix: str = ".mp4", copied: Sequence[CopiedStream] = (), **changes: Any) -> MuxPlan:
    plan = MuxPlan(JOINED, container_for(suffix), Path("in.mp4"), FACTS, copied=tuple(copied))
    return replace(plan, **changes)


def make_note(**changes: Any) -> JoinedVideo:
    return replace(JOINED, note=replace(NOTE, **changes))


@pytest.mark.parametrize(
    ("sound_start", "begin", "end", "expected"),
    [
        (Fraction(1), Fraction(0), None, (48000, 0, None)),
        (Fraction(0), Fraction(1), None, (0, 48000, None)),
        (Fraction(1), Fraction(1), Fraction(2), (0, 0, 48000)),
        (Fraction(1), Fraction(1), Fraction(0), (0, 0, 1)),  # a track has at least one sample
    ],
)
def test_place_samples(
    sound_start: Fraction, begin: Fraction, end: Fraction | None, expected: tuple[int, int, int | None]
) -> None:
    placement = place_samples(sound_start, begin, end, 48000)
    assert (placement.lead, placement.skip, placement.limit) == expected


def test_speech_begins_where_the_source_begins() -> None:
    mp4, mkv, avi = (container_for(suffix) for suffix in (".mp4", ".mkv", ".avi"))
    third = Fraction(1, 3)
    assert speech_begin(JOINED, mp4, third) == third  # sound before the picture
    assert speech_begin(JOINED, mp4, Fraction(2)) == Fraction(1, 2)  # picture before the sound
    assert speech_begin(JOINED, mkv, third) == Fraction(333, 1000)  # whole milliseconds
    assert speech_begin(replace(JOINED, shift=1000), mp4, third) == 0
    assert speech_begin(JOINED, avi, third) == Fraction(1, 2)  # no start times


def test_speech_options() -> None:
    assert speech_options(make_plan()) == {}
    assert speech_options(make_plan(speech=TRACK)) == {
        "c:a:0": "aac",
        "ar:a:0": "48000",
        "b:a:0": "128000",
        "disposition:a:0": "default",
    }
    surround = replace(SOURCE, channels=6)
    opus = replace(
        TRACK, source=surround, encoder=SpeechEncoder("libopus", 48000, None, LayoutFit("5.1", 6)), language="jpn"
    )
    options = speech_options(make_plan(speech=opus))
    assert options["mapping_family:a:0"] == "1"
    assert options["strict"] == "experimental"
    assert options["metadata:s:a:0"] == "language=jpn"
    assert "b:a:0" not in options
    assert "strict" not in speech_options(make_plan(".mkv", speech=opus))


def test_copied_streams_are_numbered_after_the_result_s_own() -> None:
    streams = [CopiedStream(5, "subtitle", "mov_text"), SOUND, CopiedStream(4, "audio"), CopiedStream(6, "video")]
    specifiers = [specifier for specifier, _ in make_plan(copied=streams).ordered_streams]
    assert specifiers == ["a:0", "a:1", "v:1", "s:0"]
    plan = make_plan(copied=streams, speech=TRACK)
    assert [(specifier, stream.index) for specifier, stream in plan.ordered_streams] == [
        ("a:1", 3),
        ("a:2", 4),
        ("v:1", 6),
        ("s:0", 5),
    ]


def test_copied_options() -> None:
    assert copied_options(make_plan()) == {}
    assert copied_options(make_plan(copied=[SOUND])) == {"c:a:0": "copy", "copypriorss:a:0": "1"}
    assert copied_options(make_plan(".mkv", copied=[SOUND]))["copypriorss:a:0"] == "0"
    assert copied_options(make_plan(copied=[SOUND], speech=TRACK))["disposition:a:1"] == "-default"
    assert copied_options(make_plan(".avi", copied=[SOUND])) == {"c:a:0": "pcm_s16le"}
    encoded = [CopiedStream(3, "audio", "libopus"), CopiedStream(4, "subtitle", "webvtt")]
    assert copied_options(make_plan(".webm", copied=encoded)) == {
        "c:a:0": "libopus",
        "ar:a:0": "48000",
        "c:s:0": "webvtt",
    }


def test_sounds_that_older_releases_call_experimental() -> None:
    flac = [CopiedStream(3, "audio", codec="flac")]
    assert copied_options(make_plan(copied=flac))["strict"] == "experimental"
    assert "strict" not in copied_options(make_plan(".mkv", copied=flac))


def test_stream_metadata_options() -> None:
    streams = [
        CopiedStream(3, "audio", metadata=SOUND_METADATA),
        CopiedStream(4, "subtitle", metadata={"language": "fre"}),
    ]
    for ending, languages in {".mkv": ("deu", "fre"), ".mp4": ("deu", "fra"), ".mov": ("ger", "fra")}.items():
        assert stream_metadata_options(make_plan(ending, copied=streams)) == [
            *("-metadata:s:a:0", f"language={languages[0]}"),
            *("-metadata:s:a:0", "title=Music"),
            *("-metadata:s:s:0", f"language={languages[1]}"),
        ]


def test_sounds_that_are_laid_out_anew_keep_their_roles() -> None:
    fit = LayoutFit("stereo", 2, is_mixed=True)
    stream = CopiedStream(3, "audio", "aac", fit=fit, roles=("default", "comment", "forced"))
    assert copied_options(make_plan(copied=[stream], speech=TRACK))["disposition:a:1"] == "comment+forced"
    assert copied_options(make_plan(copied=[stream]))["disposition:a:0"] == "default+comment+forced"
    assert copied_options(make_plan(copied=[replace(stream, roles=())]))["disposition:a:0"] == "0"


def test_covers_follow_the_attachments() -> None:
    streams = [CopiedStream(5, "cover", codec="png"), CopiedStream(4, "attachment")]
    plan = make_plan(".mkv", copied=streams)
    assert [specifier for specifier, _ in plan.ordered_streams] == ["t:0"]
    assert cover_options(plan, [CoverFile(Path("cover5"), "png")]) == [
        *("-attach", "cover5"),
        *("-metadata:s:t:1", "mimetype=image/png"),
        *("-metadata:s:t:1", "filename=cover.png"),
    ]
    assert cover_options(make_plan(), []) == []
    plan = make_plan(copied=[CopiedStream(3, "video"), CopiedStream(5, "cover")])
    assert cover_options(plan, [CoverFile(Path("cover5"), "png")]) == [
        "-c:v:2",
        "copy",
        "-disposition:v:2",
        "attached_pic",
    ]


def test_source_input_options() -> None:
    assert source_input_options(make_plan()) == {}
    assert source_input_options(make_plan(end=Fraction(4))) == {}  # after the source's end
    assert source_input_options(make_plan(end=Fraction(1))) == {"t": "1.000000"}
    late = replace(FACTS, start_time=Fraction(2))
    assert source_input_options(make_plan(facts=late, end=Fraction(1)))["t"] == "0.001000"
    assert source_input_options(make_plan(joined=replace(JOINED, shift=1500)))["itsoffset"] == "-1.500000"


def test_picture_options() -> None:
    assert picture_options(make_plan()) == {"c:v:0": "copy", "disposition:v:0": "default"}
    assert picture_options(make_plan(joined=make_note(codec="hevc")))["tag:v:0"] == "hvc1"
    assert "tag:v:0" not in picture_options(make_plan(".mkv", joined=make_note(codec="hevc")))
    assert picture_options(make_plan(joined=make_note(aspect=Fraction(4, 3))))["aspect:v:0"] == "16:9"
    # Terms that ffmpeg would round are left to the stream.
    assert "aspect:v:0" not in picture_options(make_plan(joined=make_note(aspect=Fraction(257, 3))))


def test_colour_options() -> None:
    assert colour_options(UNTAGGED, "h264") == {}
    assert colour_options(
        UNTAGGED | {"range_raw": 2, "matrix_raw": 9, "primaries_raw": 9, "transfer_raw": 16}, "av1"
    ) == {
        "color_range:v:0": "2",
        "colorspace:v:0": "9",
        "color_primaries:v:0": "9",
        "color_trc:v:0": "16",
    }
    lone = colour_options(UNTAGGED | {"range_raw": 1}, "h264")
    assert lone == {"color_range:v:0": "1", "bsf:v:0": "h264_metadata=video_full_range_flag=0"}
    assert "bsf:v:0" not in colour_options(UNTAGGED | {"range_raw": 1}, "vp9")
    assert "bsf:v:0" not in colour_options(UNTAGGED | {"range_raw": 1, "matrix_raw": 1}, "h264")


def test_container_options() -> None:
    mp4, mkv, avi = (container_options(make_plan(suffix)) for suffix in (".mp4", ".mkv", ".avi"))
    assert (mp4["f"], mkv["f"], avi["f"]) == ("mp4", "matroska", "avi")
    assert mp4["movflags"] == "+faststart"
    assert mp4["video_track_timescale"] == mp4["movie_timescale"] == "1000"
    assert mkv["avoid_negative_ts"] == "disabled"
    phone = replace(FACTS, metadata={"com.apple.quicktime.make": "Apple"})
    camera = replace(FACTS, metadata={"model": "X1"})
    for facts, suffix, has_table in [
        (phone, ".mp4", True),
        (phone, ".mov", True),
        (camera, ".mp4", True),
        (camera, ".mov", False),
        (replace(FACTS, metadata={"DIRECTOR": "Ann", "comment": "c"}), ".mp4", True),
        (replace(FACTS, metadata={"DIRECTOR": "Ann", "comment": "c"}), ".mov", True),
        (replace(FACTS, metadata={"DIRECTOR": "Ann", "title": "T"}), ".mp4", False),  # players must find the title
        (replace(FACTS, metadata={"title": "T", "comment": "c", "encoder": "e"}), ".mp4", False),
    ]:
        flags = container_options(make_plan(suffix, facts=facts))["movflags"]
        assert ("use_metadata_tags" in flags) == has_table
    assert "movflags" not in container_options(make_plan(".mkv", facts=phone))
    assert "avoid_negative_ts" not in mp4
    assert set(avi) == {"f", "map_metadata:g", "max_muxing_queue_size", "max_interleave_delta"}


def test_metadata_options() -> None:
    file = {"title": "A film", "encoder": "Lavf", "comment": "old"}
    picture = {
        "handler_name": "x",
        "_STATISTICS_TAGS": "BPS",
        "BPS-eng": "9",
        "DURATION-eng": "1",
        "name": "camera",
    }
    assert metadata_options(file, {"comment": "new"}, picture) == [
        *("-metadata", "title=A film"),
        *("-metadata", "comment=new old"),
        *("-metadata:s:v:0", "name=camera"),
    ]
    assert metadata_options({"COMMENT": "new old"}, {"comment": "new"}, {}) == ["-metadata", "comment=new old"]


def test_chapters_are_moved_cut_and_escaped() -> None:
    chapters = [
        Chapter(Fraction(0), Fraction(1), "before"),
        Chapter(Fraction(1, 2), Fraction(2), "a=b;c#d\\e\nf"),
    ]
    lines = chapter_text(chapters, Fraction(1)).split("\n")
    assert lines[:5] == [";FFMETADATA1", "[CHAPTER]", "TIMEBASE=1/1000000", "START=0", "END=1000000"]
    assert "\n".join(lines[5:]) == "title=a\\=b\\;c\\#d\\\\e\\\nf\n"


def test_format_seconds() -> None:
    assert format_seconds(Fraction(1, 3)) == "0.333333"
