"""What the note says of a result is true by ffprobe, and nothing ffprobe misses goes unsaid."""

from __future__ import annotations

import shutil
from dataclasses import replace
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from PIL import Image

from lipdub.media.colour import ColourTags
from lipdub.media.comparison import Comparison, compare, compare_files, pair_streams
from lipdub.media.contents import Contents, PictureContents, StreamContents, read_contents
from lipdub.media.frame_tags import BOTTOM_FIELD_FIRST, PROGRESSIVE, TOP_FIELD_FIRST
from lipdub.media.probe import Chapter
from tests.media import rich_files
from tests.media.carried import check, list_losses, make_result
from tests.sounds import write_tone

if TYPE_CHECKING:
    from pathlib import Path

# A part of what `python -m tests.bench.carried` runs over.
PAIRS = [
    ("sounds_mp4", ".mov"),
    ("sounds_mp4", ".webm"),
    ("rich_mkv", ".mp4"),
    ("rich_mkv", ".avi"),
    ("subtitles_mp4", ".mkv"),
    ("time_code_mov", ".mkv"),
    ("time_code_mov", ".avi"),
    ("timed_metadata_mov", ".mov"),
    ("phone_mov", ".mp4"),
    ("phone_mov", ".avi"),
    ("cover_mp4", ".mkv"),
    ("cover_mkv", ".mov"),
    ("turned_mp4", ".avi"),
    ("hdr_mp4", ".mp4"),
    ("interlaced_mp4", ".mp4"),
    ("broadcast_ts", ".mkv"),
    ("vp9_webm", ".mov"),
    ("prores_mov", ".mkv"),
    ("ffv1_mkv", ".mp4"),
    ("camera_mxf", ".mov"),
    ("stereo_mkv", ".mp4"),
    ("tagged_mp4", ".avi"),
    ("free_ogv", ".mp4"),
    ("opacity_mov", ".webm"),
    ("captions_mp4", ".webm"),
    ("captions_mp4", ".mov"),
    ("tape_avi", ".webm"),
    ("animation_gif", ".mp4"),
]
PICTURE = PictureContents(
    codec="h264",
    tag="avc1",
    pix_fmt="yuv420p",
    format_name="yuv420p",
    size=(96, 64),
    first_time=Fraction(0),
    aspect=Fraction(1),
    rotation=0,
    mirrored=False,
    colour=ColourTags(),
    field_order=PROGRESSIVE,
    thumbnail=np.arange(256, dtype=np.uint8).reshape(16, 16),
    side_data=frozenset(),
    is_image=False,
)
SPEECH = StreamContents(1, "audio", "aac")
FILE = Contents("mov,mp4", PICTURE, StreamContents(0, "video", "h264"), (SPEECH,), {}, ())


@pytest.mark.quick_cases(6)
@pytest.mark.parametrize(("maker", "ending"), PAIRS)
def test_notes_agree_with_ffprobe(tmp_path: Path, maker: str, ending: str) -> None:
    if shutil.which("ffprobe") is None:
        pytest.skip("no ffprobe here")
    source = rich_files.MAKERS[maker](tmp_path)
    out = tmp_path / f"out{ending}"
    notes = make_result(source, out, write_tone(tmp_path / "speech.wav"))
    comparison = compare_files(source, out)
    assert notes == comparison.notes
    assert check(list_losses(source, out), [*comparison.lost, *comparison.changed]) == []


def test_the_pixel_format_is_called_what_it_is_in_the_file(tmp_path: Path) -> None:
    colours = np.random.default_rng(3).integers(0, 256, (48, 64, 4), np.uint8)
    speech = write_tone(tmp_path / "speech.wav")
    for mode, name, form in (("CMYK", "inks.jpg", "CMYK"), ("RGBA", "glass.png", "rgba")):
        Image.fromarray(colours, mode).save(tmp_path / name)
        notes = make_result(tmp_path / name, tmp_path / f"{name}.mp4", speech)
        assert notes == [f"changed from the source: the picture is yuv420p instead of {form}"]


@pytest.mark.slow
def test_a_file_lacks_nothing_of_itself(tmp_path: Path) -> None:
    for maker in ("rich_mkv", "phone_mov", "camera_mxf"):
        contents = read_contents(rich_files.MAKERS[maker](tmp_path))
        assert compare(contents, contents) == Comparison()


def with_picture(**changes: Any) -> Contents:
    return replace(FILE, picture=replace(PICTURE, **changes))


@pytest.mark.parametrize(
    ("changes", "lost"),
    [
        ({"side_data": frozenset({"A53_CC"})}, ["the captions in the picture (CEA-608/708)"]),
        ({"side_data": frozenset({"DOVI_METADATA", "DOVI_RPU_BUFFER"})}, ["the Dolby Vision metadata"]),
        ({"side_data": frozenset({"PANSCAN"})}, []),
        ({"rotation": 180}, ["the rotation of the picture (180 degrees)"]),
        ({"rotation": 90, "mirrored": True}, ["the rotation of the picture (90 degrees and a flip)"]),
        ({"rotation": 90, "thumbnail": np.rot90(PICTURE.thumbnail, -1)}, []),  # the result's picture is turned already
        ({"rotation": 180, "thumbnail": np.rot90(PICTURE.thumbnail, 2)}, []),
        ({"aspect": Fraction(64, 45)}, ["the pixel shape 64:45"]),
        ({"aspect": Fraction(300, 301)}, []),
        ({"field_order": TOP_FIELD_FIRST}, ["the interlaced coding (top field first)"]),
        ({"colour": ColourTags(chroma_place="topleft")}, ["the colour tags chroma place topleft"]),
        ({"colour": ColourTags(chroma_place="left")}, []),
        ({"colour": ColourTags(range_raw=2)}, ["the colour tags range"]),
        (
            {"colour": ColourTags(matrix_raw=9, primaries_raw=9, transfer_raw=16)},
            ["the colour tags matrix bt2020nc, primaries bt2020 and transfer smpte2084"],
        ),
        ({"colour": ColourTags(matrix_raw=0, range_raw=2), "pix_fmt": "gbrp"}, []),
    ],
)
def test_what_a_picture_loses(changes: dict[str, Any], lost: list[str]) -> None:
    assert list(compare(with_picture(**changes), FILE).lost) == lost


@pytest.mark.parametrize(
    ("changes", "changed"),
    [
        ({"codec": "vp8"}, ["the picture is coded as h264 instead of vp8"]),
        ({"pix_fmt": "yuv444p12", "format_name": "yuv444p12"}, ["the picture is yuv420p instead of yuv444p12"]),
        ({"size": (98, 64)}, ["the picture is 96x64 instead of 98x64"]),
        ({"size": (97, 65)}, []),  # the encoder's plan tells that it is made even
        ({"pix_fmt": "yuva420p"}, []),  # likewise
        ({"first_time": Fraction(1, 100)}, []),
        ({"first_time": Fraction(7, 5)}, ["the first picture is shown at 0.000 instead of 1.400 s"]),
    ],
)
def test_how_a_picture_changes(changes: dict[str, Any], changed: list[str]) -> None:
    assert list(compare(with_picture(**changes), FILE).changed) == changed


def test_the_other_field_first() -> None:
    comparison = compare(with_picture(field_order=TOP_FIELD_FIRST), with_picture(field_order=BOTTOM_FIELD_FIRST))
    assert comparison.lost == ("the field order (top field first)",)


def test_a_still_picture_has_nothing_else_to_lose() -> None:
    still = with_picture(is_image=True, codec="png", pix_fmt="gbrap", format_name="rgba")
    assert compare(replace(still, metadata={"software": "x"}), FILE).changed == (
        "the picture is yuv420p instead of rgba",
    )
    assert compare(replace(still, metadata={"software": "x"}), FILE).lost == ()


def test_what_was_not_to_be_kept_is_not_missed() -> None:
    sounds = tuple(StreamContents(1 + number, "audio", "aac") for number in range(3))
    source = replace(FILE, streams=sounds)
    assert compare(source, FILE, keep_audio="none").lost == ()
    assert compare(source, FILE).lost == ("sound stream 2 (aac)", "sound stream 3 (aac)")
    assert len(compare(source, FILE, keep_audio="all").lost) == 3
    assert len(compare(source, FILE, has_speech=False).lost) == 2


def test_streams_are_paired_by_what_they_are() -> None:
    def sound(index: int, language: str, codec: str = "aac", title: str = "") -> StreamContents:
        metadata = {"language": language} | ({"title": title} if title else {})
        return StreamContents(index, "audio", codec, metadata)

    ours = [sound(1, "eng"), sound(2, "fre"), sound(3, "ger", "dts"), sound(4, "ger")]
    theirs = [sound(1, "fra", "opus"), sound(2, "deu")]
    assert [(a.index, b.index if b else None) for a, b in pair_streams(ours, theirs)] == [
        (1, None),
        (2, 1),
        (3, None),
        (4, 2),
    ]
    data = [StreamContents(5, "data", "mebx"), StreamContents(6, "data", "gpmd")]
    assert [b.index if b else None for _, b in pair_streams(data, [StreamContents(1, "data", "gpmd")])] == [None, 1]
    assert [b for _, b in pair_streams(data[:1], [StreamContents(1, "data", "gpmd")])] == [None]


def test_the_same_of_several_streams_is_said_once() -> None:
    sounds = tuple(StreamContents(1 + n, "audio", "pcm_s24le", {"reel": "A1"}, rate=48000) for n in range(4))
    kept = tuple(StreamContents(1 + n, "audio", "aac", rate=48000) for n in range(4))
    comparison = compare(replace(FILE, streams=sounds), replace(FILE, streams=kept))
    assert comparison.lost == ("the metadata reel of sound streams 2, 3 and 4",)
    assert comparison.changed == ("sound streams 2, 3 and 4 are aac instead of pcm_s24le",)


def test_chapters_time_codes_and_metadata() -> None:
    chapters = tuple(Chapter(Fraction(n), Fraction(n + 1), f"Part {n}") for n in range(3))
    keys = {f"key{n}": f"value {n}" for n in range(11)} | {"timecode": "10:00:00:00", "encoder": "Lavf"}
    titles = StreamContents(2, "data", "text", chapters=True)
    code = StreamContents(3, "data", "tmcd", {"timecode": "10:00:00:00"})
    source = replace(FILE, streams=(SPEECH, titles, code), chapters=chapters, metadata=keys)
    assert compare(source, replace(FILE, chapters=chapters[:1])).lost == (
        "2 of 3 chapters",
        "the time code 10:00:00:00",
        "the metadata key0, key1, key2, key3, key4, key5, key6, key7 and 3 more",
    )
    kept = {key.upper(): value for key, value in keys.items()} | {"COMMENT": "Dubbed. value 3"}
    assert compare(source, replace(FILE, chapters=chapters, metadata=kept)).lost == ()


def test_a_place_is_the_same_in_other_digits() -> None:
    def say(place: str) -> Contents:
        return replace(FILE, metadata={"location": place})

    assert compare(say("+1.5-002.25/"), say("+01.5000-002.2500/")) == Comparison()
    assert compare(say("+1.5-002.25/"), say("+01.5000+002.2500/")).lost == ("the metadata location",)
    assert compare(say("home"), say("+1.5-002.25/")).lost == ("the metadata location",)


def test_what_is_told_elsewhere_is_left_out() -> None:
    source = replace(FILE, streams=(SPEECH, StreamContents(2, "video", "vp8"), StreamContents(3, "video", "vp8")))
    assert compare(source, FILE, told=[2]).lost == ("video stream 3 (vp8)",)
    assert Comparison(("a", "b"), ("a", "c")).leave_out(["a"]) == Comparison(("b",), ("c",))


def test_one_note() -> None:
    assert Comparison().notes == []
    assert Comparison(("a", "b"), ("c is d",)).notes == ["not in the result: a, b; changed from the source: c is d"]
